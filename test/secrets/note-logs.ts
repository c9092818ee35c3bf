/** Importing this notes every line that any worker in this process logs, wherever the line goes: some tests discard it. */
import { tracingChannel } from "node:diagnostics_channel";
import { noteWritten } from "./notes.ts";

tracingChannel("pino_asJson").end.subscribe((event) =>
  noteWritten("log", (event as { result: string }).result),
);
