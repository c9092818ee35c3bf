import { join, relative } from "node:path";
import tseslint from "typescript-eslint";

/** The rooms of src from left to right: a file imports from its own room and from those to its left, types included. */
const ROOMS = [
  ["errors.ts", "wire"],
  ["config"],
  ["observability"],
  ["db"],
  ["tokens"],
  ["events"],
  ["accounts"],
  ["auth"],
  ["rpc"],
  ["procedures"],
  ["engine.ts", "readiness.ts", "worker.ts", "create-auth.ts", "schemas.ts", "schemas", "index.ts"],
  ["cli", "cli.ts"],
];

/** Rooms that see no more than these: wire and client are loaded by other people's processes. */
const SEES = {
  wire: [],
  amqp: ["wire", "config", "errors.ts", "observability", "rpc/envelope.ts"],
  client: ["wire", "errors.ts"],
};

const roomOrder = {
  meta: {
    type: "problem",
    schema: [],
    messages: { order: "{{from}} must not import {{to}}: see CONTRIBUTING.md" },
  },
  create(context) {
    const src = join(import.meta.dirname, "src");
    const from = roomOf(relative(src, context.filename));
    const check = (node) => {
      const path = node.source?.value;
      if (typeof path !== "string" || !path.startsWith(".")) return;
      const file = relative(src, join(context.filename, "..", path));
      const to = roomOf(file);
      if (to === ".." || to === from || mayImport(from, to, file)) return;
      context.report({ node, messageId: "order", data: { from, to: file } });
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    };
  },
};

function roomOf(file) {
  return file.split("/")[0];
}

function mayImport(from, to, file) {
  if (from in SEES) return SEES[from].some((seen) => seen === to || seen === file);
  const rank = (room) => ROOMS.findIndex((rooms) => rooms.includes(room));
  // Only the worker and what is to its right know how requests arrive.
  return to in SEES && to !== "wire" ? rank(from) >= ROOMS.length - 2 : rank(to) <= rank(from);
}

/** Each driver has one home below src. */
const HOMES = {
  amqplib: ["amqp/", "client/"],
  kysely: ["db/"],
  "kysely/migration": ["db/"],
  mysql2: ["db/"],
  "node:sqlite": ["db/", "cli/users/duplicate-index.ts"],
  dataloader: ["db/"],
  jose: ["tokens/", "client/"],
  "lru-cache": ["tokens/"],
  // The filter in the configuration is parsed where the configuration is.
  ldapts: ["auth/ldap", "config/user-filter.ts"],
  "@node-rs/bcrypt": ["auth/password/bcrypt.ts"],
  commander: ["cli/"],
  "cli-progress": ["cli/"],
  "csv-parse/sync": ["cli/users/csv.ts"],
  "csv-stringify/sync": ["cli/users/"],
  "@zxcvbn-ts/language-common": ["cli/init.ts"],
  re2js: ["config/patterns.ts"],
  "redos-detector": ["config/patterns.ts"],
  yaml: ["schemas/"],
  pino: ["observability/"],
  "pino-pretty": ["observability/"],
  "prom-client": ["observability/"],
  "@opentelemetry/api": ["observability/"],
};

const driverHome = {
  meta: { type: "problem", schema: [], messages: { home: "{{name}} is imported only in {{homes}}" } },
  create(context) {
    const file = relative(join(import.meta.dirname, "src"), context.filename);
    return {
      ImportDeclaration({ source }) {
        const homes = HOMES[source.value];
        if (homes === undefined || homes.some((home) => file.startsWith(home))) return;
        context.report({
          node: source,
          messageId: "home",
          data: { name: source.value, homes: homes.join(", ") },
        });
      },
    };
  },
};

/** What loads a file at run time; so does `import { type X }`, which takes nothing from it. */
const VALUES = [
  "ImportDeclaration[importKind!='type']",
  "ExportNamedDeclaration[exportKind!='type']",
  "ExportAllDeclaration[exportKind!='type']",
  "ImportExpression",
].join(", ");

const reasonedAssertion = {
  meta: {
    type: "problem",
    schema: [],
    messages: { reason: "say beside this `as`, or above it, why it holds" },
  },
  create({ sourceCode, report }) {
    const reasons = sourceCode.getAllComments().filter(({ type }) => type === "Line");
    return {
      "TSAsExpression:not([typeAnnotation.typeName.name='const'])"(node) {
        const { start, end } = node.loc;
        const isBeside = ({ loc: { start: at } }) => at.line >= start.line - 1 && at.line <= end.line;
        if (!reasons.some(isBeside)) report({ node, messageId: "reason" });
      },
    };
  },
};

export default tseslint.config(
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "max-lines": ["error", 300],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/no-unnecessary-condition": [
        "error",
        { allowConstantLoopConditions: "only-allowed-literals" },
      ],
      "@typescript-eslint/no-invalid-void-type": "off",
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    files: ["src/**/*.ts"],
    plugins: {
      authmq: {
        rules: {
          "driver-home": driverHome,
          "reasoned-assertion": reasonedAssertion,
          "room-order": roomOrder,
        },
      },
    },
    rules: {
      "authmq/reasoned-assertion": "error",
      "authmq/driver-home": "error",
      "authmq/room-order": "error",
      "@typescript-eslint/consistent-type-assertions": [
        "error",
        { assertionStyle: "as", objectLiteralTypeAssertions: "never" },
      ],
      "@typescript-eslint/no-non-null-assertion": "error",
    },
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/config/**", "src/cli/**", "src/cli.ts"],
    rules: {
      "no-restricted-properties": [
        "error",
        {
          object: "process",
          property: "env",
          message: "only config and cli know the environment: see config/process-environment.ts",
        },
      ],
      "no-restricted-imports": [
        "error",
        ...["process", "node:process"].map((name) => ({ name, message: "process is global" })),
      ],
    },
  },
  {
    files: ["src/client/**/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector: `:matches(${VALUES})[source.value=/^\\.\\.\\u002f(?!wire\\u002f)/]`,
          message: "the client takes values from wire alone: it runs in other people's processes",
        },
      ],
    },
  },
  {
    files: ["src/wire/**/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector:
            "[source.value=/^(?!node:|\\.\\u002f)/]:not([importKind='type'][source.value='../../schemas/workflows.d.ts'])",
          message: "wire imports only parts of Node and generated types: worker and client share it",
        },
      ],
    },
  },
  {
    files: ["{test,docs}/**/*.ts"],
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            {
              from: "package",
              package: "node:test",
              name: ["test", "it", "describe", "suite", "before", "after", "beforeEach", "afterEach"],
            },
          ],
        },
      ],
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
);
