import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { writeFileSync } from "node:fs";
import { after, describe, test } from "node:test";
import { rootCertificates } from "node:tls";
import { fullMatch } from "../../src/config/patterns.ts";
import { parse } from "./faults-of.ts";

const GUIDES = resolve(import.meta.dirname, "../../docs/guides");
const folder = mkdtempSync(join(tmpdir(), "authmq-config-"));
after(() => rmSync(folder, { recursive: true }));

interface Example {
  readonly heading: string;
  readonly raw: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The configuration examples in the guides, by file and heading. */
function examples(): Example[] {
  return ["active-directory.md", "openldap.md", "kerberos.md"].flatMap((file) =>
    readFileSync(join(GUIDES, file), "utf8")
      .split(/^## /m)
      .flatMap((section) =>
        // In a list, a block is indented.
        [...section.matchAll(/^( *)```json\n(.*?)^\1```$/gms)].map(([, , json = ""]) => ({
          heading: `${file}: ${section.split("\n", 1)[0] ?? ""}`,
          raw: JSON.parse(json) as Example["raw"],
        })),
      ),
  );
}

describe("the configurations in the guides to directories and Kerberos", () => {
  test("exist for each kind of directory", () => {
    const headings = examples().map(({ heading }) => heading);
    assert.deepEqual(headings, [
      "active-directory.md: 4. Configure the worker",
      "openldap.md: OpenLDAP",
      "openldap.md: 389 Directory Server",
      "openldap.md: FreeIPA",
      "kerberos.md: 3. Configure the worker",
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

  test("have a pattern for letters beyond ASCII that can be used", () => {
    const pattern = fullMatch("[\\p{L}0-9._-]{1,64}");
    for (const name of ["müller", "j.doe", "Žižek"]) assert.ok(pattern.test(name), name);
  });
});
