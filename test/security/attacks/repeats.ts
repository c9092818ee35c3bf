import assert from "node:assert/strict";
import type { QueueName } from "../../../src/wire/queues.ts";
import { bodyOf } from "../../support/raw-caller.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { doneReply, type Envelope, INVALID_CREDENTIALS, INVALID_TOKEN, ok } from "../envelopes.ts";
import { PASSWORD, type AttackFixture } from "../fixture.ts";

/** A request with a key of its own, answered once; what a listener on the bus could send again. */
async function heard(
  world: AttackFixture,
  queue: QueueName,
  request: object,
): Promise<{ key: string; reply: Envelope }> {
  const key = `heard-${world.newName()}`;
  const id = world.wire.send(queue, Buffer.from(JSON.stringify(request)), { messageId: key });
  return { key, reply: bodyOf(await world.wire.firstReply(id)) };
}

async function succeed({ ask }: AttackFixture, queue: QueueName, request: object): Promise<void> {
  const reply = await ask(queue, request);
  assert.equal(reply.resp_code, 200, JSON.stringify(reply));
}

async function rightPassword({ ask }: AttackFixture, username: string, password: string): Promise<void> {
  assert.equal((await ask("login", { username, password })).resp_code, 200);
}

const logins = attacks<(world: AttackFixture, id_token: string, username: string) => Promise<unknown>>(
  "the ID token of a login that was sent again after",
  "token",
  {
    "a logout": (world: AttackFixture, id_token: string) => succeed(world, "logout", { id_token }),
    "another login": (world: AttackFixture, _: string, username: string) =>
      world.idToken({ username, password: PASSWORD }),
    "a new password": async (world: AttackFixture, _: string, username: string) =>
      succeed(world, "user_change", {
        username,
        password: "a new one",
        access_token: await world.adminToken(),
      }),
    "the deletion of the user": async (world: AttackFixture, _: string, username: string) =>
      succeed(world, "user_delete", { username, access_token: await world.adminToken() }),
  },
  async (end, world) => {
    const { username, password } = await world.newUser();
    const request = { username, password };
    const { key, reply } = await heard(world, "login", request);
    await end(world, String(reply.resp_data["id_token"]), username);
    const id = world.wire.send("login", Buffer.from(JSON.stringify(request)), { messageId: key });
    const again = bodyOf(await world.wire.firstReply(id));
    assert.equal(again.resp_data["id_token"], reply.resp_data["id_token"]);
    return { request: { id_token: again.resp_data["id_token"] }, reply: INVALID_TOKEN };
  },
);

const effects = [
  attack("an old change of a password, sent again after a newer one", "user_change", async (world) => {
    const { username } = await world.newUser();
    const access_token = await world.accessToken(username);
    const request = { username, password: "an old password", access_token };
    const { key } = await heard(world, "user_change", request);
    await succeed(world, "user_change", { username, password: "a newer password", access_token });
    return {
      request,
      properties: { messageId: key },
      reply: doneReply(`changed user ${username}`),
      after: () => rightPassword(world, username, "a newer password"),
    };
  }),
  attack("an old activation, sent again after a deactivation", "user_change", async (world) => {
    const { username } = await world.newUser({ activated: false });
    const access_token = await world.adminToken();
    const request = { username, activated: true, access_token };
    const { key } = await heard(world, "user_change", request);
    await succeed(world, "user_change", { username, activated: false, access_token });
    return {
      request,
      properties: { messageId: key },
      reply: doneReply(`changed user ${username}`),
      after: async () => {
        assert.equal((await world.ask("login", { username, password: PASSWORD })).resp_code, 403);
      },
    };
  }),
  attack("an old deletion, sent again after the name was taken anew", "user_delete", async (world) => {
    const { username } = await world.newUser();
    const request = { username, access_token: await world.adminToken() };
    const { key } = await heard(world, "user_delete", request);
    await world.newUser({ username });
    return {
      request,
      properties: { messageId: key },
      reply: doneReply(`deleted user ${username}`),
      after: () => rightPassword(world, username, PASSWORD),
    };
  }),
  attack("an old promotion, sent again after it was taken back", "group_add_user", async (world) => {
    const { username } = await world.newUser();
    const request = { groupname: "dev", username, access_token: await world.adminToken() };
    const { key } = await heard(world, "group_add_user", request);
    await succeed(world, "group_remove_user", request);
    return {
      request,
      properties: { messageId: key },
      reply: ok({ msg: `added user ${username} to group dev` }),
      after: async () => {
        const rows = await world.db
          .selectFrom("usergroup")
          .selectAll()
          .where("username", "=", username)
          .execute();
        assert.deepEqual(rows, []);
      },
    };
  }),
  attack("an old registration, sent again after its user was deleted", "user_register", async (world) => {
    const username = `never-${world.newName()}`;
    const email = `${username}@example.com`;
    const request = { username, password: PASSWORD, password_confirm: PASSWORD, email };
    const { key } = await heard(world, "user_register", request);
    await succeed(world, "user_delete", { username, access_token: await world.adminToken() });
    return { request, properties: { messageId: key }, reply: doneReply(`registered user ${username}`) };
  }),
  attack("an old logout, sent again with the token of a newer session's user", "logout", async (world) => {
    const person = await world.newUser();
    const id_token = await world.idToken(person);
    const { key } = await heard(world, "logout", { id_token });
    const newer = await world.idToken(person);
    return {
      request: { id_token },
      properties: { messageId: key },
      reply: ok({ msg: `logged out ${person.username}` }),
      after: () => succeed(world, "token", { id_token: newer }),
    };
  }),
];

/** Tickets, where there is no realm that gives them. */
const tickets = attacks(
  "a login by a ticket where there is no realm,",
  "login",
  {
    "for a user": { username: "alice", kerberos_ticket: "YII=" },
    "for a user of a realm": { username: "kurt", kerberos_ticket: "YII=" },
    "for nobody by name": { kerberos_ticket: "YII=" },
    "for a name that nobody has": { username: "nobody-at-all", kerberos_ticket: "YII=" },
    "of 60,000 characters": { username: "alice", kerberos_ticket: "YIIB".repeat(15_000) },
  },
  (request) => ({ request, reply: INVALID_CREDENTIALS }),
);

/** Has heard a request on the bus, and sends it again; or sends what nobody can check. */
export const repeats: Attack[] = [...logins, ...effects, ...tickets];
