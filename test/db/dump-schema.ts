/** Writes the schema of a migrated database of each kind: `npm run schema:dump`. */
import { writeFileSync } from "node:fs";
import { DATABASES } from "../support/worker.ts";
import { dumpOf, migratedSchema } from "./schema.ts";

for (const database of DATABASES) {
  writeFileSync(dumpOf(database), `${JSON.stringify(await migratedSchema(database), null, 2)}\n`);
  process.stdout.write(`${dumpOf(database)}\n`);
}
