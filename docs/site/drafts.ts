import { globSync, readFileSync } from "node:fs";
import { posix, resolve } from "node:path";
import { type Draft, root } from "./draft.ts";
import { queuePages } from "./queues.ts";

/** Everything that becomes a page. */
export function gatherDrafts(): Draft[] {
  const documents = globSync(["*.md", "docs/*.md", "docs/adr/*.md"], { cwd: root })
    .toSorted()
    .map((file) => ({ file, text: read(file) }));
  return [...documents, ...queuePages(read("schemas/asyncapi.yaml")), schemas()];
}

function read(file: string): string {
  return readFileSync(resolve(root, file), "utf8");
}

function schemas(): Draft {
  const files = globSync("schemas/**/*.*", { cwd: root }).toSorted();
  const list = (folder: string): string =>
    files
      .filter((file) => posix.dirname(file) === folder)
      .map((file) => `- [${posix.basename(file)}](${posix.relative("schemas", file)})`)
      .join("\n");
  return {
    file: "schemas/index.md",
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
