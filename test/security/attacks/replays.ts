import assert from "node:assert/strict";
import type { QueueName } from "../../../src/wire/queues.ts";
import { bodyOf } from "../../support/raw-caller.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { doneReply, type Envelope, INVALID_CREDENTIALS, INVALID_TOKEN, ok } from "../envelopes.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";

/** Sends a request with its own idempotency key, which an eavesdropper on the broker could replay. */
async function recordRequest(
  fixture: AttackFixture,
  queue: QueueName,
  request: object,
): Promise<{ key: string; reply: Envelope }> {
  const key = `recordRequest-${fixture.newName()}`;
  const id = fixture.wire.send(queue, Buffer.from(JSON.stringify(request)), { messageId: key });
  return { key, reply: bodyOf(await fixture.wire.firstReply(id)) };
}

async function succeed({ ask }: AttackFixture, queue: QueueName, request: object): Promise<void> {
  const reply = await ask(queue, request);
  assert.equal(reply.resp_code, 200, JSON.stringify(reply));
}

async function rightPassword({ ask }: AttackFixture, username: string, password: string): Promise<void> {
  assert.equal((await ask("login", { username, password })).resp_code, 200);
}

const logins = attacks<(fixture: AttackFixture, id_token: string, username: string) => Promise<unknown>>(
  "the ID token of a replayed login after",
  "token",
  {
    "a logout": (fixture: AttackFixture, id_token: string) => succeed(fixture, "logout", { id_token }),
    "another login": (fixture: AttackFixture, _: string, username: string) =>
      fixture.idToken({ username, password: PASSWORD }),
    "a new password": async (fixture: AttackFixture, _: string, username: string) =>
      succeed(fixture, "user_change", {
        username,
        password: "a new one",
        access_token: await fixture.adminToken(),
      }),
    "the deletion of the user": async (fixture: AttackFixture, _: string, username: string) =>
      succeed(fixture, "user_delete", { username, access_token: await fixture.adminToken() }),
  },
  async (end, fixture) => {
    const { username, password } = await fixture.newUser();
    const request = { username, password };
    const { key, reply } = await recordRequest(fixture, "login", request);
    await end(fixture, String(reply.resp_data["id_token"]), username);
    const id = fixture.wire.send("login", Buffer.from(JSON.stringify(request)), { messageId: key });
    const again = bodyOf(await fixture.wire.firstReply(id));
    assert.equal(again.resp_data["id_token"], reply.resp_data["id_token"]);
    return { request: { id_token: again.resp_data["id_token"] }, reply: INVALID_TOKEN };
  },
);

const effects = [
  attack("an old change of a password, replayed after a newer one", "user_change", async (fixture) => {
    const { username } = await fixture.newUser();
    const access_token = await fixture.accessToken(username);
    const request = { username, password: "an old password", access_token };
    const { key } = await recordRequest(fixture, "user_change", request);
    await succeed(fixture, "user_change", { username, password: "a newer password", access_token });
    return {
      request,
      properties: { messageId: key },
      reply: doneReply(`changed user ${username}`),
      after: () => rightPassword(fixture, username, "a newer password"),
    };
  }),
  attack("an old activation, replayed after a deactivation", "user_change", async (fixture) => {
    const { username } = await fixture.newUser({ activated: false });
    const access_token = await fixture.adminToken();
    const request = { username, activated: true, access_token };
    const { key } = await recordRequest(fixture, "user_change", request);
    await succeed(fixture, "user_change", { username, activated: false, access_token });
    return {
      request,
      properties: { messageId: key },
      reply: doneReply(`changed user ${username}`),
      after: async () => {
        assert.equal((await fixture.ask("login", { username, password: PASSWORD })).resp_code, 403);
      },
    };
  }),
  attack("an old deletion, replayed after the name was registered again", "user_delete", async (fixture) => {
    const { username } = await fixture.newUser();
    const request = { username, access_token: await fixture.adminToken() };
    const { key } = await recordRequest(fixture, "user_delete", request);
    await fixture.newUser({ username });
    return {
      request,
      properties: { messageId: key },
      reply: doneReply(`deleted user ${username}`),
      after: () => rightPassword(fixture, username, PASSWORD),
    };
  }),
  attack("an old promotion, replayed after it was revoked", "group_add_user", async (fixture) => {
    const { username } = await fixture.newUser();
    const request = { groupname: "dev", username, access_token: await fixture.adminToken() };
    const { key } = await recordRequest(fixture, "group_add_user", request);
    await succeed(fixture, "group_remove_user", request);
    return {
      request,
      properties: { messageId: key },
      reply: ok({ msg: `added user ${username} to group dev` }),
      after: async () => {
        const rows = await fixture.db
          .selectFrom("usergroup")
          .selectAll()
          .where("username", "=", username)
          .execute();
        assert.deepEqual(rows, []);
      },
    };
  }),
  attack("an old registration, replayed after its user was deleted", "user_register", async (fixture) => {
    const username = `never-${fixture.newName()}`;
    const email = `${username}@example.com`;
    const request = { username, password: PASSWORD, password_confirm: PASSWORD, email };
    const { key } = await recordRequest(fixture, "user_register", request);
    await succeed(fixture, "user_delete", { username, access_token: await fixture.adminToken() });
    return { request, properties: { messageId: key }, reply: doneReply(`registered user ${username}`) };
  }),
  attack("an old logout, replayed after a new login of its user", "logout", async (fixture) => {
    const person = await fixture.newUser();
    const id_token = await fixture.idToken(person);
    const { key } = await recordRequest(fixture, "logout", { id_token });
    const newer = await fixture.idToken(person);
    return {
      request: { id_token },
      properties: { messageId: key },
      reply: ok({ msg: `logged out ${person.username}` }),
      after: () => succeed(fixture, "token", { id_token: newer }),
    };
  }),
];

/** Tickets, without a configured realm. */
const tickets = attacks(
  "a login with a ticket without a configured realm,",
  "login",
  {
    "for a user": { username: "alice", kerberos_ticket: "YII=" },
    "for a Kerberos user": { username: "kurt", kerberos_ticket: "YII=" },
    "without a username": { kerberos_ticket: "YII=" },
    "for an unknown username": { username: "nobody-at-all", kerberos_ticket: "YII=" },
    "of 60,000 characters": { username: "alice", kerberos_ticket: "YIIB".repeat(15_000) },
  },
  (request) => ({ request, reply: INVALID_CREDENTIALS }),
);

/** The attacker has recorded a request on the broker, and replays it; or sends tickets that cannot be checked. */
export const replays: Attack[] = [...logins, ...effects, ...tickets];
