import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createMarkdownRenderer } from "vitepress";
import { markdown } from "../../docs/.vitepress/markdown.ts";
import { pagesFolder, root } from "../../docs/.vitepress/page.ts";
import { queueNames } from "../../src/config/queues.ts";
import type { Site } from "./visit.ts";

/** Tests the files of the built site. */
export function testPages(site: Site): void {
  const read = (path: string): string => readFileSync(join(site.folder, path), "utf8");
  const render = async (text: string): Promise<string> => {
    const md = await createMarkdownRenderer(pagesFolder, markdown);
    return md.render(text, { relativePath: "docs/protocol.md" });
  };

  test("every document of the repository is a page, and so is every queue", () => {
    const documents = globSync("{*.md,docs/**/*.md}", { cwd: root });
    assert.ok(documents.length > 50, `${documents.length} documents`);
    for (const file of documents)
      assert.ok(site.pages.includes(file === "README.md" ? "index.html" : file.replace(/md$/, "html")), file);
    for (const name of queueNames()) assert.ok(site.pages.includes(`queues/${name}.html`), name);
  });

  test("every link of the site leads to a page or a file, and to a part of it where it names one", () => {
    let [count, anchors] = [0, 0];
    for (const path of site.pages) {
      for (const [, address = ""] of read(path).matchAll(/ (?:href|src)="([^"]*)"/g)) {
        if (/^https?:/.test(address)) continue;
        count++;
        const { pathname, hash } = new URL(address, `http://site/${path}`);
        const target = pathname.replace(/\/$/, "/index.html");
        assert.ok(existsSync(join(site.folder, target)), `${path}: ${address}`);
        if (hash === "") continue;
        anchors++;
        const id = ` id="${decodeURIComponent(hash.slice(1))}"`;
        assert.ok(read(target).includes(id), `${path}: ${address}`);
      }
    }
    assert.ok(count > 5_000 && anchors > 500, `${count} links, ${anchors} to a part`);
  });

  test("every page has the way to every page beside it", () => {
    for (const path of site.pages) {
      const [navigation = ""] = /<aside class="VPSidebar"[\s\S]*?<\/aside>/.exec(read(path)) ?? [];
      const linked = Array.from(navigation.matchAll(/ href="\/([^"#]*)"/g), ([, address = ""]) =>
        address.replace(/(^|\/)$/, "$1index.html"),
      );
      assert.deepEqual(linked.toSorted(), site.pages.toSorted(), path);
    }
  });

  test("the groups beside a page are kinds of pages, with the pages of a folder in one group", () => {
    const [navigation = ""] = /<aside class="VPSidebar"[\s\S]*?<\/aside>/.exec(read("index.html")) ?? [];
    const groups = new Map(
      navigation.split(/<h2[^>]*>/).map((part) => {
        const links = Array.from(part.matchAll(/ href="\/([^"#]*)"/g), ([, address = ""]) => address);
        return [part.split("<", 1)[0] ?? "", links] as const;
      }),
    );
    const titles = [...groups.keys()].slice(1);
    const kinds = ["Tutorials", "How-to guides", "Reference", "Explanation", "Project"];
    assert.deepEqual(
      titles,
      kinds.filter((kind) => titles.includes(kind)),
    );
    const of = (title: string): readonly string[] => groups.get(title) ?? [];
    assert.ok(of("How-to guides").includes("docs/guides/kerberos.html"));
    assert.ok(of("How-to guides").every((address) => /^docs\/(?:guides\/|upgrade|moving)/.test(address)));
    assert.ok(of("Reference").includes("docs/protocol.html"));
    assert.ok(of("Explanation").includes("docs/reliability.html"));
  });

  test("no page loads anything from another host, and its policy forbids it", () => {
    for (const path of [...site.pages, "404.html"]) {
      const text = read(path);
      const policy = text.indexOf("content=\"default-src 'self'; script-src 'self' 'sha256-");
      assert.ok(policy > 0 && policy < text.indexOf("<script"), path);
      assert.doesNotMatch(text, /<(?:link|script|img|iframe)[^>]*(?:href|src)="(?:https?:)?\/\//, path);
    }
    const styles = globSync("**/*.css", { cwd: site.folder });
    assert.notEqual(styles.length, 0);
    for (const path of styles) assert.doesNotMatch(read(path), /@import|url\(["']?(?:https?:)?\/\//, path);
  });

  test("a page of a queue has its callers, its fields, its errors and an example of each message", () => {
    const text = read("queues/login.html");
    for (const word of [
      "Authorization: anyone.",
      "kerberos_ticket",
      "INVALID_CREDENTIALS",
      "nine lanterns at dusk",
      "&lt;ID token&gt;",
      "authmq call login -",
    ])
      assert.ok(text.includes(word), word);
  });

  test("what a document says is text, whatever it looks like", async () => {
    const hostile =
      '# <script>x</script>\n\n`<b>` & <img src=x onerror=y> {{ 1 + 1 }} :D {#id} [a"b](javascript:alert)\n\n```json\n{"<i>": "&"}\n```\n';
    const text = await render(hostile);
    const names = Array.from(text.matchAll(/<([a-z0-9]+)/g), ([, name]) => name);
    assert.deepEqual([...new Set(names)].toSorted(), [
      "a",
      "button",
      "code",
      "div",
      "h1",
      "p",
      "pre",
      "span",
    ]);
    assert.doesNotMatch(text, /\{\{|href="javascript|😃|id="id"/u);
    assert.ok(text.includes("&lt;img src=x onerror=y&gt; &#123;&#123; 1 + 1 }} :D {#id}"), text);
  });

  test("headings have the anchors that they have on GitHub, also where two are alike", async () => {
    const text = await render("# T\n\n## `a_b`: C's *d*\n\n## Same\n\n### Same\n");
    const anchors = Array.from(text.matchAll(/<h\d id="([^"]*)"/g), ([, anchor]) => anchor);
    assert.deepEqual(anchors, ["t", "a_b-cs-d", "same", "same-1"]);
  });

  test("a link to a source is none on the site, one to a file stays, and one to nothing ends the build", async () => {
    assert.match(await render("[a](../src/cli.ts)"), /<p><a title="\.\.\/src\/cli\.ts">a<\/a><\/p>/);
    assert.match(await render("[a](../LICENSE)"), /<a href="\.\.\/LICENSE" target="_self">/);
    assert.match(await render("[a](../README.md#queues)"), /<a href="\/#queues">/);
    assert.match(await render("[a](adr)"), /<a href="\/docs\/adr\/">/);
    await assert.rejects(
      render("[a](no-such.md)"),
      /docs\/protocol\.md: the link to no-such\.md leads nowhere/,
    );
    await assert.rejects(render("![a](no-such.svg)"), /the link to no-such\.svg leads nowhere/);
  });
}
