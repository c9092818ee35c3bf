import { randomBytes } from "node:crypto";

/** Creates an id within the range of a signed BIGINT. Random: a sequence would repeat ids after a restore. */
export function createRowId(): bigint {
  return randomBytes(8).readBigUInt64BE() >> 1n;
}

const ROW_ID = /^(?:0|[1-9]\d{0,18})$/;
const MAX_ROW_ID = 2n ** 63n - 1n;

/** The id in a text of decimal digits, as tokens and replies contain it; undefined if it is none. */
export function readRowId(text: string | undefined): bigint | undefined {
  if (text === undefined || !ROW_ID.test(text)) return undefined;
  const id = BigInt(text);
  return id <= MAX_ROW_ID ? id : undefined;
}
