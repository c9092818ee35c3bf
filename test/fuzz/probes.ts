import type { QueueName } from "../../src/wire/queues.ts";
import type { FuzzTarget } from "./target.ts";
import { shortenText } from "./check-reply.ts";
import type { TokenName } from "./tokens.ts";

interface Probe {
  readonly request: Readonly<Record<string, unknown>>;
  readonly tokens?: Readonly<Record<string, TokenName>>;
  readonly codes: readonly number[];
}

const BY_ADMIN = { access_token: "admin" } as const;
const NOBODY = "nobody-at-all";

/** A valid request to each queue that passes all steps without an effect, and its possible replies. */
const PROBES: Readonly<Partial<Record<string, Probe>>> = {
  // Throttled after failed logins, like any login.
  login: { request: { username: "alice", password: "no such password" }, codes: [401, 429] },
  logout: { request: {}, tokens: { id_token: "revoked" }, codes: [200] },
  token: { request: {}, tokens: { id_token: "session" }, codes: [200] },
  session_revoke: { request: { username: NOBODY }, tokens: BY_ADMIN, codes: [404] },
  introspect: { request: {}, tokens: { token: "session" }, codes: [200] },
  jwks: { request: {}, codes: [200] },
  user_register: {
    request: {
      username: "alice",
      password: "Nm3~asafoetida",
      password_confirm: "Nm3~asafoetida",
      email: "a@b.example",
    },
    codes: [409],
  },
  user_admin_create: {
    request: { username: "alice", password: "Nm3~asafoetida", email: "a@b.example" },
    tokens: BY_ADMIN,
    codes: [409],
  },
  user_delete: { request: { username: NOBODY }, tokens: BY_ADMIN, codes: [404] },
  user_change: { request: { username: NOBODY, activated: true }, tokens: BY_ADMIN, codes: [404] },
  user_unlock: { request: { username: NOBODY }, tokens: BY_ADMIN, codes: [404] },
  user_password_forgot: { request: { username: NOBODY }, codes: [200] },
  user_password_reset: {
    request: { reset_token: "none", password: "Nm3~asafoetida", password_confirm: "Nm3~asafoetida" },
    codes: [401],
  },
  user_verify_email: { request: { verify_token: "none" }, codes: [401] },
  user_verification_resend: { request: { username: NOBODY }, codes: [200] },
  audit_log: { request: { limit: 1 }, tokens: BY_ADMIN, codes: [200] },
  user_all: { request: {}, tokens: { access_token: "alice" }, codes: [200] },
  user_get: { request: { username: "alice" }, tokens: BY_ADMIN, codes: [200] },
  group_all: { request: {}, tokens: { access_token: "alice" }, codes: [200] },
  group_user: { request: { groupname: "staff" }, tokens: BY_ADMIN, codes: [200] },
  group_create: { request: { groupname: "staff" }, tokens: BY_ADMIN, codes: [409] },
  group_delete: { request: { groupname: "no-such-group" }, tokens: BY_ADMIN, codes: [404] },
  group_add_user: {
    request: { groupname: "no-such-group", username: "alice" },
    tokens: BY_ADMIN,
    codes: [404],
  },
  group_remove_user: {
    request: { groupname: "no-such-group", username: "alice" },
    tokens: BY_ADMIN,
    codes: [404],
  },
};

/** For a queue without a probe: any reply except a server error. */
const ANY: Probe = {
  request: { username: NOBODY },
  tokens: BY_ADMIN,
  codes: [200, 204, 400, 401, 403, 404, 409],
};

/** Sends a probe to every queue concurrently, starting at a slot; returns unexpected replies. */
export async function probe(
  target: FuzzTarget,
  queues: readonly QueueName[],
  firstSlot: number,
): Promise<{ queue: QueueName; detail: string }[]> {
  const probes = queues.map(async (queue, index) => {
    const { request, tokens = {}, codes } = PROBES[queue] ?? ANY;
    const named = Object.entries(tokens).map(([field, name]) => [field, target.issuedTokens.texts.get(name)]);
    const body = Buffer.from(JSON.stringify({ ...request, ...Object.fromEntries(named) }));
    const message = { properties: { correlationId: { text: "probe" } }, body };
    const reply = await target.send(firstSlot + index, queue, message);
    if (reply === undefined) return [{ queue, detail: "a probe got no reply" }];
    const text = reply.content.toString();
    const { resp_code } = JSON.parse(text) as { resp_code: number };
    if (codes.includes(resp_code)) return [];
    return [{ queue, detail: `unexpected reply to a probe: ${shortenText(text)}` }];
  });
  return (await Promise.all(probes)).flat();
}
