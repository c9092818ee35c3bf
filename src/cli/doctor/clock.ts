import type { Finding, findingsOn } from "./finding.ts";

/** Tokens are accepted 30 s too early or too late, and no longer. */
const WARN = 5000;
const FAIL = 30_000;

/** Compares a server's clock, `ahead` milliseconds before this host's, with what tokens put up with. */
export function clockFinding(on: ReturnType<typeof findingsOn>, whose: string, ahead: number): Finding {
  const off = Math.abs(ahead);
  const seconds = (off / 1000).toFixed(1);
  if (off <= WARN) return on.ok(`${whose} and that of this host agree (${seconds} s apart)`);
  const msg = `${whose} is ${seconds} s ${ahead > 0 ? "ahead of" : "behind"} that of this host`;
  const advice = "Set both by NTP: tokens put up with 30 s between the hosts.";
  return off > FAIL ? on.fail(msg, advice) : on.warn(msg, advice);
}
