import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import {
  createRevocationList,
  createVerifier,
  NoReplyError,
  type RevocationList,
  TokenError,
  type Verifier,
} from "../../src/client/index.ts";
import { RevokedTokens } from "../../src/client/revoked-tokens.ts";
import { dataOf } from "../support/replies.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

const PASSWORD = "correct horse battery";
const QUEUE = "orders.revocations";

describe("a revocation list", () => {
  let worker: TestWorker;
  let admin: string;
  before(async () => {
    worker = await startWorker({ config: { app_config: { sessions_per_user: 5 } } });
    admin = await worker.accessToken("root", ["admin"]);
  });
  after(() => worker[Symbol.asyncDispose]());

  const open = (more: object = {}): Promise<RevocationList> =>
    createRevocationList({ url: worker.url, queue: QUEUE, tokenLifetime: 300, ...more });
  const verifierWith = (revocations: RevocationList): Verifier =>
    createVerifier({
      issuer: "authmq",
      keys: createPublicKey(worker.config.signing!.key),
      revocations,
    });
  const isRefused = async ({ verify }: Verifier, token: string): Promise<true | undefined> => {
    try {
      await verify(token);
      return undefined;
    } catch (error) {
      assert.ok(error instanceof TokenError && /revoked/.test(error.message), String(error));
      return true;
    }
  };
  const untilRefused = (verifier: Verifier, token: string): Promise<true> =>
    waitUntil("the revocation", () => isRefused(verifier, token), { seconds: 10 });

  test("rejects in time, and closes, if a node accepts the connection and never answers", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const started = performance.now();
    await assert.rejects(open({ url: `amqp://127.0.0.1:${port}`, timeout: 500 }), NoReplyError);
    assert.ok(performance.now() - started < 5000, "the time limit was not kept");
    silent.close();
  });

  test("makes a verifier reject the tokens of one session, and no others", async () => {
    await worker.addUser("alice", PASSWORD);
    await using list = await open();
    const verifier = verifierWith(list);
    const id_token = await worker.login("alice", PASSWORD);
    const { access_token } = dataOf(await worker.call("token", { id_token }));
    const other = await worker.ownToken("alice", PASSWORD);
    await verifier.verify(access_token as string);
    dataOf(await worker.call("logout", { id_token }));
    await untilRefused(verifier, access_token as string);
    assert.equal((await verifier.verify(other)).user, "alice");
  });

  test("makes a verifier reject the tokens of a revoked API key, a deactivated and a deleted user", async () => {
    await using list = await open();
    const verifier = verifierWith(list);
    for (const name of ["keyed", "resting", "leaving"]) await worker.addUser(name, PASSWORD);
    const { api_key, id } = dataOf(
      await worker.call("api_key_create", { username: "keyed", name: "n", access_token: admin }),
    );
    const byKey = dataOf(await worker.call("token", { api_key }))["access_token"] as string;
    const [resting, leaving] = [
      await worker.ownToken("resting", PASSWORD),
      await worker.ownToken("leaving", PASSWORD),
    ];
    for (const token of [byKey, resting, leaving]) await verifier.verify(token);
    dataOf(await worker.call("api_key_revoke", { username: "keyed", id, access_token: admin }));
    const rest = { username: "resting", activated: false, access_token: admin };
    dataOf(await worker.call("user_change", rest));
    dataOf(await worker.call("user_delete", { username: "leaving", access_token: admin }));
    for (const token of [byKey, resting, leaving]) await untilRefused(verifier, token);
  });

  test("knows earlier revocations after a restart, as does a second replica", async () => {
    await worker.addUser("before", PASSWORD);
    const id_token = await worker.login("before", PASSWORD);
    const access_token = dataOf(await worker.call("token", { id_token }))["access_token"] as string;
    {
      await using first = await open();
      dataOf(await worker.call("logout", { id_token }));
      await untilRefused(verifierWith(first), access_token);
    }
    await using second = await open();
    await using third = await open();
    for (const list of [second, third])
      assert.equal(await isRefused(verifierWith(list), access_token), true, "it is valid after a restart");
  });

  test("rejects with the reason if the broker or the exchange is missing", async () => {
    const down = createRevocationList({ url: "amqp://127.0.0.1:1", queue: QUEUE, timeout: 500 });
    await assert.rejects(down, NoReplyError);
    await assert.rejects(open({ exchange: "no.such.exchange", timeout: 2000 }), (error) => {
      assert.ok(error instanceof NoReplyError, String(error));
      assert.match(String(error.cause), /no exchange|NOT_FOUND/);
      return true;
    });
  });

  test("names an invalid option", async () => {
    await assert.rejects(open({ queue: "" }), /queue/);
    await assert.rejects(open({ maxEntries: "many" }), /maxEntries/);
    assert.throws(
      () => createVerifier({ issuer: "a", jwks: "https://a.example", revocations: {} as RevocationList }),
      /revocations must be a list from createRevocationList/,
    );
  });
});

test("memory is bounded: beyond the limit, tokens that are older than a dropped revocation are rejected", () => {
  const tokens = new RevokedTokens(300, 3);
  const now = Math.floor(Date.now() / 1000);
  const claims = (sid: string, iat: number) => ({
    ...{ iss: "a", sub: "b", iat, nbf: iat, exp: iat + 300, groups: [], sid },
  });
  for (let n = 0; n < 5; n++)
    tokens.add({
      type: "session.revoked",
      time: new Date((now - 50 + n * 10) * 1000).toISOString(),
      data: { sid: String(n) },
    });
  assert.equal(tokens.has(claims("4", now)), true);
  assert.equal(tokens.has(claims("0", now)), false, "its revocation was dropped, and the token is newer");
  assert.equal(tokens.has(claims("other", now - 45)), true, "it may have been revoked");
  assert.equal(tokens.has(claims("other", now - 5)), false);
});

test("a revocation is forgotten when no token can be affected any more", () => {
  const tokens = new RevokedTokens(300, 100);
  const at = (seconds: number): string => new Date(Date.now() + seconds * 1000).toISOString();
  tokens.add({ type: "user.deleted", subject: "alice", time: at(-1000), data: {} });
  tokens.add({ type: "user.deleted", subject: "bobby", time: at(0), data: {} });
  const now = Math.floor(Date.now() / 1000);
  const claims = (sub: string, iat: number) => ({ iss: "a", sub, iat, nbf: iat, exp: iat + 300, groups: [] });
  assert.equal(tokens.has(claims("alice", now - 2000)), false);
  assert.equal(tokens.has(claims("bobby", now)), true);
  assert.equal(tokens.has(claims("bobby", now + 4)), false, "a later account of this name");
});

test("events without meaning for tokens, and what is no event, are ignored", () => {
  const tokens = new RevokedTokens(300, 100);
  const now = Math.floor(Date.now() / 1000);
  const time = new Date().toISOString();
  for (const event of [
    undefined,
    {},
    { type: "session.revoked", time, data: null },
    { type: "user.changed", subject: "alice", time, data: { changed: ["email"] } },
    { type: "user.deleted", subject: "alice", time: "yesterday", data: {} },
    { type: "group.deleted", subject: "alice", time, data: {} },
  ])
    tokens.add(event);
  assert.equal(tokens.has({ iss: "a", sub: "alice", iat: now, nbf: now, exp: now + 300, groups: [] }), false);
});
