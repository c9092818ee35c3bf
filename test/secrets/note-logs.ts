/** Import this to record every line that any worker in this process logs, even if a test discards it. */
import { tracingChannel } from "node:diagnostics_channel";
import { noteWritten } from "./notes.ts";

tracingChannel("pino_asJson").end.subscribe((event) =>
  noteWritten("log", (event as { result: string }).result),
);
