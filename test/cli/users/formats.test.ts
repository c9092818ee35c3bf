import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { csvFormat, csvRow } from "../../../src/cli/users/csv.ts";
import { formatOf } from "../../../src/cli/users/format.ts";
import { jsonlFormat } from "../../../src/cli/users/jsonl.ts";
import type { Line } from "../../../src/cli/users/lines.ts";
import { ExitError } from "../../../src/cli/exit.ts";

const numbered = (texts: readonly string[]): Line[] =>
  texts.map((text, index) => ({ number: index + 1, text }));

const HEADER = "username,email,activated,groups";

describe("CSV", () => {
  test("reads every cell that was written", () => {
    const cell = fc.string({ unit: fc.constantFrom("a", '"', ",", ";", "'", " ", "=", "é"), maxLength: 6 });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), (rows) => {
        const lines = ["username,email", ...rows.map((row) => csvRow(row).slice(0, -1))];
        const entries = csvFormat().read(numbered(lines));
        const expected = rows.map(([username, email], index) => ({
          number: index + 2,
          text: lines[index + 1],
          value: { ...(username === "" ? {} : { username }), ...(email === "" ? {} : { email }) },
        }));
        // A line with two empty cells is a comma, not a blank line.
        assert.deepEqual(entries, expected);
      }),
    );
  });

  test("reads booleans, lists of groups, and empty cells as absent fields", () => {
    const rows = [HEADER, "a,b,TRUE,x;y", "a,b,1,x", "a,b,false,", "a,b,0,;", "a,b,yes,x;", "a,b,,"];
    const values = csvFormat()
      .read(numbered(rows))
      .map((entry) => "value" in entry && entry.value);
    assert.deepEqual(values, [
      { username: "a", email: "b", activated: true, groups: ["x", "y"] },
      { username: "a", email: "b", activated: true, groups: ["x"] },
      { username: "a", email: "b", activated: false },
      { username: "a", email: "b", activated: false, groups: ["", ""] },
      { username: "a", email: "b", activated: "yes", groups: ["x", ""] },
      { username: "a", email: "b" },
    ]);
  });

  test("with a missing or extra quote refuses only its own line", () => {
    const bad = ['"a,b,true,x', 'a"b,c,true,x', '"a"b,c,true,x', "a,b,true", "a,b,true,x,y"];
    for (const one of bad)
      for (const place of [0, 1, 2]) {
        const rows = ["g1,b,true,x", "g2,b,true,x"].toSpliced(place, 0, one);
        const entries = csvFormat().read(numbered([HEADER, ...rows]));
        assert.deepEqual(
          entries.map((entry) => ("value" in entry ? entry.value["username"] : "error")),
          ["g1", "g2"].toSpliced(place, 0, "error"),
          one,
        );
        assert.equal(entries[place]?.number, place + 2);
      }
  });

  test("accepts columns in any order, and rejects a first line with unknown or missing columns", () => {
    const read = (header: string) => csvFormat().read(numbered([header, "1,2"]));
    assert.deepEqual(read("email,username"), [
      { number: 2, text: "1,2", value: { email: "1", username: "2" } },
    ]);
    for (const [header, msg] of [
      ["username,mail", /unknown column "mail"/],
      ["username;email", /unknown column "username;email".* separated by commas/],
      ["username,password", /passwords are not accepted/],
      ["username,username", /names the column username twice/],
      ["username,groups", /column email is missing/],
      ['username,"email', /first line is not valid CSV/],
      ["Username,email", /unknown column "Username"/],
    ] as const)
      assert.throws(
        () => read(header),
        (error) => error instanceof ExitError && error.exitCode === 2 && msg.test(error.message),
        header,
      );
  });

  test("that was refused can be corrected and read again", () => {
    const format = csvFormat();
    const rows = [HEADER, 'a,"b,c",true,x;y', '"broken'];
    const entries = format.read(numbered(rows));
    const text = entries.map((entry) => format.refused(entry, 'it is "bad"')).join("");
    assert.equal(
      text,
      'username,email,activated,groups,refused\na,"b,c",true,x;y,"line 2: it is ""bad"""\n' +
        '"""broken",,,,"line 3: it is ""bad"""\n',
    );
    const again = csvFormat().read(numbered(text.trimEnd().split("\n")));
    assert.deepEqual("value" in again[0]! && again[0].value, {
      username: "a",
      email: "b,c",
      activated: true,
      groups: ["x", "y"],
      refused: 'line 2: it is "bad"',
    });
  });
});

