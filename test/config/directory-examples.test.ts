import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { rootCertificates } from "node:tls";
import { fullMatch } from "../../src/config/patterns.ts";
import { parse } from "./faults-of.ts";

const DOCUMENT = resolve(import.meta.dirname, "../../docs/directory.md");
const folder = mkdtempSync(join(tmpdir(), "authmq-config-"));
after(() => rmSync(folder, { recursive: true }));

interface Example {
  readonly heading: string;
  readonly raw: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The configuration examples in the document, by heading. */
function examples(): Example[] {
  return readFileSync(DOCUMENT, "utf8")
    .split(/^## /m)
    .flatMap((section) =>
      [...section.matchAll(/^```json\n(.*?)^```$/gms)].map(([, json = ""]) => ({
        heading: section.split("\n", 1)[0] ?? "",
        raw: JSON.parse(`{${json}}`) as Example["raw"],
      })),
    );
}

describe("the examples in docs/directory.md", () => {
  test("exist for each kind of directory", () => {
    const headings = examples().map(({ heading }) => heading);
    assert.deepEqual(headings, [
      "Active Directory",
      "OpenLDAP",
      "389 Directory Server",
      "FreeIPA",
      "Kerberos",
    ]);
  });

  for (const { heading, raw } of examples()) {
    test(`${heading}: is a valid configuration`, () => {
      const file = raw["ldap_settings"]?.["ca_file"];
      const settings = structuredClone(raw) as Record<string, Record<string, unknown>>;
      if (typeof file === "string") {
        writeFileSync(join(folder, "ca.pem"), rootCertificates[0] ?? "");
        settings["ldap_settings"] = { ...settings["ldap_settings"], ca_file: "ca.pem" };
      }
      const keytab = settings["kerberos_settings"]?.["keytab"];
      if (typeof keytab === "string") writeFileSync(join(folder, keytab), "");
      assert.doesNotThrow(() => parse(settings, { folder }));
    });

    if (raw["ldap_settings"] === undefined) continue;
    test(`${heading}: accepts usual usernames of this directory`, () => {
      const pattern = fullMatch(parse({ app_config: raw["app_config"] }).app.username_regex);
      for (const name of ["j.doe", "bob", "jane_doe-2", "Administrator"]) assert.ok(pattern.test(name), name);
    });
  }

  test("have a valid pattern for non-ASCII letters", () => {
    const pattern = fullMatch("[\\p{L}0-9._-]{1,64}");
    for (const name of ["müller", "j.doe", "Žižek"]) assert.ok(pattern.test(name), name);
  });
});
