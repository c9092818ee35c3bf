import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type Diagnosis, type DoctorInstallation, installForDoctor } from "../support/doctor.ts";
import { missingForTickets } from "../support/kerberos-ticket.ts";
import { startProxy } from "../support/proxy.ts";
import { missingFor } from "../support/servers/directories.ts";
import { type Kdc, missingForKdc, startKdc } from "../support/servers/kdc.ts";
import { type OpenLdap, startOpenLdap } from "../support/servers/openldap.ts";
import { Scratch } from "../support/servers/scratch.ts";

const scratch = new Scratch();
after(() => scratch.close());

suite("with a directory", { skip: missingFor("openldap") ?? false }, () => {
  let openldap: OpenLdap;
  let installed: DoctorInstallation;

  before(async () => {
    [openldap, installed] = await Promise.all([startOpenLdap(scratch), installForDoctor()]);
    await openldap.addUser("alice", "correct horse", { groups: ["allowed_to_login", "API_PERM_read"] });
    await openldap.addGroup("API_PERM_write");
  });
  after(() => installed[Symbol.asyncDispose]());

  /** Runs doctor with these keys in `ldap_settings`. */
  async function diagnoseWith(keys: Record<string, unknown> = {}): Promise<Diagnosis> {
    return installed.diagnose({
      ldap_settings: {
        address: openldap.url,
        base_dn: openldap.baseDn,
        bind_dn: openldap.serviceDn,
        bind_password: openldap.servicePassword,
        ...keys,
      },
    });
  }

  test("a healthy directory: doctor reports its users, login group and groups with the prefix", async () => {
    const diagnosis = await diagnoseWith({ ca_file: openldap.caFile });
    assert.equal(diagnosis.code, 0);
    assert.equal(
      diagnosis.of("directory").replaceAll(openldap.url, "URL"),
      [
        "ok: URL is OpenLDAP, StartTLS",
        `ok: URL accepts the service account ${openldap.serviceDn}`,
        `ok: URL has users in ${openldap.baseDn}`,
        "ok: URL has the login group allowed_to_login",
        "ok: URL has 2 groups with the prefix API_PERM: API_PERM_read, API_PERM_write",
      ].join("\n"),
    );
  });

  test("a refused service account fails, and a missing one is a warning", async () => {
    const refused = await diagnoseWith({ bind_password: "a wrong password" });
    assert.equal(refused.code, 1);
    assert.match(
      refused.of("directory"),
      /^fail: \S+ refuses the service account: wrong password, .* \| Check ldap_settings\.bind_dn and/m,
    );
    const alone = {
      address: openldap.url,
      base_dn: openldap.baseDn,
      bind: `cn={username},${openldap.baseDn}`,
    };
    const { code, of } = await installed.diagnose({ ldap_settings: alone });
    assert.equal(code, 0);
    assert.equal(
      of("directory").replaceAll(openldap.url, "URL").replace(/who.*/, "..."),
      [
        "ok: URL is OpenLDAP, no TLS",
        `ok: URL accepts names like cn={username},${openldap.baseDn}`,
        "warn: no service account is set, so a user ...",
      ].join("\n"),
    );
  });

  test("users whose names username_regex rejects are counted and named", async () => {
    for (const name of ["j.doe", "bo", "PC1$"]) await openldap.addUser(name, "correct horse");
    try {
      const { code, of } = await diagnoseWith();
      assert.equal(code, 0);
      const line = of("directory")
        .split("\n")
        .find((one) => one.includes("username_regex"));
      assert.match(
        line ?? "",
        /^warn: .* rejects 2 of 3 sampled users on \S+, .*: (j\.doe, bo|bo, j\.doe) \| Set app_/,
      );
      const fitting = await installed.diagnose({
        app_config: { username_regex: "[a-zA-Z0-9._-]{1,64}" },
        ldap_settings: {
          address: openldap.url,
          base_dn: openldap.baseDn,
          bind_dn: openldap.serviceDn,
          bind_password: openldap.servicePassword,
        },
      });
      assert.doesNotMatch(fitting.of("directory"), /username_regex/);
    } finally {
      for (const name of ["j.doe", "bo", "PC1$"]) await openldap.deleteEntry(openldap.dnOf(name));
    }
  });

  test("a refused password of the service account is not sent to the next server", async () => {
    // Two addresses of one server.
    const other = openldap.url.replace("127.0.0.1", "localhost");
    const { code, of } = await diagnoseWith({
      address: [openldap.url, other],
      bind_password: "a wrong password",
    });
    assert.equal(code, 1);
    assert.equal(of("directory").match(/refuses the service account/g)?.length, 1);
    assert.match(
      of("directory"),
      /^warn: the service account was not tried on ldap:\/\/localhost:\d+, .* \| Correct/m,
    );
  });

  test("a format of bind names that the directory rejects fails with the setting to check", async () => {
    const { code, of } = await installed.diagnose({ ldap_settings: { address: openldap.url } });
    assert.equal(code, 1);
    assert.match(
      of("directory"),
      /^fail: \S+ does not accept names like \S+@ad\.local \| .*ldap_settings\.bind/m,
    );
  });

  test("a connection to another host in clear text is a warning", async () => {
    // This host, by an address that is not a loopback address.
    const { code, of } = await diagnoseWith({ address: `ldap://0.0.0.0:${openldap.port}` });
    assert.equal(code, 0);
    assert.match(of("directory"), /^warn: passwords go to \S+ in clear text \| Use ldaps:/m);
    assert.doesNotMatch((await diagnoseWith()).of("directory"), /clear text/);
  });

  test("a base_dn, a filter or a group without a match fails with the setting to check", async () => {
    const base = await diagnoseWith({ base_dn: `ou=Nowhere,${openldap.suffix}` });
    assert.match(
      base.of("directory"),
      /^fail: \S+ cannot search ou=Nowhere,\S+: there is no .* \| .*base_dn/m,
    );
    const filter = await diagnoseWith({ user_filter: "(employeeNumber={username})" });
    assert.match(
      filter.of("directory"),
      /^fail: \S+ shows no entry with employeeNumber in .* \| .*user_filter/m,
    );
    const group = await diagnoseWith({ group: "no_such_group" });
    assert.match(
      group.of("directory"),
      /^fail: \S+ has no group no_such_group in dc=ad,dc=local, so no user/m,
    );
    const groups = await diagnoseWith({ groups_base_dn: `ou=Nowhere,${openldap.suffix}` });
    assert.match(groups.of("directory"), /^fail: \S+ cannot search ou=Nowhere,\S+: .* \| .*groups_base_dn/m);
    for (const { code } of [base, filter, group, groups]) assert.equal(code, 1);
    const prefix = await diagnoseWith({ groups_prefix: "NO_SUCH" });
    assert.equal(prefix.code, 0);
    assert.match(
      prefix.of("directory"),
      /^warn: \S+ has no group in .* begins with NO_SUCH, .* \| .*groups_prefix/m,
    );
  });

  test("a certificate of an unknown authority, or for another name, fails with advice", async () => {
    const other = await startOpenLdap(scratch, { hosts: ["ldap.example.org"] });
    const unknown = await diagnoseWith({ address: openldap.tlsUrl, ca_file: other.caFile });
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.of("directory"),
      /^fail: cannot reach \S+: .* \| ldap_settings\.ca_file must contain the CA/,
    );
    const misnamed = await diagnoseWith({ address: other.tlsUrl, ca_file: other.caFile });
    assert.match(
      misnamed.of("directory"),
      /^fail: cannot reach \S+: .*altnames.* \| ldap_settings\.address must/,
    );
    await other.stop();
  });

  test("a server that is down or hangs fails, and the next server is still checked", async () => {
    const away = `ldap://127.0.0.1:${await scratch.freePort()}`;
    await using proxy = await startProxy(openldap.port);
    proxy.hang();
    const hung = `ldap://127.0.0.1:${proxy.port}`;
    const { code, of } = await diagnoseWith({ address: [away, hung, openldap.url], timeout_ms: 2000 });
    assert.equal(code, 1);
    const findings = of("directory");
    assert.match(
      findings,
      new RegExp(`^fail: cannot reach ${away}: connect ECONNREFUSED \\| Check ldap_settings`),
    );
    assert.match(
      findings,
      new RegExp(`^fail: cannot reach ${hung}: no answer within 2000 ms \\| .*firewall`, "m"),
    );
    assert.match(findings, new RegExp(`^ok: ${openldap.url} has the login group allowed_to_login$`, "m"));
  });
});

