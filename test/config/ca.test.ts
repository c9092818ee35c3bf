import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { rootCertificates } from "node:tls";
import { generateSecret } from "../../src/config/generate-key.ts";
import { faultsOf, parse } from "./faults-of.ts";

const [ROOT = "", OTHER = ""] = rootCertificates;
const folder = mkdtempSync(join(tmpdir(), "authmq-config-"));
after(() => rmSync(folder, { recursive: true }));
const DATABASE = { database: "a", user: "a", password: "a" };

/** The sections that have a ca_file. */
const SECTIONS = {
  amqp_settings: (ca_file: string) => ({ amqp_settings: { ca_file } }),
  db_settings: (ca_file: string) => ({ db_settings: { ...DATABASE, ca_file } }),
  ldap_settings: (ca_file: string) => ({ ldap_settings: { address: "ldaps://dc1", ca_file } }),
} as const;

const BAD = {
  "that is empty": ["\n", /file is empty/],
  "with a private key alone": [generateSecret("EdDSA").secret, /contains a private key/],
  "with a certificate in DER": [new X509Certificate(ROOT).raw, /DER.*openssl x509 -inform der/],
  "with a certificate request": [
    "-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n",
    /certificate request/,
  ],
  "in PKCS #7": ["-----BEGIN PKCS7-----\nAA==\n-----END PKCS7-----\n", /openssl pkcs7 -print_certs/],
  "with a public key": [
    new X509Certificate(ROOT).publicKey.export({ type: "spki", format: "pem" }),
    /contains a PUBLIC KEY/,
  ],
  "that is a web page": ["<!doctype html><title>Log in</title>", /begins with -----BEGIN CERTIFICATE-----/],
  "that a byte order mark makes unreadable": [`\ufeff${ROOT}`, /beginning of a line/],
  "whose second certificate was cut off": [
    `${ROOT}\n${OTHER.slice(0, 400)}`,
    /certificate 2 of 2 is damaged/,
  ],
  "whose certificate was changed": [ROOT.replace(/\nMII/, "\nAAA"), /certificate 1 of 1 is damaged/],
} as const;

for (const [section, settings] of Object.entries(SECTIONS)) {
  describe(`the ca_file of ${section}`, () => {
    for (const [what, [content, expected]] of Object.entries(BAD)) {
      test(`${what} is a fault that says what to do`, () => {
        writeFileSync(join(folder, "bad.pem"), content);
        const faults = faultsOf(settings("bad.pem"), { folder });
        assert.deepEqual(Object.keys(faults), [`${section}.ca_file`]);
        assert.match(faults[`${section}.ca_file`] ?? "", expected);
        assert.doesNotMatch(faults[`${section}.ca_file`] ?? "", /MII|AAAA/, "nothing of the file is shown");
      });
    }

    for (const [what, content] of Object.entries({
      "one certificate": ROOT,
      "several, with comments and Windows' line ends": `# root\n${ROOT}\n# other\n${OTHER}`.replaceAll(
        "\n",
        "\r\n",
      ),
    })) {
      test(`may have ${what}`, () => {
        writeFileSync(join(folder, "good.pem"), content);
        assert.doesNotThrow(() => parse(settings("good.pem"), { folder }));
      });
    }
  });
}

describe("db_settings.verify_host", () => {
  const faults = (settings: object): Record<string, string> =>
    faultsOf({ db_settings: { ...DATABASE, ...settings } }, { folder });

  test("may be false only together with ca_file, and the fault says what to set", () => {
    writeFileSync(join(folder, "good.pem"), ROOT);
    assert.deepEqual(faults({ verify_host: false, ca_file: "good.pem" }), {});
    for (const tls of [undefined, true, false]) {
      const { "db_settings.verify_host": fault, ...others } = faults({ verify_host: false, tls });
      assert.match(fault ?? "", /needs ca_file: set ca_file to the CA .* ca\.pem in its data directory/);
      assert.deepEqual(others, {});
    }
    const unreadable = faults({ verify_host: false, ca_file: "missing.pem" });
    assert.deepEqual(Object.keys(unreadable), ["db_settings.ca_file"]);
  });

  test("is true by default, and can be set beside a URL with ssl-ca", () => {
    const db = (settings: object): unknown => {
      const { db: parsed } = parse({ db_settings: settings }, { folder });
      return parsed.dialect === "mysql" && parsed.verify_host;
    };
    const url = "mysql://u:p@db/auth?ssl-mode=VERIFY_CA&ssl-ca=good.pem";
    assert.equal(db({ url }), true);
    assert.equal(db({ url, verify_host: false }), false);
  });
});
