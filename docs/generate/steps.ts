import { PROCEDURES } from "../../src/procedures/index.ts";
import { stepsOf } from "../../src/rpc/steps.ts";

const HEAD =
  "| queue | turned on | authorize | recent login | account still valid | rate limit | replay |\n|---|---|---|---|---|---|---|";

/** The Markdown table of the steps that each queue uses. */
export function stepTables(): ReadonlyMap<string, string> {
  const rows = PROCEDURES.map((procedure) => {
    const { requires = "", authorize, recentLogin, account, rateLimit, replay } = stepsOf(procedure);
    const used = [recentLogin, account, rateLimit, replay].map((isUsed) => (isUsed ? "yes" : ""));
    return `| \`${procedure.name}\` | ${requires} | ${authorize} | ${used.join(" | ")} |`;
  });
  return new Map([["steps", [HEAD, ...rows].join("\n")]]);
}
