import { join, relative } from "node:path";
import importX, { createNodeResolver } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** The rooms of src from left to right: a file imports from its own room and from the rooms to its left. */
const ROOMS = [
  ["./src/errors.ts", "./src/wire"],
  ["./src/config"],
  ["./src/observability"],
  ["./src/db"],
  ["./src/tokens"],
  ["./src/events"],
  ["./src/accounts"],
  ["./src/auth"],
  ["./src/rpc"],
  ["./src/procedures"],
  [
    "./src/engine.ts",
    "./src/readiness.ts",
    "./src/worker.ts",
    "./src/create-auth.ts",
    "./src/schemas.ts",
    "./src/schemas",
    "./src/index.ts",
  ],
  ["./src/cli", "./src/cli.ts"],
];

/** The rooms before the worker do not know how requests come in. */
const TRANSPORT = ["./src/amqp", "./src/client"];

const zones = ROOMS.slice(0, -1).flatMap((room, step) =>
  room.map((target) => ({
    target,
    from: [...ROOMS.slice(step + 1).flat(), ...(step < ROOMS.length - 2 ? TRANSPORT : [])],
    message:
      "imports point one way: errors, wire < config, observability < db, tokens < events < accounts < auth < rpc < procedures < worker < cli",
  })),
);

/** Each driver has one home below src. */
const HOMES = {
  amqplib: ["amqp/", "client/"],
  kysely: ["db/"],
  "kysely/migration": ["db/"],
  mysql2: ["db/"],
  "node:sqlite": ["db/", "cli/users/first-lines.ts"],
  dataloader: ["db/"],
  jose: ["tokens/", "client/"],
  "lru-cache": ["tokens/"],
  // The filter in the configuration is parsed where the configuration is.
  ldapts: ["auth/ldap", "config/user-filter.ts"],
  "@node-rs/bcrypt": ["auth/password/bcrypt.ts"],
  commander: ["cli/"],
  "cli-progress": ["cli/"],
  "csv-parse/sync": ["cli/users/"],
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
    plugins: { "import-x": importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: {
      "import-x/parsers": { "@typescript-eslint/parser": [".ts"] },
      "import-x/resolver-next": [
        createNodeResolver({
          extensions: [".ts", ".js"],
          conditionNames: ["authmq-source", "node", "import", "default"],
        }),
      ],
    },
    rules: {
      "import-x/no-unresolved": "error",
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
      authmq: { rules: { "driver-home": driverHome, "reasoned-assertion": reasonedAssertion } },
    },
    rules: {
      "authmq/reasoned-assertion": "error",
      "authmq/driver-home": "error",
      "import-x/no-restricted-paths": [
        "error",
        {
          zones: [
            ...zones,
            {
              target: "./src/wire",
              from: "./src",
              except: ["./wire"],
              message: "wire imports nothing of the other rooms: worker and client share it",
            },
            {
              target: "./src/amqp",
              from: "./src",
              except: ["./amqp", "./wire", "./rpc/envelope.ts", "./config", "./errors.ts", "./observability"],
              message: "amqp sees only rpc/envelope, wire, config, errors and observability",
            },
            {
              target: "./src/client",
              from: "./src",
              except: ["./client", "./wire", "./errors.ts"],
              message:
                "the client takes values from wire, generated types, the types of errors, and nothing else",
            },
          ],
        },
      ],
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
