import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DemoCaller, tokenIn } from "./caller.ts";
import type { DemoInstallation, WorkerProcess } from "./installation.ts";
import { chapter, command, heading, printDone, remark } from "./terminal.ts";

const BASIC = ["username", "activated", "created_at"];
const OWN = [...BASIC, "groups", "token_info", "sessions", "email_verified"];
const ALL = [...OWN, "email", "auth_type"];

type Data = Readonly<Record<string, unknown>>;

/** What the story needs: the worker that is stopped during it, and the administrator's password. */
interface Story {
  readonly installation: DemoInstallation;
  readonly secondWorker: WorkerProcess;
  readonly rootPassword: string;
  /** The names of the queues on the broker, by their default names. */
  readonly queues: Readonly<Record<string, string>>;
}

/** The first steps of a user, as calls whose replies are checked; returns the number of replies. */
export async function tellStory({
  installation,
  secondWorker,
  rootPassword,
  queues,
}: Story): Promise<number> {
  const caller = new DemoCaller(installation);

  chapter("Logging in");
  heading("The administrator logs in. The ID token is long-lived and can be revoked.");
  const rootLogin = { username: "root", password: rootPassword };
  const rootId = tokenIn(
    await caller.call("login", rootLogin, { members: ["expires_at", "expires_in", "id_token"] }),
  );
  heading("Exchange it for an access token, which is short-lived and valid for every service.");
  const root = tokenIn(
    await caller.call(
      "token",
      { id_token: rootId },
      { members: ["access_token", "expires_at", "expires_in"] },
    ),
  );
  heading("A service verifies the access token offline, with only the public key that init wrote.");
  await verifyAsAService(installation, root);

  chapter("Users and groups");
  heading("The administrator creates two users.");
  const alice = { username: "alice", password: "correct horse" };
  await caller.call("user_admin_create", { ...alice, email: "alice@example.com", access_token: root });
  const bobby = { username: "bobby", password: "battery staple" };
  await caller.call("user_admin_create", { ...bobby, email: "bobby@example.co.uk", access_token: root });
  heading("Create a group for alice.");
  await caller.call("group_create", { groupname: "writers", access_token: root });
  await caller.call("group_add_user", { groupname: "writers", username: "alice", access_token: root });
  heading("alice logs in. Her access token contains her groups.");
  const aliceId = tokenIn(await caller.call("login", { ...alice, client: "Laptop" }));
  const aliceToken = tokenIn(await caller.call("token", { id_token: aliceId }));
  await verifyAsAService(installation, aliceToken);

  chapter("A service with two replicas");
  heading("The administrator creates an account for the service. It has no password.");
  const invoices = { username: "invoices", auth_type: "SERVICE" };
  await caller.call("user_admin_create", { ...invoices, access_token: root });
  heading("An operator creates an API key for it, directly in the database.");
  const create = ["api-key", "create", "invoices", "--name", "demo"];
  command(`authmq ${create.join(" ")} > invoices.key`);
  const apiKey = (await installation.must(create)).trim();
  printDone("invoices.key contains the key, and the database only its SHA-256");
  heading("Two replicas of the service share the key: neither logs in, and neither ends a session.");
  await callAsAService(installation, { apiKey, queues });

  chapter("Who may read alice's account");
  heading("Without a token: nothing (anonymous_user_get is false in the configuration of init).");
  await caller.call("user_get", { username: "alice" }, { code: 401, error: "INVALID_TOKEN" });
  heading("bobby, another user, sees three fields.");
  const bobbyId = tokenIn(await caller.callSilently("login", bobby));
  const bobbyToken = tokenIn(await caller.callSilently("token", { id_token: bobbyId }));
  await caller.call("user_get", { username: "alice", access_token: bobbyToken }, { members: BASIC });
  heading("alice herself sees her groups and her session as well.");
  await caller.call("user_get", { username: "alice", access_token: aliceToken }, { members: OWN });
  heading("The administrator sees everything that is stored, but no password.");
  await caller.call("user_get", { username: "alice", access_token: root }, { members: ALL });

  chapter("A user with two devices");
  heading("alice also logs in on her phone. Both sessions are valid, and she can list them.");
  const phoneId = tokenIn(await caller.call("login", { ...alice, client: "Phone" }));
  const listed = await caller.call("session_all", { access_token: aliceToken }, { members: ["sessions"] });
  heading("She loses the phone, and revokes its session from her laptop.");
  const sid = sidOf(listed, "Phone");
  await caller.call("session_revoke", { sid, access_token: aliceToken });
  await caller.call("token", { id_token: phoneId }, { code: 401, error: "INVALID_TOKEN" });
  await caller.call(
    "token",
    { id_token: aliceId },
    { members: ["access_token", "expires_at", "expires_in"] },
  );

  chapter("A dismissed administrator");
  heading("bobby becomes an administrator. His access token is older, but the database decides.");
  const member = { groupname: "admin", username: "bobby" };
  await caller.call("group_add_user", { ...member, access_token: root });
  await caller.call("group_create", { groupname: "plans", access_token: bobbyToken });
  heading("He is dismissed. The same token has not expired, but is refused immediately.");
  await caller.call("group_remove_user", { ...member, access_token: root });
  const backdoor = { username: "backdoor", password: "correct battery", email: "bobby@example.net" };
  const dismissed = { code: 403, error: "FORBIDDEN" };
  await caller.call("user_admin_create", { ...backdoor, access_token: bobbyToken }, dismissed);

  chapter("Errors");
  heading("A wrong password. An unknown user gets the same reply in the same time.");
  const refused = { code: 401, error: "INVALID_CREDENTIALS" };
  await caller.call("login", { ...alice, password: "wrong horse" }, refused);
  heading("bobby is not an administrator.");
  const groups = { groupname: "hackers", access_token: bobbyToken };
  await caller.call("group_create", groups, { code: 403, error: "FORBIDDEN" });
  heading("bobby forges his token: user root, group admin. The signature no longer matches.");
  const forged = { groupname: "hackers", access_token: promote(bobbyToken) };
  await caller.call("group_create", forged, { code: 401, error: "INVALID_TOKEN" });
  heading("An invalid request: the reply names every invalid field.");
  const mistaken = { username: "al", password: "abc", email: "al@example.com", access_token: root };
  await caller.call("user_admin_create", mistaken, { code: 400, error: "INVALID_INPUT" });

  chapter("Sessions end");
  heading("alice changes her password: her sessions are revoked immediately.");
  const newPassword = "correct horse battery";
  await caller.call("user_change", { username: "alice", password: newPassword, access_token: aliceToken });
  await caller.call("token", { id_token: aliceId }, { code: 401, error: "INVALID_TOKEN" });
  heading("Only the new password starts a new session.");
  await caller.call("login", alice, refused);
  await caller.call("login", { ...alice, password: newPassword });

  chapter("Replicas");
  heading("Stop one of the two workers. The other one continues to reply.");
  await secondWorker.stop();
  printDone(`worker ${secondWorker.pid} has stopped`);
  await caller.call("group_user", { groupname: "writers", access_token: root }, { members: ["users"] });

  chapter("Cleaning up");
  heading("Delete alice. She can no longer log in.");
  await caller.call("user_delete", { username: "alice", access_token: root });
  await caller.call("login", { ...alice, password: newPassword }, refused);
  heading("The last administrator cannot be deleted, but can log out.");
  await caller.call(
    "user_delete",
    { username: "root", access_token: root },
    { code: 409, error: "LAST_ADMIN" },
  );
  await caller.call("logout", { id_token: rootId });
  return caller.count;
}

