import fc from "fast-check";
import type { AppConfig } from "../../src/config/schema.ts";
import { requestSchema, tokenFields, type Procedure } from "../../src/rpc/procedure.ts";
import type { QueueName } from "../../src/wire/queues.ts";
import { API_KEYS, GROUPS, PASSWORDS, USERS } from "./users.ts";
import type { Member, Node } from "./json.ts";
import { CREDENTIALS } from "./credentials.ts";
import { properties, type Properties } from "./message.ts";
import { mutate, mutation } from "./mutations.ts";
import { goodToken, invalidToken, type TokenName } from "./tokens.ts";
import { anyNode } from "./values.ts";

/** JSON, and modifications of its text. */
export interface JsonBody {
  readonly json: Node;
  /** Padded to this size with blanks, or with an additional member. */
  readonly size?: { readonly bytes: number; readonly by: "blanks" | "member" };
  readonly before?: string;
  readonly after?: string;
  /** The part of it that is kept, in thousandths. */
  readonly cut?: number;
  /** A byte that replaces the one at this position, in thousandths of the length. */
  readonly byte?: readonly [place: number, hex: string];
}

/** The body of a request before serialization. */
type Body = JsonBody | { readonly hex: string };

/** One request of the fuzzer. */
export interface Input {
  readonly body: Body;
  readonly properties: Properties;
}

const usernames = [
  ...USERS.map(({ username }) => username),
  "ALICE",
  "new-user",
  "new-user-2",
  "nobody-here",
];
const passwords = [...Object.values(PASSWORDS), "wrong horse battery"];
const emails = ["new@example.com", "NEW@example.com", "alice@example.com", "a@b.example", "root@EXAMPLE.com"];
const groups = [...GROUPS, "new-group", "no-such-group"];

/** Names that some databases may treat as equal to one of the given ones, if the patterns allow them. */
const lookalikes = (names: readonly string[]): string[] => [
  ...names.flatMap((name) => [
    `${name} `,
    `${name}\0`,
    `${name.slice(0, 2)}\u200b${name.slice(2)}`,
    ` ${name}`,
  ]),
  ...[
    "\u00e1dmin",
    "ADMIN",
    "Admin",
    "\uff41dmin",
    "r\u00f6ot",
    "al\u0130ce",
    "sta\ufb00",
    "st\u00e4ff",
    "",
    " ",
    "\u00df",
  ],
  ...["\u{1f600}".repeat(50), "x".repeat(100), "\u00e9".repeat(100), "%", "_____"],
];

const text = (values: readonly string[]): fc.Arbitrary<Node> =>
  fc.record({ text: fc.constantFrom(...values) });

/** Names for a field, and similar names that its pattern allows. */
const named = (names: readonly string[], pattern: string): fc.Arbitrary<Node> => {
  const isFit = new RegExp(`^(?:${pattern})$`, "u");
  const others = lookalikes(names).filter((name) => isFit.test(name));
  return others.length === 0
    ? text(names)
    : fc.oneof({ weight: 2, arbitrary: text(names) }, { weight: 1, arbitrary: text(others) });
};

