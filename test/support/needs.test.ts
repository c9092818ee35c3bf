import assert from "node:assert/strict";
import { test } from "node:test";
import { needsOf } from "./needs.ts";

for (const [file, installs, starts] of [
  ["test/wire/json.test.ts", [], []],
  ["test/client/arguments.test.ts", [], ["rabbitmq"]],
  ["test/db/pool.test.ts", [], ["database"]],
  ["test/auth/ldap/openldap.test.ts", ["openldap"], ["rabbitmq", "database"]],
  ["test/site/site.test.ts", ["browser"], []],
] as const) {
  test(`${file} has the needs of its imports, direct and indirect`, () => {
    const { install, start } = needsOf([file]);
    assert.deepEqual([...install], installs);
    assert.deepEqual(
      Object.entries(start).flatMap(([name, isNeeded]) => (isNeeded ? [name] : [])),
      starts,
    );
  });
}

test("several files have the needs of all of them", () => {
  const { install, start } = needsOf(["test/site/site.test.ts", "test/db/pool.test.ts"]);
  assert.deepEqual([...install], ["browser"]);
  assert.deepEqual(start, { rabbitmq: false, database: true });
});
