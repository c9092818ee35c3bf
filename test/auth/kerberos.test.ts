import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import { missingForTickets, spnegoToken } from "../support/kerberos-ticket.ts";
import { lastLine, linesOf } from "../support/log-lines.ts";
import { assertInvalid, assertRefused, dataOf } from "../support/replies.ts";
import { type Kdc, missingForKdc, startKdc } from "../support/servers/kdc.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { UNTHROTTLED } from "../support/unthrottled.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

const skip = missingForKdc() ?? missingForTickets() ?? false;

const PASSWORD = "correct horse";

type Reply = Awaited<ReturnType<TestWorker["call"]>>;

/** Extracts the Kerberos token (RFC 4121) from a SPNEGO token. */
function unwrap(token: string): string {
  const spnego = Buffer.from(token, "base64");
  const mechanism = spnego.lastIndexOf(Buffer.from("06092a864886f712010202", "hex"));
  return spnego.subarray(mechanism - 4).toString("base64");
}

describe("a Kerberos login", { skip }, () => {
  const scratch = new Scratch();
  let kdc: Kdc;
  let falseKdc: Kdc;
  let worker: TestWorker;
  before(async () => {
    // A separate replay cache: the default is one file for the whole machine.
    process.env["KRB5RCACHEDIR"] = scratch.subfolder("replays");
    [kdc, falseKdc] = await Promise.all([startKdc(scratch), startKdc(scratch)]);
    worker = await start();
    await worker.addUser("local-user", PASSWORD);
  });
  after(async () => {
    await worker[Symbol.asyncDispose]();
    await scratch.close();
  });

  /** A worker whose patterns allow usernames with characters that are special in Kerberos. */
  const start = (more: object = {}) => {
    const { realm, service, keytab, configFile: config_file } = kdc;
    const kerberos_settings = { realm, service, keytab, config_file, ...more };
    const app_config = { bcrypt_cost: 4, username_regex: ".{1,64}", login_throttle: UNTHROTTLED };
    return startWorker({ config: { kerberos_settings, app_config } });
  };
  const addRow = (name: string, more: object = {}) =>
    worker.addUser(name, "", { authType: "KERBEROS", email: `${randomUUID()}@example.com`, ...more });
  const add = async (name: string, password = PASSWORD, ...attributes: string[]): Promise<void> => {
    await kdc.addPrincipal(name, password, ...attributes);
    await addRow(name);
  };
  const login = (username: string, password = PASSWORD) => worker.call("login", { username, password });
  const byTicket = (kerberos_ticket: string, more: object = {}) =>
    worker.call("login", { kerberos_ticket, ...more });
  const tokensOf = (username: string) =>
    worker.db.selectFrom("token").selectAll().where("user_id", "=", username).execute();

  /** Asserts the same 401 as for a local user's wrong password; returns the latest log line with the reason. */
  const assertRefusal = async (reply: Reply, msg: string, reason: string) => {
    const line = await lastLine(worker, msg);
    assertRefused(reply, 401, "INVALID_CREDENTIALS");
    assert.deepEqual(reply, await login("local-user", "nope"));
    assert.equal(line["reason"], reason, JSON.stringify(line));
    return line;
  };
  const assertPasswordRefused = async (name: string, password: string, reason: string) => {
    const line = await assertRefusal(await login(name, password), "the KDC refused a login", reason);
    assert.equal(line["username"], name);
    return line["detail"] as string;
  };
  const assertTicketRefused = async (ticket: string, reason: string, more: object = {}) => {
    const line = await assertRefusal(await byTicket(ticket, more), "a Kerberos ticket was refused", reason);
    return line["detail"] as string;
  };

  describe("by password", () => {
    test("works for a user from user_admin_create, with groups and case-insensitive username", async () => {
      await kdc.addPrincipal("Made-Here", PASSWORD);
      const access_token = await worker.accessToken("root", ["admin"]);
      const user = { username: "Made-Here", email: "made-here@example.com", auth_type: "KERBEROS" };
      dataOf(await worker.call("user_admin_create", { ...user, access_token }));
      dataOf(await worker.call("group_create", { groupname: "ops", access_token }));
      const member = { username: "made-here", groupname: "ops" };
      dataOf(await worker.call("group_add_user", { ...member, access_token }));
      for (const name of ["Made-Here", "mADE-hERE"]) {
        const { id_token, ...rest } = dataOf(await login(name));
        assert.deepEqual(Object.keys(rest).sort(), ["expires_at", "expires_in"]);
        const { sub, groups, amr } = decodeJwt(id_token as string);
        assert.deepEqual([sub, groups, amr], ["Made-Here", ["ops"], ["pwd"]]);
        const reply = dataOf(await worker.call("token", { id_token }));
        assert.deepEqual(decodeJwt(reply["access_token"] as string)["groups"], ["ops"]);
      }
    });

    for (const [what, reason, detail, attributes, password = PASSWORD] of [
      ["a wrong password", "wrong-password", /Password incorrect|Preauthentication failed/, [], "nope"],
      ["a disabled account", "revoked", /credentials have been revoked/, ["-allow_tix"]],
      ["an expired account", "expired", /entry in database has expired/, ["-expire", "yesterday"]],
      ["an expired password", "password-expired", /^Password expired/, ["-pwexpire", "yesterday"]],
      ["a password to be changed", "password-expired", /^Password expired/, ["+needchange"]],
    ] as const) {
      test(`with ${what} gets the 401 of a wrong password, and the log has the reason ${reason}`, async () => {
        const name = what.replaceAll(" ", "-");
        await add(name, PASSWORD, ...attributes);
        assert.match(await assertPasswordRefused(name, password, reason), detail);
        assert.deepEqual(await tokensOf(name), []);
      });
    }

    test("of a user who is unknown to the KDC gets the 401 of a wrong password", async () => {
      await addRow("not-in-realm");
      assert.match(
        await assertPasswordRefused("not-in-realm", PASSWORD, "unknown"),
        /not found in Kerberos database/,
      );
    });

    test("is refused with the right password after too many wrong ones, each counted once by the KDC", async () => {
      await kdc.admin("addpol", "-maxfailure", "2", "-lockoutduration", "1h", "strict");
      await add("often-wrong", PASSWORD, "-policy", "strict");
      await assertPasswordRefused("often-wrong", "nope", "wrong-password");
      await worker.login("often-wrong", PASSWORD);
      for (const password of ["nope", "nope again"])
        await assertPasswordRefused("often-wrong", password, "wrong-password");
      assert.match(await assertPasswordRefused("often-wrong", PASSWORD, "revoked"), /revoked/);
    });

    test("of an unknown or local user is not sent to the KDC", async () => {
      await kdc.addPrincipal("no-row-here", PASSWORD);
      await kdc.addPrincipal("local-user", "the KDC has another one");
      const asked = linesOf(worker, "the KDC refused a login").length;
      for (const reply of [await login("no-row-here"), await login("local-user", "the KDC has another one")])
        assertRefused(reply, 401, "INVALID_CREDENTIALS");
      assert.equal(linesOf(worker, "the KDC refused a login").length, asked);
      assert.deepEqual(await tokensOf("no-row-here"), []);
    });

    test("is not sent to the KDC if the password is empty or would be truncated", async () => {
      const long = `${"é".repeat(511)}x`; // 1023 bytes
      await add("long-password", long);
      await add("cut-short");
      await worker.login("long-password", long);
      for (const password of ["", `${PASSWORD}\0zzz`, `${PASSWORD}\n`, `${PASSWORD}\nzzz`])
        await assertPasswordRefused("cut-short", password, "unaskable");
      for (const password of [`${long}x`, long.repeat(20)])
        await assertPasswordRefused("long-password", password, "unaskable");
      await assertPasswordRefused("long-password", long.slice(0, -1), "wrong-password");
      assert.deepEqual(await tokensOf("cut-short"), []);
    });

    test("compares passwords byte by byte, in UTF-8, blanks and carriage returns too", async () => {
      const password = " pässwörd \u2603 \u{1f40e}\r";
      await add("utf-8-user", password);
      await worker.login("utf-8-user", password);
      for (const other of [password.trimStart(), password.trimEnd(), password.normalize("NFD")])
        await assertPasswordRefused("utf-8-user", other, "wrong-password");
    });

    test("is not sent to the KDC if the username would name another principal or realm", async () => {
      await kdc.addPrincipal("victim", PASSWORD);
      await kdc.addPrincipal("victim/admin", PASSWORD);
      for (const name of ["victim@EXAMPLE.ORG", "victim@", "victim/admin", "victi\\m", "victim\t"]) {
        await addRow(name);
        await assertPasswordRefused(name, PASSWORD, "unaskable");
      }
    });

    test("works for a username that looks like an option of kinit", async () => {
      await addRow("-V");
      assert.match(await assertPasswordRefused("-V", PASSWORD, "unknown"), /'-V@EXAMPLE\.ORG' not found/);
    });

    test("is 503 and not 401 if the KDC does not know the key of this service", async () => {
      await using deceived = await start({ config_file: falseKdc.configFile });
      await falseKdc.addPrincipal("spoofed", PASSWORD);
      await deceived.addUser("spoofed", "", { authType: "KERBEROS" });
      const reply = await deceived.call("login", { username: "spoofed", password: PASSWORD });
      assertRefused(reply, 503, "UNAVAILABLE");
      assert.deepEqual(await deceived.db.selectFrom("token").selectAll().execute(), []);
      const { reason } = await lastLine(deceived, "a request failed");
      assert.match(String(reason), /ticket for spoofed@EXAMPLE\.ORG is not believed/);
    });
  });

  describe("by ticket", () => {
    const tokenFor = (name: string, service = kdc.service) => spnegoToken(kdc, name, PASSWORD, service);

    test("returns an ID token and a reply token that authenticates the service to the client", async () => {
      await add("Ticket-User");
      await worker.db.insertInto("group").values({ name: "dev" }).execute();
      await worker.db.insertInto("usergroup").values({ username: "Ticket-User", groupname: "dev" }).execute();
      for (const more of [{}, { username: "Ticket-User" }, { username: "tICKET-uSER", ip: "192.0.2.7" }]) {
        await using client = await tokenFor("Ticket-User");
        const { id_token, kerberos_ticket, ...rest } = dataOf(await byTicket(client.token, more));
        assert.deepEqual(Object.keys(rest).sort(), ["expires_at", "expires_in"]);
        const { sub, groups, ip, amr } = decodeJwt(id_token as string);
        assert.deepEqual([sub, groups, ip], ["Ticket-User", ["dev"], "ip" in more ? more.ip : "*"]);
        assert.deepEqual(amr, ["kerb"]);
        dataOf(await worker.call("token", { id_token, ...more }));
        assert.equal(await client.verify(kerberos_ticket as string), true);
      }
    });

    test("works once: a replay is refused, also without SPNEGO and after a password login", async () => {
      await add("replayed");
      await using client = await tokenFor("replayed");
      await worker.login("replayed", PASSWORD);
      dataOf(await byTicket(client.token));
      await assertTicketRefused(client.token, "replay");
      await worker.login("replayed", PASSWORD);
      for (const token of [client.token, unwrap(client.token)])
        assert.match(await assertTicketRefused(token, "replay"), /replay/);
      await using bare = await tokenFor("replayed");
      dataOf(await byTicket(unwrap(bare.token)));
    });

    test("with another user's username is refused and does not change that account", async () => {
      await add("ticket-owner");
      await add("other-user");
      await using client = await tokenFor("ticket-owner");
      await assertTicketRefused(client.token, "other-name", { username: "other-user" });
      assert.deepEqual([await tokensOf("other-user"), await tokensOf("ticket-owner")], [[], []]);
    });

    test("is refused for a ticket of another service or a fake KDC", async () => {
      await add("astray");
      await falseKdc.addPrincipal("astray", PASSWORD);
      await kdc.addService("HTTP/other.example.org");
      await using elsewhere = await tokenFor("astray", "HTTP@other.example.org");
      await using forged = await spnegoToken(falseKdc, "astray", PASSWORD);
      for (const { token } of [elsewhere, forged]) await assertTicketRefused(token, "bad-ticket");
      assert.deepEqual(await tokensOf("astray"), []);
    });

    test("is refused for an invalid ticket of any length", async () => {
      for (const bytes of [1, 30, 40 * 1024])
        await assertTicketRefused(Buffer.alloc(bytes, "garbage").toString("base64"), "bad-ticket");
    });

    test("is refused without a KERBEROS account of exactly that name, and creates none", async () => {
      await worker.addUser("local-twin", PASSWORD);
      await addRow("ldap-twin", { authType: "LDAP" });
      await addRow("Cased-Otherwise");
      for (const name of ["without-row", "local-twin", "ldap-twin", "cased-otherwise"]) {
        await kdc.addPrincipal(name, PASSWORD);
        for (const more of [{}, { username: name }]) {
          await using client = await tokenFor(name);
          const detail = await assertTicketRefused(client.token, "no-such-user", more);
          assert.ok(detail.endsWith(`${name}@${kdc.realm}`), detail);
        }
        assert.deepEqual(await tokensOf(name), []);
      }
      const row = worker.db.selectFrom("user").selectAll().where("username", "=", "without-row");
      assert.equal(await row.executeTakeFirst(), undefined);
    });

    test("is refused for a principal with an instance", async () => {
      for (const name of ["instance", "instance/admin", "HTTP/instance.example.org"]) await addRow(name);
      for (const name of ["instance/admin", "HTTP/instance.example.org"]) {
        await kdc.addPrincipal(name, PASSWORD);
        await using client = await tokenFor(name);
        await assertTicketRefused(client.token, "no-such-user");
      }
    });

    test("reports a deactivated account only for a valid ticket", async () => {
      await kdc.addPrincipal("turned-off", PASSWORD);
      await addRow("turned-off", { activated: false });
      await using client = await tokenFor("turned-off");
      assertRefused(await byTicket(client.token), 403, "ACCOUNT_NOT_ACTIVATED");
      await assertTicketRefused(client.token, "replay");
      assertRefused(await login("turned-off"), 403, "ACCOUNT_NOT_ACTIVATED");
      await assertPasswordRefused("turned-off", "nope", "wrong-password");
    });

    test("is refused without kerberos_settings, like a password of a Kerberos user", async () => {
      await using elsewhere = await startWorker();
      await elsewhere.addUser("homeless", "", { authType: "KERBEROS" });
      await kdc.addPrincipal("homeless", PASSWORD);
      await using client = await tokenFor("homeless");
      for (const proof of [{ kerberos_ticket: client.token }, { username: "homeless", password: PASSWORD }])
        assertRefused(await elsewhere.call("login", proof), 401, "INVALID_CREDENTIALS");
    });

    test("requires base64 that is not empty, and no password", async () => {
      for (const kerberos_ticket of ["", "not base64!", "YII", 7, ["YIIB"]])
        assertInvalid(await worker.call("login", { kerberos_ticket }), "kerberos_ticket");
      assertInvalid(await byTicket("YIIB", { username: "local-user", password: PASSWORD }), "password");
      for (const absent of [{}, { kerberos_ticket: null }])
        assertInvalid(await worker.call("login", absent), "username", "password");
      assertInvalid(await worker.call("login", { username: "local-user" }), "password");
    });
  });
});