/** Values of a field in a valid request. */
const examples = (app: AppConfig): Readonly<Record<string, fc.Arbitrary<Node>>> => ({
  username: named(usernames, app.username_regex),
  password: text(passwords),
  password_confirm: text(passwords),
  email: named(emails, app.email_regex),
  groupname: named(groups, app.group_regex),
  groups: fc.record({ raw: fc.constantFrom("[]", '["staff"]', '["no-such-group"]', "[null]") }),
  vhost: text(["prod", "dev"]),
  ip: text(["*", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"]),
  activated: fc.record({ raw: fc.constantFrom("true", "false") }),
  broker: fc.record({ raw: fc.constantFrom("true", "false") }),
  token: fc.record({ token: fc.oneof(goodToken, invalidToken) }),
  auth_type: text(["LOCAL", "LDAP", "KERBEROS", "SERVICE"]),
  client: text(["Firefox on Linux", "x".repeat(100), "\u{1f600}"]),
  renew: fc.record({ raw: fc.constantFrom("true", "false") }),
  keep_session: fc.record({ raw: fc.constantFrom("true", "false") }),
  sid: text(["0", "1", "-1", "9223372036854775807", "9223372036854775808", "' or 1=1"]),
  id: text([
    ...Object.values(API_KEYS).map(({ id }) => id),
    "0",
    "1",
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "' or 1=1",
  ]),
  name: text(["production", "x".repeat(100), "\u{1f600}"]),
  expires_in: fc.record({ raw: fc.constantFrom("1", "3600", "3155760000", "0", "-1", "1.5", "1e99") }),
  limit: fc.record({ raw: fc.constantFrom("1", "2", "1000", "0", "1001") }),
  after: text([...usernames, ...groups, "", "%"]),
  user: named(usernames, app.username_regex),
  reset_token: text(["n0t-a-reset-token", ""]),
  verify_token: text(["n0t-a-verify-token", ""]),
  q: text(["a", "AL", "new-", "staff", "", "%", "_", "!"]),
  challenge: text(["A".repeat(43), "n0t-a-challenge", "", "x".repeat(101)]),
  totp: text(["000000", "123 456", "12345", "１２３４５６"]),
  recovery_code: text(["0000-0000-0000-0000-0000-0000", "", "x".repeat(101)]),
  passkey: fc.record({ raw: fc.constantFrom(...CREDENTIALS) }),
  credential: fc.record({ raw: fc.constantFrom(...CREDENTIALS) }),
  kerberos_ticket: text(["YIIFdwYGKwYBBQUCoIIFaw==", "dGlja2V0LW9mLW5vYm9keQ=="]),
});

/** Percentage of requests with an optional field. */
const SELDOM: Readonly<Record<string, number>> = {
  recovery_code: 30,
  passkey: 30,
  kerberos_ticket: 5,
  broker: 10,
  groups: 10,
  renew: 10,
  client: 20,
  sid: 30,
  expires_in: 20,
  auth_type: 20,
  vhost: 20,
  ip: 30,
  limit: 50,
  after: 30,
  q: 30,
};

type Fitting = fc.Arbitrary<Readonly<Record<string, string>>>;

/** A new user that the patterns of every installation allow. */
const newcomer = {
  username: fc.constantFrom("new-user", "New-User-2", "new_user"),
  email: fc.constantFrom("new@example.com", "NEW@example.org", "a@b.example"),
};

const resident = fc.constantFrom(...USERS.map(({ username }) => username));

/** Values that belong together, so that a request can succeed: a username and its password, equal passwords. */
const FITTING: Readonly<Partial<Record<QueueName, Fitting>>> = {
  login: fc
    .constantFrom(...USERS)
    .map(({ username }) => ({ username, password: PASSWORDS[username] ?? "wrong horse battery" })),
  user_register: fc
    .record({ ...newcomer, password: fc.constantFrom(...passwords) })
    .map((one) => ({ ...one, password_confirm: one.password })),
  user_admin_create: fc.record(newcomer),
  user_change: fc.record({ username: resident, email: newcomer.email }),
  user_delete: fc.record({ username: resident }),
  user_unlock: fc.record({ username: resident }),
  session_revoke: fc.record({ username: resident }),
  api_key_revoke: fc.constantFrom(...Object.values(API_KEYS)).map(({ id, username }) => ({ id, username })),
  user_password_reset: fc
    .record({ password: fc.constantFrom(...passwords) })
    .map((one) => ({ ...one, password_confirm: one.password })),
  factor_all: fc.record({ username: resident }),
  group_delete: fc.record({ groupname: fc.constantFrom(...GROUPS.filter((name) => name !== "admin")) }),
  group_add_user: fc.record({ groupname: fc.constantFrom(...GROUPS), username: resident }),
  group_remove_user: fc.record({ groupname: fc.constantFrom(...GROUPS), username: resident }),
};

/** Requests to the queue of a procedure: many valid ones, and modifications of them. */
export function inputsFor(procedure: Procedure, app: AppConfig): fc.Arbitrary<Input> {
  const valid = validMembers(procedure, app);
  const json: fc.Arbitrary<Node> = fc
    .tuple(
      valid,
      fc.oneof(
        { weight: 3, arbitrary: fc.constant([]) },
        { weight: 2, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 3 }) },
      ),
    )
    .map(([members, mutations]) => ({ members: mutations.reduce(mutate, members) }));
  const sizes = fc.record({
    bytes: fc.constantFrom(65_534, 65_535, 65_536, 65_537, 70_000, 200_000),
    by: fc.constantFrom("blanks" as const, "member" as const),
  });
  const around = fc.constantFrom("\ufeff", " ", "\n", "\0", "{}", ",", "]", "[", "//", '"');
  const body: fc.Arbitrary<Body> = fc.oneof(
    { weight: 30, arbitrary: fc.record({ json }) },
    { weight: 4, arbitrary: fc.record({ json: anyNode }) },
    { weight: 2, arbitrary: fc.record({ json, size: sizes }) },
    { weight: 1, arbitrary: fc.record({ json, before: around }) },
    { weight: 1, arbitrary: fc.record({ json, after: around }) },
    { weight: 2, arbitrary: fc.record({ json, cut: fc.nat(999) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        json,
        byte: fc.tuple(fc.nat(999), fc.constantFrom("ff", "c0", "80", "f8", "00", "ed", "e2", "7f")),
      }),
    },
    {
      weight: 2,
      arbitrary: fc
        .uint8Array({ maxLength: 200 })
        .map((bytes) => ({ hex: Buffer.from(bytes).toString("hex") })),
    },
  );
  return fc.record({ body, properties });
}

