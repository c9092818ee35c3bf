import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "../../docs/.vitepress/page.ts";
import { queuePages } from "../../docs/.vitepress/queues.ts";
import { queueNames } from "../../src/config/queues.ts";
import { PROCEDURES } from "../../src/procedures/index.ts";

const pages = queuePages(readFileSync(join(root, "schemas/asyncapi.yaml"), "utf8"));

const textOf = (queue: string): string =>
  pages.find(({ path }) => path === `queues/${queue}.md`)?.text ?? assert.fail(`no page for ${queue}`);

const blockOf = (queue: string, language: string): string => {
  const [, block = ""] = new RegExp(`^\`\`\`${language}\n(.*?)\n\`\`\`$`, "ms").exec(textOf(queue)) ?? [];
  return block;
};

test("the page of each queue has request, reply, errors and examples in three languages, in this order", () => {
  for (const queue of queueNames()) {
    const headings = Array.from(textOf(queue).matchAll(/^##+ (.*)$/gm), ([, heading]) => heading);
    const expected = ["Request", "Reply", "Errors", "Examples", "TypeScript", "Python", "Shell"];
    assert.deepEqual(headings, expected, queue);
  }
});

test("the example in the shell sends the example request to the queue, with tokens from variables", () => {
  for (const { name, example } of PROCEDURES) {
    const tokens = { ID_TOKEN: "i", ACCESS_TOKEN: "a", TOKEN: "t", RESET_TOKEN: "r", VERIFY_TOKEN: "v" };
    const script = `authmq() { echo "$*"; cat; }\n${blockOf(name, "sh")}`;
    const output = execFileSync("sh", ["-c", script], {
      env: { ...process.env, ...tokens },
      encoding: "utf8",
    });
    const [command, sent = ""] = output.split("\n");
    assert.equal(command, `call ${name} -`);
    const request = JSON.parse(sent) as Record<string, unknown>;
    for (const [field, value] of Object.entries(request)) {
      const token = new Map(Object.entries(tokens)).get(field.toUpperCase());
      const expected = token ?? new Map<string, unknown>(Object.entries(example.request)).get(field);
      assert.deepEqual(value, expected, `${name}: ${field}`);
    }
    for (const field of Object.keys(example.request)) assert.ok(field in request, `${name}: ${field}`);
  }
});

test("the examples in TypeScript and Python call the queue", () => {
  for (const { name, namespace, method } of PROCEDURES) {
    assert.ok(blockOf(name, "ts").includes(`auth.${namespace}.${method}({`), name);
    assert.ok(blockOf(name, "python").includes(`auth.call("${name}", {`), name);
  }
});
