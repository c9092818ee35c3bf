import assert from "node:assert/strict";
import { test } from "node:test";
import { check, type Evidence } from "./checker.ts";
import { Intents, type KnownUser, reuseKey } from "./intents.ts";
import { type Intent, RequestHistory, type RequestRecord } from "./request-history.ts";
import { createRandom } from "./random.ts";
import type { CallerLink } from "./link.ts";
import { Sender } from "./sender.ts";

const ALICE: KnownUser = { username: "alice", password: "x", email: "a@example.com", groups: [] };
const intents = new Intents("token");
const CREATED = { resp_code: 200, resp_data: { success: true, msg: "created user alice" } };

interface Message {
  /** Bodies of its replies, in order. */
  readonly replies: readonly object[];
  readonly end?: "no reply in time" | "no such queue";
}

/** The history of a scenario without a broker: requests, their messages, and the replies to each message. */
function write(
  ...rows: readonly [intent: Intent, key: string | undefined, ...messages: Message[]][]
): RequestHistory {
  const history = new RequestHistory();
  const sender = new Sender({ history, random: createRandom(1), copies: 1, limit: 1000, deadline: () => 0 });
  sender.use([] as readonly CallerLink[]);
  for (const [intent, key, ...messages] of rows) {
    const request: RequestRecord = history.open("tester", intent, key);
    for (const [index, { replies, end = "no reply in time" }] of messages.entries()) {
      const correlationId = `${request.id}.${index}`;
      history.addAttempt(request, {
        correlationId,
        sentAt: 0,
        link: "none",
        confirmedAt: undefined,
        end: replies.length > 0 ? "reply" : end,
        replies: [],
      });
      for (const reply of replies) sender.receiveReply(correlationId, JSON.stringify(reply));
    }
  }
  return history;
}

/** The texts of all violations; by default the database contains alice, created once. */
function find(history: RequestHistory, found: Partial<Omit<Evidence, "requests">> = {}): string[] {
  const { violations } = check({
    initial: [],
    requests: history.requests,
    unsolicited: history.unsolicited,
    effects: effects("user insert alice a@example.com"),
    holdings: holdings({ users: [{ username: "alice", email: "a@example.com" }] }),
    leftovers: [],
    unnoticed: false,
    sessionLimit: 2,
    ...found,
  });
  return violations.map(({ kind, text }) => `${kind}: ${text}`);
}

function effects(...all: readonly string[]): Evidence["effects"] {
  return all.map((what) => ({ what, at: "2026-01-31 23:59:59.123" }));
}

function holdings(some: Partial<Evidence["holdings"]>): Evidence["holdings"] {
  return { users: [], groups: [], memberships: [], tokens: [], admins: 1, ...some };
}

test("a request with one reply and one effect is no violation", () => {
  assert.deepEqual(find(write([intents.createUser(ALICE), undefined, { replies: [CREATED] }])), []);
});

test("a duplicate reply is counted, and is no violation", () => {
  const history = write([intents.createUser(ALICE), "key", { replies: [CREATED, CREATED] }]);
  assert.deepEqual(find(history), []);
  const { repeated } = check({
    initial: [],
    requests: history.requests,
    unsolicited: [],
    effects: [],
    holdings: holdings({}),
    leftovers: [],
    unnoticed: false,
    sessionLimit: 2,
  });
  assert.equal(repeated, 1);
});

test("a successful request without its effect is lost, in effects and in holdings", () => {
  const history = write([intents.createUser(ALICE), undefined, { replies: [CREATED] }]);
  assert.deepEqual(find(history, { effects: [], holdings: holdings({}) }), [
    'lost: "user insert alice a@example.com" was confirmed and did not happen',
    "lost: user alice should be a@example.com and is absent",
  ]);
});

test("an effect that happened twice is doubled", () => {
  const change = intents.changeEmail(ALICE, "b@example.com");
  const history = write(
    [intents.createUser(ALICE), undefined, { replies: [CREATED] }],
    [change, "key", { replies: [] }, { replies: [{ resp_code: 200, resp_data: {} }] }],
  );
  const twice = effects("user insert alice a@example.com", ...Array<string>(2).fill(change.effect ?? ""));
  const after = holdings({ users: [{ username: "alice", email: "b@example.com" }] });
  assert.deepEqual(find(history, { effects: twice, holdings: after }), [
    'doubled: "user update alice b@example.com" happened 2 times, at most 1 were expected',
  ]);
});

test("the effect of a rejected request is doubled, and so is an effect without a request", () => {
  const taken = { resp_code: 409, resp_data: { error: "USERNAME_TAKEN" } };
  const history = write([intents.createTakenUser(ALICE, "a@example.com"), undefined, { replies: [taken] }]);
  assert.deepEqual(find(history), [
    'doubled: "user insert alice a@example.com" happened 1 times, at most 0 were expected',
    "wrong: user alice should be absent and is a@example.com",
  ]);
  assert.deepEqual(find(write(), { holdings: holdings({}) }), [
    'doubled: "user insert alice a@example.com" happened without a request for it',
  ]);
});

test("a request without key and reply may have had its effect or not, but not if its queue did not exist", () => {
  const creation = intents.createUser(ALICE);
  const unknown = write([creation, undefined, { replies: [] }]);
  assert.deepEqual(find(unknown), []);
  assert.deepEqual(find(unknown, { effects: [], holdings: holdings({}) }), []);
  assert.equal(find(write([creation, undefined, { replies: [], end: "no such queue" }])).length, 2);
});