/** Verifies an access token in the process of a service, which does not connect to the broker. */
async function verifyAsAService(installation: DemoInstallation, token: string): Promise<void> {
  const env = { PUBLIC_KEY: join(installation.folder, "signing-key.pub.pem") };
  // verify.ts writes it.
  const { minutes, claims } = (await installation.runProgram(
    new URL("verify.ts", import.meta.url),
    env,
    token,
  )) as Data;
  printDone(
    `the signature, issuer and times are valid; valid for ${String(minutes)} minutes, with the claims`,
    claims,
  );
}

interface Service {
  readonly apiKey: string;
  readonly queues: Readonly<Record<string, string>>;
}

/** Shows the code of a service, and what two processes of it print at the same time. */
async function callAsAService(installation: DemoInstallation, service: Service): Promise<void> {
  const file = new URL("service.ts", import.meta.url);
  const code = readFileSync(file, "utf8");
  command("node service.ts & node service.ts");
  remark('import { connect, createSession } from "@authmq/client";');
  for (const line of code.slice(code.indexOf("const auth =")).trim().split("\n")) remark(line);
  const { apiKey, queues } = service;
  const env = { API_KEY: apiKey, QUEUES: JSON.stringify(queues) };
  const replicas = [1, 2].map(() => installation.runProgram(file, env));
  for (const account of await Promise.all(replicas)) printDone("it printed", account);
}

/** The id of the session that was started by this client. */
function sidOf({ sessions }: Data, client: string): unknown {
  const all = sessions as readonly Data[]; // the caller checked the members
  return all.find((session) => session["client"] === client)?.["sid"];
}

/** The token with root's name and the admin group, and the old signature. */
function promote(token: string): string {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  const better = { ...claims, sub: "root", user: "root", groups: ["admin"] };
  return [header, Buffer.from(JSON.stringify(better)).toString("base64url"), signature].join(".");
}
