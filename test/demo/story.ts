import { readFileSync } from "node:fs";
import { join } from "node:path";
import { importSPKI, jwtVerify } from "jose";
import { DemoCaller, tokenIn } from "./caller.ts";
import type { DemoInstallation, WorkerProcess } from "./installation.ts";
import { chapter, printDone, heading } from "./terminal.ts";

const BASIC = ["username", "activated", "created_at"];
const OWN = [...BASIC, "groups", "token_info", "email_verified"];
const ALL = [...OWN, "email", "auth_type"];

/** Who plays: the worker that is stopped half-way, and the administrator's password. */
interface Cast {
  readonly installation: DemoInstallation;
  readonly secondWorker: WorkerProcess;
  readonly rootPassword: string;
}

/** Everything that a user of authmq does first, as calls whose replies are checked; gives their number. */
export async function tellStory({ installation, secondWorker, rootPassword }: Cast): Promise<number> {
  const caller = new DemoCaller(installation);

  chapter("Logging in");
  heading("The administrator logs in. The ID token is long-lived, one per user, and can be revoked.");
  const rootLogin = { username: "root", password: rootPassword };
  const rootId = tokenIn(
    await caller.call("login", rootLogin, { members: ["expires_at", "expires_in", "id_token"] }),
  );
  heading("It is exchanged for an access token: short-lived, and good for every service.");
  const root = tokenIn(
    await caller.call(
      "token",
      { id_token: rootId },
      { members: ["access_token", "expires_at", "expires_in"] },
    ),
  );
  heading("A service verifies it by itself, with nothing but the public key that init wrote.");
  await verifyAsAService(installation, root);

  chapter("Users and groups");
  heading("The administrator creates two users.");
  const alice = { username: "alice", password: "correct horse" };
  await caller.call("user_admin_create", { ...alice, email: "alice@example.com", access_token: root });
  const bobby = { username: "bobby", password: "battery staple" };
  await caller.call("user_admin_create", { ...bobby, email: "bobby@example.co.uk", access_token: root });
  heading("A group for alice.");
  await caller.call("group_create", { groupname: "writers", access_token: root });
  await caller.call("group_add_user", { groupname: "writers", username: "alice", access_token: root });
  heading("alice logs in, and her access token says which groups she is in.");
  const aliceId = tokenIn(await caller.call("login", alice));
  const aliceToken = tokenIn(await caller.call("token", { id_token: aliceId }));
  await verifyAsAService(installation, aliceToken);

  chapter("Who may see what of alice");
  heading("Nobody in particular: nothing, because the configuration that init writes says so.");
  await caller.call("user_get", { username: "alice" }, { code: 401, error: "INVALID_TOKEN" });
  heading("bobby, another user, sees a little.");
  const bobbyId = tokenIn(await caller.quietly("login", bobby));
  const bobbyToken = tokenIn(await caller.quietly("token", { id_token: bobbyId }));
  await caller.call("user_get", { username: "alice", access_token: bobbyToken }, { members: BASIC });
  heading("alice herself sees her groups and her session as well.");
  await caller.call("user_get", { username: "alice", access_token: aliceToken }, { members: OWN });
  heading("The administrator sees everything that is stored, but no password.");
  await caller.call("user_get", { username: "alice", access_token: root }, { members: ALL });

  chapter("What is refused");
  heading("A wrong password; an unknown user gets the same answer, in the same time.");
  const refused = { code: 401, error: "INVALID_CREDENTIALS" };
  await caller.call("login", { ...alice, password: "wrong horse" }, refused);
  heading("bobby is no administrator.");
  const groups = { groupname: "hackers", access_token: bobbyToken };
  await caller.call("group_create", groups, { code: 403, error: "FORBIDDEN" });
  heading("So he edits his token: user root, group admin. The signature does not fit any more.");
  const forged = { groupname: "hackers", access_token: promote(bobbyToken) };
  await caller.call("group_create", forged, { code: 401, error: "INVALID_TOKEN" });
  heading("A request with a mistake is told what and where.");
  const mistaken = { username: "al", password: "abc", email: "al@example.com", access_token: root };
  await caller.call("user_admin_create", mistaken, { code: 400, error: "INVALID_INPUT" });

  chapter("Sessions end");
  heading("alice changes her password: the session that she had is dead at once.");
  const newPassword = "correct horse battery";
  await caller.call("user_change", { username: "alice", password: newPassword, access_token: aliceToken });
  await caller.call("token", { id_token: aliceId }, { code: 401, error: "INVALID_TOKEN" });
  heading("Only the new password opens a new one.");
  await caller.call("login", alice, refused);
  await caller.call("login", { ...alice, password: newPassword });

  chapter("Replicas");
  heading("One of the two workers is stopped. The other one goes on answering.");
  await secondWorker.stop();
  printDone(`worker ${secondWorker.pid} has stopped`);
  await caller.call("group_user", { groupname: "writers", access_token: root }, { members: ["users"] });

  chapter("Cleaning up");
  heading("alice is deleted, and cannot log in any more.");
  await caller.call("user_delete", { username: "alice", access_token: root });
  await caller.call("login", { ...alice, password: newPassword }, refused);
  heading("The last administrator cannot be deleted by anybody, but can log out.");
  await caller.call(
    "user_delete",
    { username: "root", access_token: root },
    { code: 409, error: "LAST_ADMIN" },
  );
  await caller.call("logout", { id_token: rootId });
  return caller.count;
}

/** What any service does with an access token, without asking authmq. */
async function verifyAsAService({ folder }: DemoInstallation, token: string): Promise<void> {
  const key = await importSPKI(readFileSync(join(folder, "signing-key.pub.pem"), "utf8"), "EdDSA");
  const { payload } = await jwtVerify(token, key, { issuer: "authmq", typ: "at+jwt", algorithms: ["EdDSA"] });
  const { user, groups, vhost, iat = 0, exp = 0 } = payload;
  const minutes = (exp - iat) / 60;
  printDone(`signature, issuer and times are right; it is good for ${minutes} minutes and says`, {
    user,
    groups,
    vhost,
  });
}

/** The token with root's name and the admin group in it, and the old signature. */
function promote(token: string): string {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
  const better = { ...claims, sub: "root", user: "root", groups: ["admin"] };
  return [header, Buffer.from(JSON.stringify(better)).toString("base64url"), signature].join(".");
}
