import importX, { createNodeResolver } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** The rooms of src from left to right: a file imports from its own room and from the rooms to its left. */
const ROOMS = [
  ["./src/errors.ts"],
  ["./src/config", "./src/observability"],
  ["./src/db", "./src/tokens"],
  ["./src/auth"],
  ["./src/rpc"],
  ["./src/procedures"],
  ["./src/engine.ts", "./src/worker.ts", "./src/create-auth.ts", "./src/schemas.ts", "./src/index.ts"],
  ["./src/cli", "./src/cli.ts"],
];

/** What lies to the right of each room, and the neighbours that it shares a step with. */
const zones = ROOMS.flatMap((rooms, step) =>
  rooms.map((target) => ({
    target,
    from: [
      ...ROOMS.slice(step + 1).flat(),
      ...(step < 6 ? rooms.filter((room) => room !== target) : []),
      ...(step < 6 ? ["./src/amqp", "./src/client"] : []),
    ],
    message: "imports point one way: errors < config, observability < db, tokens < auth < rpc < procedures < worker < cli",
  })),
);

/** Each driver has one home. */
const HOMES = {
  amqplib: ["src/amqp/**", "src/client/**"],
  kysely: ["src/db/**"],
  "kysely/migration": ["src/db/**"],
  mysql2: ["src/db/**"],
  "node:sqlite": ["src/db/**"],
  jose: ["src/tokens/**"],
  ldapts: ["src/auth/ldap.ts"],
  "@node-rs/bcrypt": ["src/auth/password.ts"],
  commander: ["src/cli/**"],
  "cli-progress": ["src/cli/**"],
  pino: ["src/observability/**"],
};

export default tseslint.config(
  ...tseslint.configs.strictTypeChecked,
  {
    plugins: { "import-x": importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: {
      "import-x/parsers": { "@typescript-eslint/parser": [".ts"] },
      "import-x/resolver-next": [createNodeResolver({ extensions: [".ts", ".js"] })],
    },
    rules: {
      "import-x/no-cycle": "error",
      "import-x/no-unresolved": "error",
      "max-lines": ["error", 300],
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-unnecessary-condition": ["error", { allowConstantLoopConditions: "only-allowed-literals" }],
      "@typescript-eslint/no-invalid-void-type": "off",
      "@typescript-eslint/require-await": "off",
    },
  },
  {
    files: ["src/**/*.ts"],
    rules: {
      "import-x/no-restricted-paths": [
        "error",
        {
          zones: [
            ...zones,
            {
              target: "./src/amqp",
              from: "./src",
              except: ["./amqp", "./rpc/envelope.ts", "./config", "./errors.ts", "./observability"],
              message: "amqp sees only rpc/envelope, config, errors and observability",
            },
            {
              target: "./src/client",
              from: "./src",
              except: ["./client", "./procedures"],
              message: "the client takes types from the procedures and nothing else",
            },
          ],
        },
      ],
      "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "as", objectLiteralTypeAssertions: "never" }],
      "@typescript-eslint/no-non-null-assertion": "error",
    },
  },
  ...Object.entries(HOMES).map(([name, homes]) => ({
    name: `authmq/home-of-${name}`,
    files: ["src/**/*.ts"],
    ignores: homes,
    rules: {
      [`authmq/${name.replaceAll(/[^a-z0-9]/g, "-")}`]: "error",
    },
    plugins: { authmq: { rules: { [name.replaceAll(/[^a-z0-9]/g, "-")]: homeRule(name) } } },
  })),
  {
    files: ["test/**/*.ts"],
    rules: {
      "@typescript-eslint/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: ["test", "it", "describe", "suite", "before", "after", "beforeEach", "afterEach"] }] },
      ],
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
);

/** Refuses imports of one package: the core rule no-restricted-imports cannot be set per package and folder at once. */
function homeRule(name) {
  return {
    meta: { type: "problem", schema: [], messages: { home: "{{name}} is imported in its own room only" } },
    create: (context) => ({
      ImportDeclaration(node) {
        if (node.source.value === name) context.report({ node, messageId: "home", data: { name } });
      },
    }),
  };
}
