/** Writes the tables of docs/configuration.md and docs/protocol.md from the code; --check as in update.ts. */
import { settingTables, withTables } from "./settings.ts";
import { stepTables } from "./steps.ts";
import { update } from "./update.ts";

update("docs/configuration.md", (text) => withTables(text, settingTables()));
update("docs/protocol.md", (text) => withTables(text, stepTables()));
