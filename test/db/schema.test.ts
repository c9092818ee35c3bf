import assert from "node:assert/strict";
import { test } from "node:test";
import { DATABASES } from "../support/worker.ts";
import { migratedSchema, readDump } from "./schema.ts";
import { typedColumns } from "./typed-columns.ts";

const types = typedColumns();

for (const database of DATABASES) {
  test(`migrations of an empty ${database} database create the schema in schema.${database}.json`, async () => {
    assert.deepEqual(
      await migratedSchema(database),
      readDump(database),
      "update it with npm run schema:dump",
    );
  });

  test(`the row types have every table and column of ${database}, with null for each nullable column`, async () => {
    const schema = Object.entries(await migratedSchema(database));
    const found = schema.flatMap(([table, { columns }]) =>
      Object.entries(columns).map(([name, text]) => {
        const column = `${table}.${name}`;
        // A generated column is null if its source is; the catalogue does not say so.
        if (text.includes("generated")) return [column, types[column]] as const;
        return [column, text.includes("not null") ? "not null" : "null"] as const;
      }),
    );
    assert.deepEqual(Object.fromEntries(found), types);
  });
}