suite("with a KDC", { skip: missingForKdc() ?? missingForTickets() ?? false }, () => {
  let kdc: Kdc;
  let installed: DoctorInstallation;

  before(async () => {
    [kdc, installed] = await Promise.all([startKdc(scratch), installForDoctor()]);
  });
  after(() => installed[Symbol.asyncDispose]());

  /** Runs doctor with these keys in `kerberos_settings`. */
  async function diagnoseWith(keys: Record<string, unknown> = {}): Promise<Diagnosis> {
    return installed.diagnose({
      kerberos_settings: {
        realm: kdc.realm,
        service: kdc.service,
        keytab: kdc.keytab,
        config_file: kdc.configFile,
        ...keys,
      },
    });
  }

  test("a keytab with the current key of the KDC is ok", async () => {
    const { code, of } = await diagnoseWith();
    assert.equal(code, 0, of("kerberos"));
    assert.match(
      of("kerberos"),
      /^ok: \S+ has a key of HTTP@\S+\nok: the KDC of EXAMPLE\.ORG issues tickets, and/,
    );
  });

  test("a keytab of another service, with an old key, or in another format fails with advice", async () => {
    await kdc.addService("HTTP/other.example.org");
    const other = join(scratch.folder, "other.keytab");
    await kdc.exportKeytab(other, "HTTP/other.example.org");
    const foreign = await diagnoseWith({ keytab: other });
    const broken = join(scratch.folder, "broken.keytab");
    writeFileSync(broken, "no keytab", { mode: 0o600 });
    const none = await diagnoseWith({ keytab: broken });
    const old = await diagnoseWith({ service: "HTTP@other.example.org", keytab: other });
    assert.equal(old.code, 0, old.of("kerberos"));
    await kdc.admin("cpw", "-randkey", "HTTP/other.example.org");
    const stale = await diagnoseWith({ service: "HTTP@other.example.org", keytab: other });
    for (const { code, of } of [foreign, none, stale]) {
      assert.equal(code, 1);
      assert.match(of("kerberos"), /^fail: .* \| Export the service's current key again/m);
    }
  });

  test("a KDC that is down or hangs fails, and a KDC without the account is a warning", async () => {
    const away = await diagnoseWith({ config_file: kdc.configFor(await scratch.freePort()) });
    assert.equal(away.code, 1);
    await using proxy = await startProxy(kdc.port);
    proxy.hang();
    const hung = await diagnoseWith({ config_file: kdc.configFor(proxy.port), timeout_ms: 1000 });
    assert.match(
      hung.of("kerberos"),
      /^fail: no answer of the KDC within 1000 ms \| Check kerberos_settings/m,
    );
    assert.match(away.of("kerberos"), /^fail: .*Cannot contact any KDC.* \| Check kerberos_settings\.realm/m);
    const service = "HTTP/gone.example.org";
    await kdc.addService(service);
    const keytab = await kdc.exportKeytab(join(scratch.folder, "gone.keytab"), service);
    await kdc.admin("delprinc", "-force", service);
    const unknown = await diagnoseWith({ keytab, service: "HTTP@gone.example.org" });
    assert.equal(unknown.code, 0, unknown.of("kerberos"));
    assert.match(unknown.of("kerberos"), /^warn: the KDC of EXAMPLE\.ORG answers, but has no account/m);
  });
});
