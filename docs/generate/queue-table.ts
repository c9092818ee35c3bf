/** Writes src/wire/queues.ts from the procedures; with --check it only says whether it is up to date. */
import { PROCEDURES } from "../../src/procedures/index.ts";
import { queueTable } from "../../src/schemas/queue-table.ts";
import { update } from "./update.ts";

update("src/wire/queues.ts", () => queueTable(PROCEDURES));
