import { shortenText } from "./check-reply.ts";
import type { Report } from "./counts.ts";

/** A finding as text, with the request that reproduces it. */
export function describeReport({ queue, kind, detail, target, round, input, smallest }: Report): string {
  const lines = [
    `${kind} (${target}, round ${round})`,
    `  queue    ${queue ?? "not known"}`,
    `  seen     ${detail.replaceAll(/[^\P{Cc}\n]/gu, "?")}`,
  ];
  if (smallest === undefined)
    lines.push("           not reproduced with a single request: run the round again");
  const shown = smallest ?? input;
  if (shown !== undefined) {
    lines.push(`  body     ${shortenText(JSON.stringify(shown.body))}`);
    lines.push(`  message  ${shortenText(JSON.stringify(shown.properties))}`);
  }
  return lines.join("\n");
}
