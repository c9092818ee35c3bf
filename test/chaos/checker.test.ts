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
  /** Bodies of the replies to it, in their order. */
  readonly replies: readonly object[];
  readonly end?: "no reply in time" | "no such queue";
}

/** A history as a scenario leaves it, without a broker: what was asked for, and which replies came to each message. */
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
      for (const reply of replies) sender.takeReply(correlationId, JSON.stringify(reply));
    }
  }
  return history;
}

/** The texts of all violations; what is not given is as it should be after alice was made. */
function find(history: RequestHistory, found: Partial<Omit<Evidence, "requests">> = {}): string[] {
  const { violations } = check({
    initial: [],
    requests: history.requests,
    strangers: history.strangers,
    effects: effects("user insert alice a@example.com"),
    holdings: holdings({ users: [{ username: "alice", email: "a@example.com" }] }),
    leftovers: [],
    unnoticed: false,
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

test("a request that was answered and done once is no violation", () => {
  assert.deepEqual(find(write([intents.createUser(ALICE), undefined, { replies: [CREATED] }])), []);
});

test("the same reply twice is counted and is no violation", () => {
  const history = write([intents.createUser(ALICE), "key", { replies: [CREATED, CREATED] }]);
  assert.deepEqual(find(history), []);
  const { repeated } = check({
    initial: [],
    requests: history.requests,
    strangers: [],
    effects: [],
    holdings: holdings({}),
    leftovers: [],
    unnoticed: false,
  });
  assert.equal(repeated, 1);
});

test("an answered request without its effect is lost, in what was noted and in what is there", () => {
  const history = write([intents.createUser(ALICE), undefined, { replies: [CREATED] }]);
  assert.deepEqual(find(history, { effects: [], holdings: holdings({}) }), [
    'lost: "user insert alice a@example.com" was answered and did not happen',
    "lost: user alice should be a@example.com and is gone",
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
    'doubled: "user update alice b@example.com" happened 2 times and may have happened 1 times',
  ]);
});

test("a refused request that was done is doubled, and so is what nobody asked for", () => {
  const taken = { resp_code: 409, resp_data: { error: "USERNAME_TAKEN" } };
  const history = write([intents.createTakenUser(ALICE, "a@example.com"), undefined, { replies: [taken] }]);
  assert.deepEqual(find(history), [
    'doubled: "user insert alice a@example.com" happened 1 times and may have happened 0 times',
    "wrong: user alice should be gone and is a@example.com",
  ]);
  assert.deepEqual(find(write(), { holdings: holdings({}) }), [
    'doubled: "user insert alice a@example.com" happened and no request that is left asked for it',
  ]);
});

test("a request without a key may have been done or not when nobody knows, but not when no queue took it", () => {
  const asked = intents.createUser(ALICE);
  const unknown = write([asked, undefined, { replies: [] }]);
  assert.deepEqual(find(unknown), []);
  assert.deepEqual(find(unknown, { effects: [], holdings: holdings({}) }), []);
  assert.equal(find(write([asked, undefined, { replies: [], end: "no such queue" }])).length, 2);
});

test("a request with a key that was never answered is lost, a 503 is no answer", () => {
  const history = write([
    intents.createUser(ALICE),
    "key",
    { replies: [{ resp_code: 503, resp_data: {} }] },
    { replies: [] },
  ]);
  assert.deepEqual(find(history), ["lost: a request with a key was never answered"]);
});

test("a second reply that differs is found, to one message and to one key", () => {
  const other = { resp_code: 200, resp_data: { success: true, msg: "another one" } };
  assert.deepEqual(find(write([intents.createUser(ALICE), "key", { replies: [CREATED, other] }])), [
    "wrong: 2 replies to 1.0 are not all the same",
  ]);
  assert.deepEqual(
    find(write([intents.createUser(ALICE), "key", { replies: [CREATED] }, { replies: [other] }])),
    ["wrong: one key got different answers"],
  );
});

test("an answer that does not fit is found, by its code and by its data", () => {
  const created = [intents.createUser(ALICE), undefined, { replies: [CREATED] }] as const;
  const conflict = reuseKey(intents.createGroup("g"));
  const done = { replies: [{ resp_code: 200, resp_data: {} }] };
  assert.ok(find(write([...created], [conflict, "key", done])).some((text) => text.includes("must be 409")));
});

test("what is left behind is found: orphans, second sessions, messages, replies to nobody, no administrator", () => {
  const history = write([intents.createUser(ALICE), undefined, { replies: [CREATED] }]);
  const users = [{ username: "alice", email: "a@example.com" }];
  const session = { username: "alice", tokenId: "1" };
  const broken = find(history, {
    strangers: [{ at: 0, code: 200, text: "{}" }],
    leftovers: [
      { queue: "login", messages: 2 },
      { queue: "token", messages: 0 },
    ],
    holdings: holdings({
      users,
      memberships: [{ username: "alice", groupname: "nowhere" }],
      tokens: [session, { ...session, tokenId: "2" }, { username: "ghost", tokenId: "3" }],
      admins: 0,
    }),
  });
  for (const expected of [
    "wrong: alice is a member of nowhere, and one of them is gone",
    "wrong: ghost is gone and has a session",
    "doubled: alice has 2 sessions",
    "lost: 2 messages are left in login",
    "wrong: a reply to nobody: {}",
    "wrong: no administrator is left",
  ]) {
    assert.ok(broken.includes(expected), expected);
  }
});

test("a login has one effect, known by its answer, and an unanswered one at most one", () => {
  const idToken = `${Buffer.from('{"kid":"77"}').toString("base64url")}.e30.x`;
  const users = [{ username: "alice", email: "a@example.com" }];
  const initial = [["user alice", "a@example.com"]] as const;
  const state = (tokenId: string) => holdings({ users, tokens: [{ username: "alice", tokenId }] });
  const answered = write([
    intents.login(ALICE),
    "key",
    { replies: [{ resp_code: 200, resp_data: { id_token: idToken } }] },
  ]);
  const good = { initial, effects: effects("token set alice 77"), holdings: state("77") };
  assert.deepEqual(find(answered, good), []);
  assert.deepEqual(
    find(answered, { ...good, effects: effects("token set alice 77", "token set alice 78") }),
    ['doubled: "token set alice 78" happened and no request that is left asked for it'],
  );
  const unknown = write([intents.login(ALICE), undefined, { replies: [] }]);
  assert.deepEqual(find(unknown, good), []);
  assert.deepEqual(
    find(unknown, { ...good, effects: effects("token set alice 77", "token set alice 78") }).length,
    1,
  );
});

test("where callers must not notice anything, a message with no reply or with two is found", () => {
  const history = write([intents.createUser(ALICE), "key", { replies: [] }, { replies: [CREATED, CREATED] }]);
  assert.deepEqual(find(history), []);
  assert.deepEqual(find(history, { unnoticed: true }), ["lost: 0 replies to 1.0", "wrong: 2 replies to 1.1"]);
});

test("what a delete takes with it needs no request of its own", () => {
  const history = write([
    intents.deleteUser(ALICE),
    undefined,
    { replies: [{ resp_code: 200, resp_data: {} }] },
  ]);
  const initial = [
    ["user alice", "a@example.com"],
    ["member alice staff", "there"],
    ["group staff", "there"],
    ["token alice", "5"],
  ] as const;
  const all = effects("token delete alice 5", "usergroup delete alice staff", "user delete alice");
  assert.deepEqual(find(history, { initial, effects: all, holdings: holdings({ groups: ["staff"] }) }), []);
});
