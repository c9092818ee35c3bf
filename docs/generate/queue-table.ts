/** Generates src/wire/queues.ts from the procedures; --check as in update.ts. */
import { PROCEDURES } from "../../src/procedures/index.ts";
import { queueTable } from "../../src/schemas/queue-table.ts";
import { update } from "./update.ts";

update("src/wire/queues.ts", () => queueTable(PROCEDURES));
