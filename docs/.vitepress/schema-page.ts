import { posix } from "node:path";
import type { Page } from "./page.ts";

/** The page that leads to every file in schemas/. */
export function schemaPage(files: readonly string[]): Page {
  const list = (folder: string): string =>
    files
      .filter((file) => posix.dirname(file) === folder)
      .map((file) => `- [${posix.basename(file)}](${posix.relative("schemas", file)})`)
      .join("\n");
  return {
    path: "schemas/index.md",
    text: `# Files for machines

All of them are made from the code.

- [asyncapi.yaml](asyncapi.yaml): every queue with its messages, as an AsyncAPI document ([for people](../queues/index.md))
- [config.json](config.json): the configuration file, as a JSON Schema ([for people](../docs/configuration.md))

## rpc

The JSON Schemas of every request and reply.

${list("schemas/rpc")}

## sql

The tables.

${list("schemas/sql")}
`,
  };
}
