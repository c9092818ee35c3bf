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

/** The workflows of `createAuth`, without its other methods. */
type Workflows = Omit<Auth, "migrate" | "close" | typeof Symbol.asyncDispose>;

/** The tuples prevent distribution over the members of a union. */
type IsSame<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

/** Whether each namespace has the same methods in both. */
type HasSameMethods = { [Name in keyof Workflows]: IsSame<keyof Workflows[Name], keyof AuthClient[Name]> };

type Procedures = { [P in (typeof PROCEDURES)[number] as P["name"]]: P };

/** The queues whose generated types differ from those that zod infers from the procedure. */
type Different = {
  [Q in QueueName]: IsSame<
    [RequestTo<Q>, ReplyFrom<Q>],
    [RequestOf<Procedures[Q]>, ReplyOf<Procedures[Q]>]
  > extends true
    ? never
    : Q;
}[QueueName];

/** Code that must compile, and lines that must not. It is never called. */
async function compiled(auth: AuthClient): Promise<unknown[]> {
  // Every queue has the same namespace and method as in createAuth.
  const workflows: Workflows = auth;
  const hasEveryNamespace: IsSame<
    keyof Workflows,
    keyof Omit<AuthClient, "call" | "close" | typeof Symbol.asyncDispose>
  > = true;
  const hasEveryMethod: HasSameMethods[keyof Workflows] = true;
  // @ts-expect-error the type is true only if both have the same methods
  const hasAnother: HasSameMethods[keyof Workflows] = false;
  const hasEveryQueue: IsSame<QueueName, keyof Procedures> = true;
  const hasNoOtherType: IsSame<Different, never> = true;

  const { id_token } = await auth.session.login({ username: "alice", password: "x", ip: null });
  const text: string = id_token;
  const { users }: ReplyFrom<"user_all"> = await auth.call("user_all", { access_token: "a" });
  const list: string[] = users;
  const email: string | null | undefined = (await auth.user.get({ username: "alice" })).email;
  await auth.user.get({ username: "a" }, { signal: AbortSignal.timeout(1), timeout: 5, idempotencyKey: "k" });
  // @ts-expect-error a field must have its type
  await auth.session.login({ username: 1 });
  // @ts-expect-error the access token that the access level requires is missing
  await auth.call("user_all", {});
  // @ts-expect-error a required field is missing
  await auth.group.create({ access_token: "a" });
  // @ts-expect-error unknown queue
  await auth.call("users", {});
  // @ts-expect-error the request of another queue
  await auth.call("group_create", { username: "alice", access_token: "a" });
  // @ts-expect-error a reply has only the fields of its procedure's output
  const token: unknown = (await auth.session.logout({ id_token })).access_token;
  // @ts-expect-error unknown option
  await auth.session.logout({ id_token }, { retries: 3 });

  const sessions: Session[] = [
    createSession(auth, { username: "a", password: "p" }),
    createSession(workflows, { username: "a", password: async () => "p", vhost: "v", ip: "::1" }),
    createSession(auth, { kerberosTicket: () => "t", secondFactor: () => ({ totp: "123456" }) }),
    createSession(auth, { username: "a", password: "p", secondFactor: async () => ({ recovery_code: "r" }) }),
    createSession(auth, { idToken: "i" }),
  ];
  // @ts-expect-error a ticket is valid once, so a function is required
  createSession(auth, { kerberosTicket: "t" });
  // @ts-expect-error the answer to a challenge has one of three fields
  createSession(auth, { username: "a", password: "p", secondFactor: () => ({ code: "123456" }) });
  // @ts-expect-error a username needs its password
  createSession(auth, { username: "a" });

  createVerifier({ issuer: "authmq", keys: "PEM", audience: "a", vhost: "v", clockTolerance: 5 });
  createVerifier({ issuer: "authmq", jwks: new URL("https://example.com/jwks.json") });
  // @ts-expect-error the source of keys is missing
  createVerifier({ issuer: "authmq" });
  // @ts-expect-error the issuer is missing
  createVerifier({ keys: "PEM" });
  return [
    workflows,
    text,
    list,
    email,
    token,
    sessions,
    hasEveryNamespace,
    hasEveryMethod,
    hasAnother,
    hasEveryQueue,
    hasNoOtherType,
  ];
}

test("the client has the procedures' types and imports none of their code", () => {
  assert.equal(typeof compiled, "function");
  const program = `
    import { registerHooks } from "node:module";
    const loaded = new Set();
    registerHooks({
      resolve(specifier, context, next) {
        const resolved = next(specifier, context);
        const { 1: folder } = /\\/src\\/([^/]+)\\//.exec(resolved.url) ?? [];
        const { 1: name } = /\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(resolved.url) ?? [];
        if (folder !== undefined || name !== undefined) loaded.add(name ?? folder);
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
