import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { faultsOf } from "./faults-of.ts";

const faults = (rp_id: string, ...origins: string[]) =>
  Object.entries(faultsOf({ app_config: { passkeys: { rp_id, rp_name: "Shop", origins } } }));

describe("passkeys", () => {
  for (const [rp_id, ...origins] of [
    ["example.com", "https://example.com", "https://login.example.com", "https://a.b.example.com:8443"],
    ["xn--bcher-kva.example", "https://xn--bcher-kva.example"],
    ["localhost", "http://localhost", "http://localhost:8080", "https://localhost"],
    ["intranet", "https://intranet"],
  ] as const)
    test(`of ${rp_id} work on ${origins.join(", ")}, also while the second factor is off`, () =>
      assert.deepEqual(faults(rp_id, ...origins), []));

  for (const rp_id of [
    "https://example.com",
    "example.com:443",
    "example.com/login",
    "Example.com",
    "example.com.",
    ".example.com",
    "exa_mple.com",
    "bücher.example",
    "192.0.2.1",
    "[::1]",
    "-a.example",
    " ",
  ])
    test(`need a domain: ${rp_id} is a fault`, () => {
      const [[path, msg] = []] = faults(rp_id, "https://example.com");
      assert.equal(path, "app_config.passkeys.rp_id");
      assert.match(msg ?? "", /^must be a domain without scheme/);
    });

  for (const origin of [
    "https://login.example.com/",
    "https://login.example.com/path",
    "https://login.example.com?a",
    "https://Login.example.com",
    "https://login.example.com:443",
    "https://user@login.example.com",
    "http://login.example.com",
    "http://localhost.example.com",
    "login.example.com",
    "wss://login.example.com",
    "null",
    "*",
  ])
    test(`need origins: ${origin} is a fault`, () => {
      const [[path, msg] = [], ...more] = faults("example.com", "https://example.com", origin);
      assert.deepEqual([path, more], ["app_config.passkeys.origins.1", []]);
      assert.match(msg ?? "", /^must be an https origin without path/);
    });

  for (const [rp_id, origin] of [
    ["example.com", "https://example.org"],
    ["example.com", "https://badexample.com"],
    ["login.example.com", "https://example.com"],
    ["com", "https://example.com"],
    ["example.com", "http://localhost:8080"],
    ["localhost", "https://app.localhost"],
    ["example.com", "https://192.0.2.1"],
  ] as const)
    test(`of ${rp_id} cannot be used on ${origin}`, () => {
      const [[path, msg] = [], ...more] = faults(rp_id, origin);
      assert.deepEqual([path, more], ["app_config.passkeys.origins.0", []]);
      assert.match(msg ?? "", /^must have the host app_config\.passkeys\.rp_id or a subdomain of it/);
    });
});
