/** A worker's answer. */
export interface RpcReply {
  readonly resp_code: number;
  readonly resp_data: unknown;
}

/** The reply in a text; undefined when it is none. */
export function parseReply(text: string): RpcReply | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("resp_code" in value) || !("resp_data" in value))
      return undefined;
    return typeof value.resp_code === "number"
      ? { resp_code: value.resp_code, resp_data: value.resp_data }
      : undefined;
  } catch {
    return undefined;
  }
}
