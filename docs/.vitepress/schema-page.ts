import { posix } from "node:path";
import type { Page } from "./page.ts";

/** The page with a link to every file in schemas/. */
export function schemaPage(files: readonly string[]): Page {
  const list = (folder: string): string =>
    files
      .filter((file) => posix.dirname(file) === folder)
      .map((file) => `- [${posix.basename(file)}](${posix.relative("schemas", file)})`)
      .join("\n");
  return {
    path: "schemas/index.md",
    text: `# Schemas

These files are generated from the source code. Use them to generate clients, to validate messages, or to check a
configuration in an editor.

| file | content | readable version |
|---|---|---|
| [asyncapi.yaml](asyncapi.yaml) | every queue with its messages, as an AsyncAPI 3.0 document | [Queues](../queues/index.md) |
| [config.json](config.json) | the configuration file, as a JSON Schema | [Configuration](../docs/configuration.md) |

## rpc

The JSON Schemas of all requests and replies, two files per queue.

${list("schemas/rpc")}

## sql

The tables of the database.

${list("schemas/sql")}
`,
  };
}
