import { join, relative } from "node:path";
import tseslint from "typescript-eslint";

/** The layers of src, lowest first: a file imports only from its own layer and lower ones, types included. */
const LAYERS = [
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

/** Folders with stricter limits on imports: callers load wire and client into their own processes. */
const ALLOWED_IMPORTS = {
  wire: [],
  amqp: ["wire", "config", "errors.ts", "observability", "rpc/envelope.ts"],
  client: ["wire", "errors.ts"],
};

const layerOrder = {
  meta: {
    type: "problem",
    schema: [],
    messages: { order: "{{from}} must not import {{to}}: see CONTRIBUTING.md" },
  },
  create(context) {
    const src = join(import.meta.dirname, "src");
    const from = folderOf(relative(src, context.filename));
    const check = (node) => {
      const path = node.source?.value;
      if (typeof path !== "string" || !path.startsWith(".")) return;
      const file = relative(src, join(context.filename, "..", path));
      const to = folderOf(file);
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

function folderOf(file) {
  return file.split("/")[0];
}

function mayImport(from, to, file) {
  if (from in ALLOWED_IMPORTS)
    return ALLOWED_IMPORTS[from].some((allowed) => allowed === to || allowed === file);
  const rank = (folder) => LAYERS.findIndex((folders) => folders.includes(folder));
  // Only the worker and the CLI may import amqp and client.
  return to in ALLOWED_IMPORTS && to !== "wire" ? rank(from) >= LAYERS.length - 2 : rank(to) <= rank(from);
}

/** Each driver is imported in one place below src. */
const HOMES = {
  amqplib: ["amqp/", "client/"],
  kysely: ["db/"],
  "kysely/migration": ["db/"],
  mysql2: ["db/"],
  "node:sqlite": ["db/", "cli/users/duplicate-index.ts"],
  dataloader: ["db/"],
  jose: ["tokens/", "client/"],
  "lru-cache": ["tokens/"],
  // user_filter is parsed with the configuration.
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

/** Imports that load a file at run time, including `import { type X }`. */
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
    messages: { reason: "explain beside this `as`, or above it, why the assertion is safe" },
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
          "layer-order": layerOrder,
        },
      },
    },
    rules: {
      "authmq/reasoned-assertion": "error",
      "authmq/driver-home": "error",
      "authmq/layer-order": "error",
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
          message: "only config and cli may read the environment: see config/process-environment.ts",
        },
      ],
      "no-restricted-imports": [
        "error",
        ...["process", "node:process"].map((name) => ({ name, message: "use the global process" })),
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
          message: "the client may import values only from wire, because it runs in callers' processes",
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
          message:
            "wire may import only Node modules and generated types, because worker and client share it",
        },
      ],
    },
  },
  // Scripts of pages run in browsers. They are no part of the compiler's project.
  { files: ["examples/**/*.js"], ...tseslint.configs.disableTypeChecked },
  {
    files: ["examples/nestjs/**/*.ts"],
    rules: {
      "@typescript-eslint/no-extraneous-class": ["error", { allowWithDecorator: true }],
      "@typescript-eslint/no-unsafe-class-instance-assignment": "off", // the options of a microservice
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