/** The fields of a valid request, including the token. */
function validMembers(procedure: Procedure, app: AppConfig): fc.Arbitrary<Member[]> {
  const tokens: readonly string[] = tokenFields(procedure.access);
  const known = examples(app);
  const fields = Object.keys(requestSchema(procedure, app).shape).map((name) => {
    const value: fc.Arbitrary<Node> | undefined = tokens.includes(name)
      ? tokenNode(procedure, name)
      : known[name];
    // A new field needs example values, or it would never be valid.
    if (value === undefined)
      throw new Error(`${procedure.name}: the field ${name} has no example in requests.ts`);
    const seldom = SELDOM[name];
    // When a request is reduced, rare fields are removed first, and usual fields stay.
    const isThere = (dice: number): boolean => (seldom === undefined ? dice < 95 : dice >= 100 - seldom);
    return fc.tuple(fc.nat(99), value).map(([dice, node]) => (isThere(dice) ? [[name, node] as const] : []));
  });
  const nothing: Fitting = fc.constant({});
  const fitting = fc.oneof(
    { weight: 2, arbitrary: FITTING[procedure.name] ?? nothing },
    { weight: 1, arbitrary: nothing },
  );
  // Of several tokens a request has one, and seldom all.
  const [first, second] = tokens;
  const unwanted = fc.nat(99).map((dice) => (dice < 60 ? second : dice < 90 ? first : undefined));
  const leftOut = tokens.length > 1 ? unwanted : fc.constant(undefined);
  return fc.tuple(fc.tuple(...fields), fitting, leftOut).map(([members, together, without]) =>
    members
      .flat()
      .filter(([name]) => name !== without)
      .map(([name, node]): Member => {
        const other = together[name];
        return [name, other === undefined ? node : { text: other }];
      }),
  );
}

/** Valid tokens for each kind of access, by holder. */
const GOOD_FOR = {
  id_token_or_api_key: ["session", "session", "bound-session"],
  api_key: ["api-key"],
  any_id_token: ["session", "revoked", "bound-session"],
  admin: ["admin"],
  others: ["admin", "alice", "carol"],
} as const satisfies Record<string, readonly TokenName[]>;

/** Mostly a token that may be valid here. */
function tokenNode({ access }: Procedure, field: string): fc.Arbitrary<Node> {
  const known = access in GOOD_FOR ? GOOD_FOR[access as keyof typeof GOOD_FOR] : GOOD_FOR.others;
  const names = field === "api_key" ? GOOD_FOR.api_key : known;
  return fc.record({
    token: fc.oneof(
      { weight: 6, arbitrary: fc.record({ of: fc.constantFrom<TokenName[]>(...names) }) },
      { weight: 1, arbitrary: goodToken },
      { weight: 2, arbitrary: invalidToken },
    ),
  });
}