describe("JSON Lines", () => {
  test("are objects, and null means absent", () => {
    const entries = jsonlFormat().read(
      numbered(['{"username":"a","groups":["x"],"activated":false}', '{"username":"a","email":null}']),
    );
    assert.deepEqual(
      entries.map((entry) => "value" in entry && entry.value),
      [{ username: "a", groups: ["x"], activated: false }, { username: "a" }],
    );
  });

  test("that are not objects are errors, and do not affect other lines", () => {
    const bad = ["{", "[]", "1", "null", '"a"', '{"a":1,"a":2}', `${"[".repeat(50)}${"]".repeat(50)}`];
    const entries = jsonlFormat().read(numbered([...bad, "{}"]));
    assert.deepEqual(
      entries.map((entry) => "error" in entry),
      [...bad.map(() => true), false],
    );
  });

  test("that were refused can be corrected and read again", () => {
    const format = jsonlFormat();
    const [good, broken] = format.read(numbered(['{"username":"a","email":"b"}', "{oops"]));
    assert.deepEqual(JSON.parse(format.refused(good!, "why")), {
      username: "a",
      email: "b",
      refused: "line 1: why",
    });
    assert.deepEqual(JSON.parse(format.refused(broken!, "why")), { text: "{oops", refused: "line 2: why" });
  });
});

describe("a refused line that is not UTF-8", () => {
  const latin1 = (text: string): Line[] => [
    { number: 2, error: "is not UTF-8", bytes: Buffer.from(text, "latin1").toString("latin1") },
  ];
  const refusedIn = (format: ReturnType<typeof csvFormat>, lines: readonly Line[]): string =>
    format
      .read(lines)
      .map((entry) => {
        const encoding = "encoding" in entry ? entry.encoding : undefined;
        return Buffer.from(format.refused(entry, "is not UTF-8"), encoding).toString("latin1");
      })
      .join("");

  for (const [header, line, expected] of [
    ["username,email", "jos\u00e9,j@example.com", "jos\u00e9,j@example.com,line 2: is not UTF-8"],
    ["username,email", '"jos\u00e9","a,b"', '"jos\u00e9","a,b",line 2: is not UTF-8'],
    ["username,email", "jos\u00e9", "jos\u00e9,,line 2: is not UTF-8"],
    ["username,email", '"jos\u00e9,x', '"""jos\u00e9,x",,line 2: is not UTF-8'],
    ["username,email,refused", "jos\u00e9,x,line 9: why", "jos\u00e9,x,line 9: why"],
    ["username,refused,email", "jos\u00e9,why,x", '"jos\u00e9,why,x",,line 2: is not UTF-8'],
  ] as const)
    test(`keeps its bytes in CSV: ${line}`, () => {
      const format = csvFormat();
      format.read(numbered([header]));
      const [, written = ""] = refusedIn(format, latin1(line)).split("\n");
      assert.equal(written, expected);
    });

  for (const [line, expected] of [
    ['{"username":"jos\u00e9"}', '{"username":"jos\u00e9","refused":"line 2: is not UTF-8"}'],
    ['{"a\u00e9": {"b": 1} } ', '{"a\u00e9": {"b": 1} ,"refused":"line 2: is not UTF-8"}'],
    ['{"username":"jos\u00e9","refused":"why"}', '{"username":"jos\u00e9","refused":"why"}'],
    ['["jos\u00e9"]', '{"text":"[\\"jos\u00e9\\"]","refused":"line 2: is not UTF-8"}'],
    ["jos\u00e9", '{"text":"jos\u00e9","refused":"line 2: is not UTF-8"}'],
  ] as const)
    test(`keeps its bytes in JSON Lines: ${line}`, () =>
      assert.equal(refusedIn(jsonlFormat(), latin1(line)), `${expected}\n`));
});

test("the format is the given one, else the file name decides", () => {
  assert.deepEqual(
    [formatOf("a.CSV", undefined), formatOf("a.jsonl", undefined), formatOf("a.ndjson", undefined)],
    ["csv", "jsonl", "jsonl"],
  );
  assert.equal(formatOf("-", "jsonl"), "jsonl");
  for (const file of ["-", "users", "users.json"])
    assert.throws(
      () => formatOf(file, undefined),
      (error) => error instanceof ExitError && error.exitCode === 2,
    );
});
