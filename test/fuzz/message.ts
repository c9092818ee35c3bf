import fc from "fast-check";
import { hostileText, PROTOTYPE_KEYS } from "./texts.ts";

/** Text of a property or a header, or bytes that are not UTF-8. */
export type Text = { readonly text: string } | { readonly hex: string };

/** A value in a header table, with its type tag. */
export type Field =
  | { readonly tag: string; readonly hex: string }
  | { readonly tag: "S" | "x"; readonly value: Text }
  | { readonly tag: "F"; readonly entries: readonly Entry[] }
  | { readonly tag: "A"; readonly items: readonly Field[] }
  /** Nested lists. */
  | { readonly tag: "A"; readonly depth: number };

/** One entry of a header table. */
export type Entry = readonly [name: Text, value: Field];

/** The properties of a message, except `reply_to`. */
export interface Properties {
  readonly contentType?: Text;
  readonly contentEncoding?: Text;
  readonly headers?: readonly Entry[];
  readonly deliveryMode?: 1 | 2;
  readonly priority?: number;
  readonly correlationId?: Text;
  readonly expiration?: string;
  readonly messageId?: Text;
  /** Eight bytes, in hexadecimal. */
  readonly timestamp?: string;
  readonly type?: Text;
  /** Whether user_id is set; the broker accepts only the connection's user. */
  readonly userId?: true;
  readonly appId?: Text;
  readonly clusterId?: Text;
}

const KEYS = ["key-1", "key-2", "x".repeat(255)];

const text: fc.Arbitrary<Text> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ text: hostileText }) },
  { weight: 1, arbitrary: hex({ maxLength: 60 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ text: "" }, { text: "x".repeat(255) }, { text: "é".repeat(127) }),
  },
  // As long as a property may be, and longer once each invalid byte is replaced by U+FFFD.
  { weight: 1, arbitrary: fc.constantFrom({ hex: "ff".repeat(255) }, { hex: "80".repeat(86) }) },
);

const keyText: fc.Arbitrary<Text> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...KEYS.map((key) => ({ text: key }))) },
  { weight: 1, arbitrary: text },
);

/** Sizes of values with a fixed size. */
const FIXED = { b: 1, B: 1, t: 1, s: 2, u: 2, I: 4, i: 4, D: 5, l: 8, L: 8, T: 8, V: 0 } as const;

const fixed = fc
  .constantFrom(...Object.entries(FIXED))
  .chain(([tag, size]) =>
    hex({ minLength: size, maxLength: size }).map((bytes): Field => ({ tag, ...bytes })),
  );

// RabbitMQ closes the connection for NaN or an infinity.
const floating = fc
  .tuple(fc.constantFrom("d", "f"), fc.float({ noNaN: true, noDefaultInfinity: true }))
  .map(([tag, number]): Field => {
    const bytes = Buffer.alloc(tag === "d" ? 8 : 4);
    if (tag === "d") bytes.writeDoubleBE(number);
    else bytes.writeFloatBE(number);
    return { tag, hex: bytes.toString("hex") };
  });

const leaf: fc.Arbitrary<Field> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ tag: fc.constantFrom("S" as const, "x" as const), value: text }) },
  { weight: 3, arbitrary: fixed },
  { weight: 1, arbitrary: floating },
  {
    weight: 1,
    arbitrary: fc.record({ tag: fc.constant("A" as const), depth: fc.constantFrom(1, 40, 400, 6000) }),
  },
);

// RabbitMQ routes by CC and BCC; all other names are only forwarded.
const headerName: fc.Arbitrary<Text> = fc
  .oneof(
    fc
      .constantFrom(
        ...PROTOTYPE_KEYS,
        "x-idempotency-key",
        "X-Idempotency-Key",
        "x-death",
        "x-delivery-count",
        "",
        "!",
      )
      .map((name) => ({ text: name })),
    text,
  )
  .filter((name) => !/^b?cc$/i.test(bytesOf(name).toString("latin1")));

const { field, entry } = fc.letrec<{ field: Field; entry: Entry }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 3, depthIdentifier: "header" },
    leaf,
    fc.record({ tag: fc.constant("F" as const), entries: fc.array(tie("entry"), { maxLength: 3 }) }),
    fc.record({ tag: fc.constant("A" as const), items: fc.array(tie("field"), { maxLength: 3 }) }),
  ),
  entry: fc.tuple(headerName, tie("field")),
}));

const key: fc.Arbitrary<Entry> = fc.tuple(
  fc.constant({ text: "x-idempotency-key" }),
  fc.oneof(
    fc.record({ tag: fc.constant("S" as const), value: keyText }),
    field,
    fc.constant({ tag: "S" as const, value: { text: "x".repeat(256) } }),
  ),
);

const headers = fc
  .tuple(fc.array(entry, { maxLength: 4 }), fc.option(key, { nil: undefined }))
  .map(([entries, more]) => (more === undefined ? entries : [...entries, more]));

const timestamp = fc.oneof(
  fc.constantFrom(
    "0000000000000000",
    "0020000000000001",
    "7fffffffffffffff",
    "ffffffffffffffff",
    "00000000ffffffff",
  ),
  hex({ minLength: 8, maxLength: 8 }).map(({ hex: bytes }) => bytes),
);

/** Unusual properties that the broker accepts: those for which it closes the channel are excluded. */
const odd: fc.Arbitrary<Properties> = fc.record(
  {
    contentType: text,
    contentEncoding: fc.oneof(fc.constantFrom({ text: "gzip" }, { text: "utf-16" }), text),
    headers,
    deliveryMode: fc.constantFrom(1 as const, 2 as const),
    priority: fc.nat(255),
    correlationId: text,
    // Long enough for the slowest machine: an expired request gets no reply.
    expiration: fc.constantFrom("600000", "4294967295", "000600000"),
    messageId: keyText,
    timestamp,
    type: text,
    userId: fc.constant(true as const),
    appId: text,
    clusterId: text,
  },
  { requiredKeys: [] },
);

const usual: fc.Arbitrary<Properties> = fc.nat(0xffff).map((number) => ({
  contentType: { text: "application/json" },
  correlationId: { text: `request-${number}` },
}));

/** The properties of a message, unusual in one of three cases. */
export const properties: fc.Arbitrary<Properties> = fc.oneof(
  { weight: 5, arbitrary: usual },
  { weight: 1, arbitrary: fc.record({ correlationId: text }) },
  { weight: 1, arbitrary: fc.record({ messageId: keyText }) },
  { weight: 1, arbitrary: fc.record({ headers }) },
  { weight: 1, arbitrary: odd },
);

/** The bytes of a text. */
export function bytesOf(value: Text): Buffer {
  return "text" in value ? Buffer.from(value.text) : Buffer.from(value.hex, "hex");
}

function hex(constraints: fc.IntArrayConstraints): fc.Arbitrary<{ hex: string }> {
  return fc.uint8Array(constraints).map((bytes) => ({ hex: Buffer.from(bytes).toString("hex") }));
}
