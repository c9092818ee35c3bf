/** Generates the tables of the documentation from the code; --check as in update.ts. */
import { logTables } from "./log-messages.ts";
import { settingTables, withTables } from "./settings.ts";
import { stepTables } from "./steps.ts";
import { update } from "./update.ts";

update("docs/configuration.md", (text) => withTables(text, settingTables()));
update("docs/protocol.md", (text) => withTables(text, stepTables()));
update("docs/operations.md", (text) => withTables(text, logTables()));
