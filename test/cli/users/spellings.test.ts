import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readSpelling } from "../../../src/auth/password/spellings.ts";
import { recordReader } from "../../../src/cli/users/record.ts";
import { SECTIONS } from "../../../src/config/schema.ts";
import { folderWith, runCli } from "../../support/cli.ts";
import { DATABASES, startWorker } from "../../support/worker.ts";
import { ARGON2ID, BCRYPT } from "./installed.ts";

const [, , parameters, salt, tag] = ARGON2ID.slice(1).split("$");
const PADDED = `$argon2id$v=19$${parameters}$${salt}=$${tag}=`;

/** Hashes as other systems write them, each with its password. */
const SPELLINGS: readonly (readonly [hash: string, password: string])[] = [
  [BCRYPT, "U*U"],
  [BCRYPT.replace("$2b$", "$2a$"), "U*U"],
  [BCRYPT.replace("$2b$", "$2y$"), "U*U"],
  [`{bcrypt}${BCRYPT}`, "U*U"],
  [`{BCRYPT}${BCRYPT}`, "U*U"],
  [`{CRYPT}${BCRYPT}`, "U*U"],
  [`{crypt}${BCRYPT.replace("$2b$", "$2y$")}`, "U*U"],
  [`{BLF-CRYPT}${BCRYPT.replace("$2b$", "$2y$")}`, "U*U"],
  [`bcrypt$${BCRYPT}`, "U*U"],
  [ARGON2ID, "password"],
  [PADDED, "password"],
  [`argon2${ARGON2ID}`, "password"],
  [`argon2${PADDED}`, "password"],
  [`{ARGON2}${ARGON2ID}`, "password"],
  [`{argon2}${ARGON2ID}`, "password"],
  [`{ARGON2ID}${PADDED}`, "password"],
  [`{argon2id}${ARGON2ID}`, "password"],
];

