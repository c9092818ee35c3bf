import assert from "node:assert/strict";
import { test } from "node:test";
import { DATABASES } from "../support/worker.ts";
import { migratedSchema, readDump } from "./schema.ts";
import { typedColumns } from "./typed-columns.ts";

const types = typedColumns();

for (const database of DATABASES) {
  test(`migrations make of an empty database on ${database} what schema.${database}.json says`, async () => {
    assert.deepEqual(
      await migratedSchema(database),
      readDump(database),
      "npm run schema:dump writes it anew",
    );
  });

  test(`the types of rows have every table and column on ${database}, and null where it may be`, async () => {
    const schema = Object.entries(await migratedSchema(database));
    const found = schema.flatMap(([table, { columns }]) =>
      Object.entries(columns).map(([name, text]) => {
        const column = `${table}.${name}`;
        // What is generated is null where its source is, which no catalogue says.
        if (text.includes("generated")) return [column, types[column]] as const;
        return [column, text.includes("not null") ? "not null" : "null"] as const;
      }),
    );
    assert.deepEqual(Object.fromEntries(found), types);
  });
}
