/** One thing that was looked at: whether it works and, where it does not, what to do. */
export interface Finding {
  readonly subject: string;
  /** warn: it works, and should not stay so. */
  readonly status: "ok" | "warn" | "fail";
  readonly msg: string;
  /** Whole sentences. */
  readonly advice?: string;
}

/** Makes the findings on one subject. */
export function findingsOn(subject: string) {
  const on =
    (status: Finding["status"]) =>
    (msg: string, advice?: string): Finding => ({
      subject,
      status,
      msg,
      ...(advice === undefined ? {} : { advice }),
    });
  return { ok: on("ok"), warn: on("warn"), fail: on("fail") };
}
