import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { rootCertificates } from "node:tls";
import type { DirectoryConfig } from "../../src/config/directory.ts";
import { parseConfig } from "../../src/config/load.ts";
import { faultyPaths } from "./faults-of.ts";

const folder = mkdtempSync(join(tmpdir(), "authmq-config-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "ca.pem"), rootCertificates[0] ?? "");

function parse(ldap_settings: object, env: Record<string, string> = {}): DirectoryConfig {
  const { directory } = parseConfig({ ldap_settings }, { keys: false, env, folder });
  assert.ok(directory !== undefined, "there is no directory");
  return directory;
}

test("a configuration without the section has no directory", () => {
  assert.equal(parseConfig({}, { keys: false, env: {}, folder }).directory, undefined);
});

test("an empty section has the documented defaults, and users bind as user@domain", () => {
  const { servers, bind, service, groupsBaseDn, userFilter } = parse({});
  assert.deepEqual(servers, [{ url: "ldap://127.0.0.1:389", host: "127.0.0.1", port: 389, tls: "none" }]);
  assert.deepEqual(bind, { kind: "template", template: "{username}@ad.local", isDn: false });
  assert.equal(service, undefined);
  assert.equal(groupsBaseDn, "dc=ad,dc=local");
  assert.equal(userFilter.nameAttribute, "sAMAccountName");
});

describe("an address", () => {
  const serversOf = (settings: object, env = {}) =>
    parse(settings, env).servers.map(({ host, port, tls }) => [host, port, tls]);

  test("may be one or several, each with a port or the default port", () => {
    assert.deepEqual(serversOf({ address: "ldap://dc1" }), [["dc1", 389, "none"]]);
    assert.deepEqual(serversOf({ address: ["ldaps://dc1", "ldaps://[::1]:1636/"] }), [
      ["dc1", 636, "ldaps"],
      ["::1", 1636, "ldaps"],
    ]);
  });

  test("uses StartTLS if start_tls or a CA is set, unless it is ldaps://", () => {
    assert.deepEqual(serversOf({ address: "ldap://dc1", start_tls: true }), [["dc1", 389, "starttls"]]);
    assert.deepEqual(serversOf({ address: "ldap://dc1", ca_file: "ca.pem" }), [["dc1", 389, "starttls"]]);
    assert.deepEqual(serversOf({ address: "ldaps://dc1", ca_file: "ca.pem" }), [["dc1", 636, "ldaps"]]);
    const contradiction = { address: "ldap://dc1", ca_file: "ca.pem", start_tls: false };
    assert.deepEqual(faultyPaths({ ldap_settings: contradiction }, { folder }), ["ldap_settings.ca_file"]);
    const twice = { address: "ldaps://dc1", start_tls: true };
    assert.deepEqual(faultyPaths({ ldap_settings: twice }, { folder }), ["ldap_settings.start_tls"]);
  });

  test("can be a string, a list or a list item in the environment", () => {
    const name = "AUTHMQ__LDAP_SETTINGS__ADDRESS";
    assert.deepEqual(serversOf({}, { [name]: "ldap://env" }), [["env", 389, "none"]]);
    assert.deepEqual(serversOf({}, { [name]: '["ldap://a","ldap://b:1"]' }), [
      ["a", 389, "none"],
      ["b", 1, "none"],
    ]);
    assert.deepEqual(serversOf({ address: ["ldap://a", "ldap://b"] }, { [`${name}__1`]: "ldap://c" }), [
      ["a", 389, "none"],
      ["c", 389, "none"],
    ]);
  });

  test("that is not exactly a server is a fault with its index in the list", () => {
    for (const address of [
      "dc1",
      "http://dc1",
      "ldap://",
      "ldap://dc1/dc=x",
      "ldap://u:p@dc1",
      "ldap://dc1?x",
    ]) {
      assert.deepEqual(faultyPaths({ ldap_settings: { address } }), ["ldap_settings.address"], address);
      const list = { address: ["ldap://good", address] };
      assert.deepEqual(faultyPaths({ ldap_settings: list }), ["ldap_settings.address.1"], address);
    }
    assert.deepEqual(faultyPaths({ ldap_settings: { address: [] } }), ["ldap_settings.address"]);
  });
});

test("users bind by Active Directory's name for the kind of domain, unless bind is set", () => {
  const templateOf = (settings: object): string => {
    const { bind } = parse(settings);
    return bind.kind === "search" ? "search" : bind.template;
  };
  assert.equal(templateOf({}), "{username}@ad.local", "the default of the original");
  assert.equal(templateOf({ domain: "corp.example.com" }), "{username}@corp.example.com");
  assert.equal(templateOf({ domain: "CORP" }), String.raw`CORP\{username}`);
  assert.equal(
    templateOf({ domain: "ad.local", bind: String.raw`{domain}\{username}` }),
    String.raw`ad.local\{username}`,
  );
  assert.equal(templateOf({ domain: "AD", bind: "{username}@corp.test" }), "{username}@corp.test");
  // In a replacement string, "$&" would insert the match.
  assert.equal(templateOf({ domain: "a$&.b" }), "{username}@a$&.b");
});

test("with a service account bind is search by default", () => {
  const service = { bind_dn: "cn=s", bind_password: "p" };
  assert.deepEqual(parse(service).bind, { kind: "search" });
  assert.deepEqual(parse({ bind: "search", ...service }).bind, { kind: "search" });
  const named = parse({ ...service, bind: "{username}@{domain}", domain: "x.test" });
  assert.deepEqual(named.bind, { kind: "template", template: "{username}@x.test", isDn: false });
  assert.deepEqual(named.service, { dn: "cn=s", password: "p" });
  const dn = parse({ bind: "uid={username},ou=people,dc=x" });
  assert.deepEqual(dn.bind, { kind: "template", template: "uid={username},ou=people,dc=x", isDn: true });
});

for (const [what, settings, ...paths] of [
  ["bind without a place for the name", { bind: "cn=admin,dc=x" }, "bind"],
  ["bind that is the name alone", { bind: "{username}" }, "bind"],
  ["bind with two places for the name", { bind: "{username}@{username}" }, "bind"],
  ["search without an account that searches", { bind: "search" }, "bind_dn"],
  ["a service account without a password", { bind_dn: "cn=s" }, "bind_password"],
  ["an empty password of the service account", { bind_dn: "cn=s", bind_password: "" }, "bind_password"],
  ["a filter that is none", { user_filter: "(uid={username}" }, "user_filter"],
  ["a filter without a place for the name", { user_filter: "(uid=alice)" }, "user_filter"],
  ["a filter that compares a part", { user_filter: "(uid={username}*)" }, "user_filter"],
  ["a filter that excludes the name", { user_filter: "(!(uid={username}))" }, "user_filter"],
  ["a filter with two names", { user_filter: "(|(uid={username})(cn={username}))" }, "user_filter"],
  ["bases that are no names", { base_dn: "users", groups_base_dn: "ou=a,=b" }, "base_dn", "groups_base_dn"],
  ["a CA that is not there", { address: "ldaps://a", ca_file: "none.pem" }, "ca_file"],
  ["a word for sync_groups that means nothing", { sync_groups: "none" }, "sync_groups"],
  ["no time at all", { timeout_ms: 0, max_connections: 0 }, "timeout_ms", "max_connections"],
] as const) {
  test(`${what} is a fault`, () => {
    const expected = paths.map((path) => `ldap_settings.${path}`);
    assert.deepEqual(faultyPaths({ ldap_settings: settings }, { folder }), expected.toSorted());
  });
}
