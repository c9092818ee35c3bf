/** The result of one check, with advice if something is wrong. */
export interface Finding {
  readonly subject: string;
  /** warn: it works, but should be changed. */
  readonly status: "ok" | "warn" | "fail";
  readonly msg: string;
  /** Full sentences. */
  readonly advice?: string;
}

/** Creates findings for one subject. */
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
