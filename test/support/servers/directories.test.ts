import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { InvalidCredentialsError, UnwillingToPerformError } from "ldapts";
import { type Editor, missingFor, withClient } from "./directories.ts";
import { startDs389 } from "./ds389.ts";
import { startOpenLdap } from "./openldap.ts";
import { startSamba } from "./samba.ts";
import { Scratch, waitUntil } from "./scratch.ts";

const NAME = '#o"b, \\';

test("OpenLDAP returns groups to users, also after a restart, and leaves no process", {
  skip: missingFor("openldap") ?? false,
}, async () => {
  await using scratch = new Scratch();
  const server = await startOpenLdap(scratch);
  const dn = await server.addUser(NAME, "sesame", { groups: ["dev", "x, y"] });
  await server.restart();
  assert.deepEqual(await readEntry({ url: server.url, dn, password: "sesame" }), {
    dn: `cn=\\23o\\22b\\2C \\5C,${server.baseDn}`,
    sAMAccountName: NAME,
    memberOf: [`cn=dev,${server.groupsDn}`, `cn=x\\2C y,${server.groupsDn}`],
    userPassword: [],
  });
  await assertEnds(server);
});

test("Samba returns groups to users, refuses locked accounts, and leaves no process", {
  skip: missingFor("samba") ?? false,
}, async () => {
  await using scratch = new Scratch();
  const server = await startSamba(scratch);
  const { caFile } = server;
  const dn = await server.addUser(NAME, "sesame", {
    groups: ["dev", "x, y"],
    attributes: { sAMAccountName: "bob" },
  });
  const user = { url: server.tlsUrl, caFile, dn: `${server.domain}\\bob`, password: "sesame" };
  assert.deepEqual(await readEntry(user, dn), {
    dn: `CN=\\#o\\"b\\, \\\\,${server.usersDn}`,
    sAMAccountName: "bob",
    memberOf: [`CN=dev,${server.groupsDn}`, `CN=x\\, y,${server.groupsDn}`],
    userPassword: [],
  });
  await server.refuse(dn, "locked out");
  await assert.rejects(readEntry(user), (error) => {
    return error instanceof InvalidCredentialsError && error.message.includes("data 775");
  });
  await assertEnds(server);
});

test("389 Directory Server returns groups to users, applies its password policy, and leaves no process", {
  skip: missingFor("ds389") ?? false,
}, async () => {
  await using scratch = new Scratch();
  const server = await startDs389(scratch);
  const dn = await server.addPerson(NAME, "sesame", { groups: ["dev", "x, y"] });
  await server.addGroup("all", [`cn=dev,${server.groupsDn}`]);
  await server.restart();
  const user = { url: server.url, dn, password: "sesame" };
  const attributes = ["uid", "memberOf", "userPassword"];
  const { searchEntries } = await withClient(user, (client) =>
    client.search(dn, { scope: "base", attributes }),
  );
  const [entry] = searchEntries;
  assert.deepEqual(
    { ...entry, memberOf: [entry?.["memberOf"]].flat().sort() },
    {
      dn: `uid=\\23o\\22b\\2C \\5C,${server.baseDn}`,
      uid: NAME,
      memberOf: [`cn=all,${server.groupsDn}`, `cn=dev,${server.groupsDn}`, `cn=x\\2C y,${server.groupsDn}`],
      userPassword: [],
    },
  );
  await server.setPolicy({ passwordMustChange: "on" });
  // The server applies a new policy to passwords that are set a moment after its reply.
  await waitUntil("the policy", async () => {
    await server.setAttributes(dn, { userPassword: "opened" });
    return readEntry({ ...user, password: "opened" }).then(
      () => undefined,
      (error: unknown) => (error instanceof UnwillingToPerformError ? true : Promise.reject(error as Error)),
    );
  });
  await assertEnds(server);
});

async function readEntry(user: Editor, dn = user.dn): Promise<unknown> {
  const attributes = ["sAMAccountName", "memberOf", "userPassword"];
  const { searchEntries } = await withClient(user, (client) =>
    client.search(dn, { scope: "base", attributes }),
  );
  return searchEntries[0];
}

async function assertEnds(server: {
  readonly pid: number | undefined;
  stop(): Promise<void>;
}): Promise<void> {
  const pid = server.pid!;
  assert.deepEqual(groupOf(pid), [pid]);
  await server.stop();
  await server.stop();
  assert.equal(server.pid, undefined);
  assert.deepEqual(groupOf(pid), []);
}

/** The processes of a process group. */
function groupOf(leader: number): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0 && /^\S+ \(.*\) \S \d+ (\d+)/s.exec(readStat(pid))?.[1] === String(leader));
}

function readStat(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return ""; // it has ended in the meantime
  }
}
