/** What an authenticator encodes: integers, bytes, text, lists, and maps in their order. */
export type Cbor = number | Uint8Array | string | readonly Cbor[] | ReadonlyMap<string | number, Cbor>;

/** Encodes a value in CBOR with definite lengths (RFC 8949 section 3). */
export function encodeCbor(value: Cbor): Buffer {
  if (typeof value === "number") return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === "string")
    return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<string | number, Cbor>)];
    return Buffer.concat([head(5, entries.length), ...entries.flat().map(encodeCbor)]);
  }
  const items = value as readonly Cbor[]; // `instanceof` does not narrow a readonly list or map
  return Buffer.concat([head(4, items.length), ...items.map(encodeCbor)]);
}

/** The initial bytes of an item: its major type and its argument. */
function head(major: number, argument: number): Buffer {
  const type = major << 5;
  if (argument < 24) return Buffer.from([type | argument]);
  if (argument < 0x1_00) return Buffer.from([type | 24, argument]);
  const bytes = Buffer.alloc(argument < 0x1_00_00 ? 3 : 5);
  bytes[0] = type | (bytes.length === 3 ? 25 : 26);
  bytes.writeUIntBE(argument, 1, bytes.length - 1);
  return bytes;
}