test("a request with a key that never got a reply is lost, and a 503 does not count as a reply", () => {
  const history = write([
    intents.createUser(ALICE),
    "key",
    { replies: [{ resp_code: 503, resp_data: {} }] },
    { replies: [] },
  ]);
  assert.deepEqual(find(history), ["lost: a request with a key never got a final reply"]);
});

test("differing replies are found, to one message and to one key", () => {
  const other = { resp_code: 200, resp_data: { success: true, msg: "another one" } };
  assert.deepEqual(find(write([intents.createUser(ALICE), "key", { replies: [CREATED, other] }])), [
    "wrong: 2 replies to 1.0 differ",
  ]);
  assert.deepEqual(
    find(write([intents.createUser(ALICE), "key", { replies: [CREATED] }, { replies: [other] }])),
    ["wrong: replies with the same key differ"],
  );
});

test("an unexpected reply is found, by its code and by its data", () => {
  const created = [intents.createUser(ALICE), undefined, { replies: [CREATED] }] as const;
  const conflict = reuseKey(intents.createGroup("g"));
  const done = { replies: [{ resp_code: 200, resp_data: {} }] };
  assert.ok(find(write([...created], [conflict, "key", done])).some((text) => text.includes("expected 409")));
});

test("leftovers are found: orphans, sessions beyond the limit, messages, unsolicited replies, no administrator", () => {
  const history = write([intents.createUser(ALICE), undefined, { replies: [CREATED] }]);
  const users = [{ username: "alice", email: "a@example.com" }];
  const session = { username: "alice", tokenId: "1" };
  const broken = find(history, {
    unsolicited: [{ at: 0, code: 200, text: "{}" }],
    leftovers: [
      { queue: "login", messages: 2 },
      { queue: "token", messages: 0 },
    ],
    holdings: holdings({
      users,
      memberships: [{ username: "alice", groupname: "nowhere" }],
      tokens: [1, 2, 3]
        .map((id) => ({ ...session, tokenId: String(id) }))
        .concat({ username: "ghost", tokenId: "4" }),
      admins: 0,
    }),
  });
  for (const expected of [
    "wrong: alice is a member of nowhere, and one of them is absent",
    "wrong: ghost is absent and has a session",
    "doubled: alice has 3 sessions",
    "lost: 2 messages are left in login",
    "wrong: an unsolicited reply: {}",
    "wrong: there is no administrator",
  ]) {
    assert.ok(broken.includes(expected), expected);
  }
});

test("a login has one effect, known from its reply, and a login without reply at most one", () => {
  const idToken = `${Buffer.from('{"kid":"77"}').toString("base64url")}.e30.x`;
  const users = [{ username: "alice", email: "a@example.com" }];
  const initial = [["user alice", "a@example.com"]] as const;
  const state = (tokenId: string) => holdings({ users, tokens: [{ username: "alice", tokenId }] });
  const succeeded = write([
    intents.login(ALICE),
    "key",
    { replies: [{ resp_code: 200, resp_data: { id_token: idToken } }] },
  ]);
  const good = { initial, effects: effects("token insert alice 77"), holdings: state("77") };
  assert.deepEqual(find(succeeded, good), []);
  const twice = effects("token insert alice 77", "token insert alice 78");
  assert.deepEqual(find(succeeded, { ...good, effects: twice }), [
    'doubled: "token insert alice 78" happened without a request for it',
    "lost: session 78 of alice is absent, and nothing ended it",
  ]);
  const unknown = write([intents.login(ALICE), undefined, { replies: [] }]);
  assert.deepEqual(find(unknown, good), []);
  assert.equal(find(unknown, { ...good, effects: twice }).length, 2);
});

test("for unnoticed faults, a message with no reply or two replies is found", () => {
  const history = write([intents.createUser(ALICE), "key", { replies: [] }, { replies: [CREATED, CREATED] }]);
  assert.deepEqual(find(history), []);
  assert.deepEqual(find(history, { unnoticed: true }), ["lost: 0 replies to 1.0", "wrong: 2 replies to 1.1"]);
});

test("cascading deletes need no request of their own", () => {
  const history = write([
    intents.deleteUser(ALICE),
    undefined,
    { replies: [{ resp_code: 200, resp_data: {} }] },
  ]);
  const initial = [
    ["user alice", "a@example.com"],
    ["member alice staff", "exists"],
    ["group staff", "exists"],
  ] as const;
  const all = effects("token delete alice 5", "usergroup delete alice staff", "user delete alice");
  assert.deepEqual(find(history, { initial, effects: all, holdings: holdings({ groups: ["staff"] }) }), []);
});

test("a login beyond the limit ends one session without a request for it, and no login ends more", () => {
  const login = (kid: number) =>
    [
      intents.login(ALICE),
      undefined,
      { replies: [{ resp_code: 200, resp_data: { id_token: `${encode({ kid: String(kid) })}.e30.x` } }] },
    ] as const;
  const history = write([...login(1)], [...login(2)], [...login(3)]);
  const started = ["token insert alice 1", "token insert alice 2", "token insert alice 3"];
  const state = (...ids: readonly string[]): Partial<Evidence> => ({
    initial: [["user alice", "a@example.com"]],
    holdings: holdings({
      users: [{ username: "alice", email: "a@example.com" }],
      tokens: ids.map((tokenId) => ({ username: "alice", tokenId })),
    }),
  });
  const evicted = effects(...started, "token delete alice 1");
  assert.deepEqual(find(history, { ...state("2", "3"), effects: evicted }), []);
  const one = effects(...started, "token delete alice 1", "token delete alice 2");
  assert.deepEqual(find(history, { ...state("3"), effects: one }), [
    'doubled: "token delete alice 2" happened without a request for it',
  ]);
});

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
