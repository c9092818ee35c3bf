import assert from "node:assert/strict";
import { test } from "node:test";
import { recordReader } from "../../../src/cli/users/record.ts";
import { SECTIONS } from "../../../src/config/schema.ts";

const BCRYPT = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const ARGON2ID = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
const app = SECTIONS.app_config.parse({});
const read = recordReader(app, { allowAdmins: false });
const reasonFor = (value: object, reader = read): string => {
  const outcome = reader({ ...value });
  assert.ok(typeof outcome === "string", "the record was accepted");
  return outcome;
};
const assertAccepted = (outcome: ReturnType<typeof read>): void =>
  assert.equal(typeof outcome === "string" ? outcome : "accepted", "accepted");
const alice = { username: "alice", email: "alice@example.com" };

test("a line needs only a username and an email address", () => {
  assert.deepEqual(read(alice), {
    ...alice,
    auth_type: undefined,
    activated: undefined,
    password_hash: undefined,
    groups: [],
    created_at: undefined,
    email_verified_at: undefined,
  });
});

test("a line may contain all fields", () => {
  const line = {
    ...alice,
    auth_type: "LOCAL",
    activated: false,
    password_hash: ARGON2ID,
    groups: ["dev", "ops", "dev"],
    created_at: "2020-02-29T12:00:00.5+02:00",
    email_verified_at: "2020-03-01T00:00:00Z",
    refused: "line 7: of an earlier import",
  };
  assert.deepEqual(read(line), {
    ...alice,
    auth_type: "LOCAL",
    activated: false,
    password_hash: Buffer.from(ARGON2ID),
    groups: ["dev", "ops"],
    created_at: new Date("2020-02-29T10:00:00.500Z"),
    email_verified_at: new Date("2020-03-01T00:00:00Z"),
  });
});

test("only hashes that every worker can check are accepted, and only for local users", () => {
  const tail = BCRYPT.slice(4);
  for (const password_hash of [BCRYPT, ARGON2ID, `$2a$${tail}`, `$2y$${tail}`, `$2b$16$${BCRYPT.slice(7)}`]) {
    const user = read({ ...alice, password_hash });
    assert.ok(typeof user !== "string", password_hash);
    assert.deepEqual([user.auth_type, user.password_hash?.toString()], ["LOCAL", password_hash]);
  }
  const bad = [
    "",
    "plain password",
    `$2x$${tail}`,
    `$2b$17$${BCRYPT.slice(7)}`,
    `$2b$03$${BCRYPT.slice(7)}`,
    BCRYPT.slice(0, -1),
    `${BCRYPT}x`,
    ` ${BCRYPT}`,
    ARGON2ID.replace("m=65536", "m=262145"),
    ARGON2ID.replace("t=2", "t=17"),
    ARGON2ID.replace("argon2id", "argon2i"),
    ARGON2ID.slice(0, -1),
    ARGON2ID.slice(0, -2),
    "$1$abc$def",
    "5f4dcc3b5aa765d61d8327deb882cf99",
  ];
  for (const password_hash of bad)
    assert.match(
      reasonFor({ ...alice, password_hash }),
      /^password_hash must be a hash of bcrypt/,
      password_hash,
    );
  for (const auth_type of ["LDAP", "KERBEROS"]) {
    assert.match(reasonFor({ ...alice, auth_type, password_hash: BCRYPT }), /^password_hash must be absent/);
    assertAccepted(read({ ...alice, auth_type }));
  }
});

test("the reason names every invalid field, by the rules of the installation", () => {
  const reason = reasonFor({
    username: "x",
    groups: ["dev", "no group"],
    activated: "yes",
    auth_type: "local",
  });
  assert.match(
    reason,
    /username must match \[a-zA-Z-_0-9\]\{4,30\}; email is missing; auth_type must be LOCAL/,
  );
  assert.match(reason, /activated must be true or false; groups\.1 must match/);
  const strict = recordReader({ ...app, username_regex: "u\\d+" }, { allowAdmins: false });
  assert.match(reasonFor(alice, strict), /username must match u\\d\+/);
});

test("times must be in the past and have a zone", () => {
  const future = new Date(Date.now() + 3_600_000).toISOString();
  for (const created_at of ["yesterday", "2026-01-31", "2026-01-31 12:00", 0, "1969-12-31T23:59:59Z", future])
    assert.match(reasonFor({ ...alice, created_at }), /^created_at must /, String(created_at));
});

test("the generated address of a directory user is accepted even if email_regex rejects its domain", () => {
  const strict = recordReader({ ...app, email_regex: "[a-z]+@example\\.com" }, { allowAdmins: false });
  const generated = { ...alice, email: "generated_alice@corp" };
  assertAccepted(strict({ ...generated, auth_type: "LDAP" }));
  assertAccepted(strict({ ...alice, email: "alice@example.com", auth_type: "LDAP" }));
  for (const line of [
    generated,
    { ...generated, auth_type: "KERBEROS" },
    { ...generated, auth_type: "LDAP", email: "alice@corp" },
    { ...generated, auth_type: "LDAP", email: "generated_alice@a\nb" },
  ])
    assert.equal(strict(line), "email must match [a-z]+@example\\.com", line.email);
  for (const address of [`generated_${"a".repeat(90)}@corp`, "generated_\ud800@corp"])
    assert.match(reasonFor({ ...generated, auth_type: "LDAP", email: address }, strict), /^email must /);
});

test("only directory users and services may have no address", () => {
  for (const auth_type of ["LDAP", "SERVICE"])
    assertAccepted(recordReader(app, { allowAdmins: false })({ username: "alice", auth_type }));
  for (const auth_type of ["LOCAL", "KERBEROS", undefined])
    assert.equal(reasonFor({ username: "alice", auth_type }), "email is missing");
});

test("administrators are accepted only with allowAdmins", () => {
  const boss = { ...alice, groups: ["dev", "admin"] };
  assert.match(reasonFor(boss), /^groups contains the admin group \(admin\): .*--allow-admins/);
  assertAccepted(recordReader(app, { allowAdmins: true })(boss));
  assertAccepted(recordReader({ ...app, admin_group: "root" }, { allowAdmins: false })(boss));
});

test("reasons never quote the content of a field, and the field password is rejected", () => {
  const secret = "Tr0ub4dor&3-$2b$12$secret";
  for (const field of ["username", "email", "auth_type", "activated", "password_hash", "created_at"]) {
    assert.ok(!reasonFor({ ...alice, [field]: secret }).includes("Tr0ub"), field);
  }
  assert.ok(!reasonFor({ ...alice, groups: [secret] }).includes("Tr0ub"), "groups");
  const plain = read({ ...alice, password: secret });
  assert.equal(plain, "password is not accepted: hash it, and use password_hash");
  assert.equal(read({ ...alice, "pass\u001b[31m": secret }), 'unknown field "pass\\u001b[31m"');
});
