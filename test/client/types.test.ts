import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import {
  type AuthClient,
  createVerifier,
  type QueueName,
  type ReplyFrom,
  type RequestTo,
  type Session,
  createSession,
} from "../../src/client/index.ts";
import type { Auth } from "../../src/create-auth.ts";
import type { PROCEDURES } from "../../src/procedures/index.ts";
import type { ReplyOf, RequestOf } from "../../src/rpc/procedure.ts";

/** What `createAuth` and the client have in common. */
type Workflows = Omit<Auth, "migrate" | "close" | typeof Symbol.asyncDispose>;

/** Not of this conditional type by itself: that would be asked of each member of a union alone. */
type IsSame<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** Whether each room has the same methods in both. */
type HasSameMethods = { [Room in keyof Workflows]: IsSame<keyof Workflows[Room], keyof AuthClient[Room]> };

type Procedures = { [P in (typeof PROCEDURES)[number] as P["name"]]: P };

/** Each queue whose generated types are not those that zod infers from its procedure. */
type Different = {
  [Q in QueueName]: IsSame<
    [RequestTo<Q>, ReplyFrom<Q>],
    [RequestOf<Procedures[Q]>, ReplyOf<Procedures[Q]>]
  > extends true
    ? never
    : Q;
}[QueueName];

/** What must compile, and what must not: never called, for there is no broker. */
async function compiled(auth: AuthClient): Promise<unknown[]> {
  // Every queue has its method, in the place and under the name that it has in createAuth.
  const workflows: Workflows = auth;
  const hasEveryRoom: IsSame<
    keyof Workflows,
    keyof Omit<AuthClient, "call" | "close" | typeof Symbol.asyncDispose>
  > = true;
  const hasEveryMethod: HasSameMethods[keyof Workflows] = true;
  // @ts-expect-error it would be false, or either, if one had a method that the other lacks
  const hasAnother: HasSameMethods[keyof Workflows] = false;
  const hasEveryQueue: IsSame<QueueName, keyof Procedures> = true;
  const hasNoOtherType: IsSame<Different, never> = true;

  const { id_token } = await auth.session.login({ username: "alice", password: "x", ip: null });
  const text: string = id_token;
  const { users }: ReplyFrom<"user_all"> = await auth.call("user_all", { access_token: "a" });
  const list: string[] = users;
  const email: string | null | undefined = (await auth.user.get({ username: "alice" })).email;
  await auth.user.get({ username: "a" }, { signal: AbortSignal.timeout(1), timeout: 5, idempotencyKey: "k" });
  // @ts-expect-error a field is of its type
  await auth.session.login({ username: 1 });
  // @ts-expect-error a token that the access level asks for is part of the request
  await auth.call("user_all", {});
  // @ts-expect-error a field that is asked for may not be missing
  await auth.group.create({ access_token: "a" });
  // @ts-expect-error there is no such queue
  await auth.call("users", {});
  // @ts-expect-error the request of one queue is not another's
  await auth.call("group_create", { username: "alice", access_token: "a" });
  // @ts-expect-error a reply has only what its procedure gives
  const token: unknown = (await auth.session.logout({ id_token })).access_token;
  // @ts-expect-error an option that there is not
  await auth.session.logout({ id_token }, { retries: 3 });

  const sessions: Session[] = [
    createSession(auth, { username: "a", password: "p" }),
    createSession(workflows, { username: "a", password: async () => "p", vhost: "v", ip: "::1" }),
    createSession(auth, { kerberosTicket: () => "t" }),
    createSession(auth, { idToken: "i" }),
  ];
  // @ts-expect-error a ticket is good once: what gives one is needed
  createSession(auth, { kerberosTicket: "t" });
  // @ts-expect-error a username needs its password
  createSession(auth, { username: "a" });

  createVerifier({ issuer: "authmq", keys: "PEM", audience: "a", vhost: "v", clockTolerance: 5 });
  createVerifier({ issuer: "authmq", jwks: new URL("https://example.com/jwks.json") });
  // @ts-expect-error keys come from somewhere
  createVerifier({ issuer: "authmq" });
  // @ts-expect-error and tokens from somebody
  createVerifier({ keys: "PEM" });
  return [
    workflows,
    text,
    list,
    email,
    token,
    sessions,
    hasEveryRoom,
    hasEveryMethod,
    hasAnother,
    hasEveryQueue,
    hasNoOtherType,
  ];
}

test("the client is typed by the procedures, and takes nothing of them along", () => {
  assert.equal(typeof compiled, "function");
  const program = `
    import { registerHooks } from "node:module";
    const loaded = new Set();
    registerHooks({
      resolve(specifier, context, next) {
        const resolved = next(specifier, context);
        const { 1: room } = /\\/src\\/([^/]+)\\//.exec(resolved.url) ?? [];
        const { 1: name } = /\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(resolved.url) ?? [];
        if (room !== undefined || name !== undefined) loaded.add(name ?? room);
        return resolved;
      },
    });
    await import(${JSON.stringify(new URL("../../src/client/index.ts", import.meta.url).href)});
    console.log(JSON.stringify([...loaded].sort()));
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
  });
  assert.equal(stderr, "");
  assert.deepEqual(JSON.parse(stdout), ["amqplib", "client", "jose", "wire"]);
});
