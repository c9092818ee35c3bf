import { PROCEDURES } from "../../src/procedures/index.ts";
import { stepsOf } from "../../src/rpc/steps.ts";

const HEAD = "| queue | authorize | account still valid | rate limit | replay |\n|---|---|---|---|---|";

/** The Markdown table of the steps that each queue uses. */
export function stepTables(): ReadonlyMap<string, string> {
  const rows = PROCEDURES.map((procedure) => {
    const { authorize, account, rateLimit, replay } = stepsOf(procedure);
    const used = [account, rateLimit, replay].map((isUsed) => (isUsed ? "yes" : ""));
    return `| \`${procedure.name}\` | ${authorize} | ${used.join(" | ")} |`;
  });
  return new Map([["steps", [HEAD, ...rows].join("\n")]]);
}