for (const database of DATABASES)
  test(`users log in with hashes in the spellings of other systems on ${database}`, async () => {
    await using worker = await startWorker({ database });
    const folder = folderWith(worker.raw);
    const lines = SPELLINGS.map(([password_hash], index) => ({
      username: `user-${index}`,
      email: `user-${index}@example.com`,
      password_hash,
      activated: [1, "1", true, "true", "t"][index % 5],
      created_at: ["2024-01-31 10:00:00", "2024-01-31 10:00:00.123456", "2024-01-31T10:00:00Z"][index % 3],
    }));
    writeFileSync(join(folder, "in.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const csv = lines.map((line) =>
      Object.values(line)
        .map((cell) => (String(cell).includes(",") ? `"${String(cell)}"` : String(cell)))
        .join(","),
    );
    writeFileSync(
      join(folder, "in.csv"),
      `${[Object.keys(lines[0] ?? {}).join(","), ...csv].join("\r\n")}\r\n`,
    );
    const first = await runCli(["users", "import", "in.jsonl"], { cwd: folder });
    assert.deepEqual(
      [first.code, first.stdout],
      [0, `${lines.length} created, 0 updated, 0 unchanged, 0 skipped, 0 refused\n`],
      first.stderr,
    );
    const second = await runCli(["users", "import", "in.csv"], { cwd: folder });
    assert.deepEqual(
      [second.code, second.stdout],
      [0, `0 created, 0 updated, ${lines.length} unchanged, 0 skipped, 0 refused\n`],
      second.stderr,
    );
    for (const [index, [hash, password]] of SPELLINGS.entries()) {
      const id_token = await worker.login(`user-${index}`, password);
      assert.ok(id_token, hash);
    }
    const { created_at } = await worker.db
      .selectFrom("user")
      .select("created_at")
      .where("username", "=", "user-1")
      .executeTakeFirstOrThrow();
    assert.match(created_at, /^2024-01-31 10:00:00\.123/);
  });

describe("a hash that workers cannot check is refused by its kind", () => {
  const tail = BCRYPT.slice(4);
  for (const [hash, kind] of [
    [`bcrypt_sha256$${BCRYPT}`, /bcrypt of a SHA-256/],
    [`$bcrypt-sha256$v=2,t=2b,r=12$${tail}`, /bcrypt of a SHA-256/],
    [`$2x$${tail}`, /\$2x\$/],
    [`{bcrypt}$2x$${tail}`, /\$2x\$/],
    [`$2$${tail}`, /first bcrypt/],
    [ARGON2ID.replace("v=19$", ""), /another version/],
    [ARGON2ID.replace("v=19", "v=16"), /another version/],
    [`argon2${ARGON2ID.replace("argon2id", "argon2i")}`, /argon2i or argon2d/],
    ["pbkdf2_sha256$600000$salt$aGFzaA==", /PBKDF2/],
    ["{PBKDF2-SHA512}10000$a$b", /PBKDF2/],
    ["scrypt$salt$16384$8$1$aGFzaA==", /scrypt/],
    ["$y$j9T$abc$def", /yescrypt/],
    ["{CRYPT}$6$abc$def", /crypt with MD5, SHA-256 or SHA-512/],
    ["{SSHA}c2FsdGVkaGFzaA==", /fast hash/],
    ["{noop}password", /no hash/],
    ["$P$BabcDEF", /phpass/],
    ["5f4dcc3b5aa765d61d8327deb882cf99", undefined],
    [`{unknown}${BCRYPT}`, undefined],
    [`bcrypt$$${BCRYPT}`, undefined],
    [PADDED.replace(/=$/, "=="), undefined],
    [`{bcrypt}{bcrypt}${BCRYPT}`, undefined],
    [`{bcrypt}$2b$17$${BCRYPT.slice(7)}`, undefined],
  ] as const)
    test(hash.slice(0, 24), () => {
      const spelling = readSpelling(hash);
      assert.ok("kind" in spelling, hash);
      if (kind === undefined) assert.equal(spelling.kind, undefined);
      else assert.match(spelling.kind ?? "", kind);
    });
});

describe("a line of another system's export", () => {
  const read = recordReader(SECTIONS.app_config.parse({}), { allowAdmins: false });
  const alice = { username: "alice", email: "alice@example.com" };

  test("may have the booleans of that system, but not yes or no", () => {
    for (const [values, expected] of [
      [[true, 1, "1", "true", "TRUE", "True", "t"], true],
      [[false, 0, "0", "false", "FALSE", "f"], false],
    ] as const)
      for (const activated of values) {
        const user = read({ ...alice, activated });
        assert.equal(typeof user === "string" ? user : user.activated, expected, String(activated));
      }
    for (const activated of ["yes", "no", "", 2, -1, [], {}, "\u0001"])
      assert.equal(read({ ...alice, activated }), "activated must be true or false");
    const absent = read(alice);
    assert.equal(typeof absent === "string" ? absent : absent.activated, undefined);
  });

  test("may have times as MySQL writes them, in UTC", () => {
    for (const [created_at, expected] of [
      ["2024-01-31 10:00:00", "2024-01-31T10:00:00.000Z"],
      ["2024-02-29 23:59:59.123456", "2024-02-29T23:59:59.123Z"],
      ["2024-01-31T10:00:00+02:00", "2024-01-31T08:00:00.000Z"],
    ] as const) {
      const user = read({ ...alice, created_at });
      assert.equal(typeof user === "string" ? user : user.created_at?.toISOString(), expected);
    }
    for (const created_at of [
      "0000-00-00 00:00:00",
      "2023-02-29 10:00:00",
      "2024-01-31 25:00:00",
      "2024-01-31 10:00",
      "2024-01-31",
      "2024-01-31T10:00:00",
      " 2024-01-31 10:00:00",
      1_706_695_200,
    ])
      assert.match(
        JSON.stringify(read({ ...alice, created_at })),
        /^"created_at must be a/,
        JSON.stringify(created_at),
      );
  });
});

test("--rejects keeps the bytes of a line that is not UTF-8, so that the file can be corrected", async () => {
  await using worker = await startWorker();
  const folder = folderWith(worker.raw);
  const bad = Buffer.from("jos\u00e9,jose@example.com,", "latin1");
  const lines = [
    "\ufeffusername,email,groups",
    "anna,anna@example.com,",
    bad,
    "a\0b,b@example.com,",
    "zoe_,not an address,",
  ];
  const file = Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from("\r\n")]));
  writeFileSync(join(folder, "in.csv"), file);
  const { code, stdout, stderr } = await runCli(["users", "import", "in.csv", "--rejects", "refused.csv"], {
    cwd: folder,
  });
  assert.deepEqual([code, stdout], [1, "1 created, 0 updated, 0 unchanged, 0 skipped, 3 refused\n"], stderr);
  const rejects = readFileSync(join(folder, "refused.csv"));
  assert.ok(
    rejects.includes(Buffer.concat([bad, Buffer.from(",line 3: is not UTF-8\n")])),
    rejects.toString("latin1"),
  );
  assert.match(rejects.toString("latin1"), /^username,email,groups,refused\n/);
  assert.ok(rejects.includes("a\0b,b@example.com,,"), rejects.toString("latin1"));
  // Once corrected, it can be imported: the character in UTF-8, and a name that fits the pattern.
  const corrected = rejects
    .toString("latin1")
    .replace("jos\u00e9", "jose")
    .replace("a\0b", "bert")
    .replace("not an address", "z@example.com");
  writeFileSync(join(folder, "corrected.csv"), corrected);
  const again = await runCli(["users", "import", "corrected.csv"], { cwd: folder });
  assert.deepEqual(
    [again.code, again.stdout],
    [0, "3 created, 0 updated, 0 unchanged, 0 skipped, 0 refused\n"],
    again.stderr,
  );
});
