import type { Finding, findingsOn } from "./finding.ts";

/** Differences in milliseconds: token checks tolerate 30 s. */
const WARN = 5000;
const FAIL = 30_000;

/** Reports the clock of a server that is `ahead` milliseconds ahead of this host (negative: behind). */
export function clockFinding(on: ReturnType<typeof findingsOn>, whose: string, ahead: number): Finding {
  const off = Math.abs(ahead);
  const seconds = (off / 1000).toFixed(1);
  if (off <= WARN) return on.ok(`${whose} agrees with the clock of this host (${seconds} s apart)`);
  const msg = `${whose} is ${seconds} s ${ahead > 0 ? "ahead of" : "behind"} the clock of this host`;
  const advice = "Synchronise both with NTP: tokens tolerate a difference of 30 s between hosts.";
  return off > FAIL ? on.fail(msg, advice) : on.warn(msg, advice);
}
