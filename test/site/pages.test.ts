import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { buildSite } from "../../docs/site/site.ts";
import { renderMarkdown } from "../../docs/site/markdown.ts";
import { queueNames } from "../../src/config/queues.ts";
import { newFolder } from "../support/cli.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = join(newFolder(), "site");

let pages: readonly string[];

before(() => {
  pages = buildSite(folder);
});

test("every document of the repository is a page, and so is every queue", () => {
  const documents = globSync("{*.md,docs/**/*.md}", { cwd: root });
  for (const file of documents)
    assert.ok(pages.includes(file === "README.md" ? "index.html" : file.replace(/md$/, "html")), file);
  for (const name of queueNames()) assert.ok(pages.includes(`queues/${name}.html`), name);
});

test("every link of the site leads to a page or a file, and to a part of it where it names one", () => {
  let count = 0;
  for (const path of pages) {
    for (const [, address = ""] of read(path).matchAll(/ (?:href|src)="([^"]*)"/g)) {
      if (/^https?:/.test(address)) continue;
      count++;
      const [file = "", anchor] = address.split("#");
      const target = file === "" ? path : join(path, "..", file);
      assert.ok(existsSync(join(folder, target)), `${path}: ${address}`);
      if (anchor !== undefined) assert.ok(read(target).includes(` id="${anchor}"`), `${path}: ${address}`);
    }
  }
  assert.ok(count > 1000);
});

test("every page is reached by the navigation of its neighbours", () => {
  const linked = new Set(
    pages.flatMap((path) => {
      const [navigation = ""] = /<nav class="side"[\s\S]*?<\/nav>/.exec(read(path)) ?? [];
      return Array.from(navigation.matchAll(/href="([^"#]+)"/g), ([, address = ""]) =>
        join(path, "..", address),
      );
    }),
  );
  assert.deepEqual(
    pages.filter((path) => !linked.has(path)),
    [],
  );
});

test("nothing comes from elsewhere, and no page has code in it", () => {
  for (const path of pages) {
    const text = read(path);
    assert.match(text, /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; /, path);
    assert.doesNotMatch(text, /<script(?![^>]* src=)|<style| on[a-z]+="|javascript:| style="/, path);
    assert.doesNotMatch(text, /<(?:link|script|img|iframe)[^>]*(?:href|src)="(?:https?:)?\/\//, path);
  }
});

test("a page of a queue has its fields, its failures and an example of each message", () => {
  const text = read("queues/login.html");
  for (const word of ["kerberos_ticket", "INVALID_CREDENTIALS", "nine lanterns at dusk", "&lt;ID token&gt;"])
    assert.ok(text.includes(word), word);
});

test("what a document says is text, whatever it looks like", () => {
  const hostile =
    '# <script>x</script>\n\n`<b>` & <img src=x onerror=y> [a"b](javascript:alert)\n\n```json\n{"<i>": "&"}\n```\n';
  const { title, body } = renderMarkdown(hostile, () => undefined);
  assert.equal(title, "<script>x</script>");
  assert.deepEqual(Array.from(body.text.matchAll(/<(?!\/)([a-z0-9]+)/g), ([, name]) => name).toSorted(), [
    "code",
    "code",
    "h1",
    "p",
    "pre",
    "span",
    "span",
    "span",
  ]);
  assert.doesNotMatch(body.text, /&amp;(?:lt|amp|quot);/);
});

test("headings have the anchors that they have on GitHub, also where two are alike", () => {
  const { headings } = renderMarkdown("# T\n\n## `a_b`: C's *d*\n\n## Same\n\n### Same\n", () => undefined);
  assert.deepEqual(headings, [
    { depth: 2, text: "a_b: C's d", anchor: "a_b-cs-d" },
    { depth: 2, text: "Same", anchor: "same" },
    { depth: 3, text: "Same", anchor: "same-1" },
  ]);
});

function read(path: string): string {
  return readFileSync(join(folder, path), "utf8");
}
