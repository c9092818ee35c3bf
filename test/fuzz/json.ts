import type { TokenSpec } from "./tokens.ts";

/** JSON of the fuzzer, including invalid JSON, and tokens by name. */
export type Node =
  /** Literal text, valid JSON or not. */
  | { readonly raw: string }
  | { readonly text: string; readonly spelling?: "escaped" }
  | { readonly token: TokenSpec }
  | { readonly list: readonly Node[] }
  | { readonly members: readonly Member[] }
  | { readonly repeat: string; readonly times: number }
  | { readonly nest: "[" | "{"; readonly depth: number }
  /** An object with this number of members. */
  | { readonly wide: number };

/** One member of an object; names may occur several times. */
export type Member = readonly [name: string, value: Node];

/** A JSON text, and what the fuzzer knows about it. */
export interface Written {
  readonly text: string;
  /** Passwords, tickets and tokens in it, decoded. */
  readonly secrets: readonly string[];
  /** The other texts in it; a secret that also occurs here does not count as one. */
  readonly words: readonly string[];
  /** Whether an object in it has a duplicate key. */
  readonly hasDuplicateKeys: boolean;
}

const SECRET_FIELDS = [
  ...["password", "password_confirm", "kerberos_ticket"],
  ...["id_token", "access_token", "token"],
];

/** A token with at least a part of its signature. */
const SIGNED = /^[^.]*\.[^.]*\.[^.]/;

/** Serializes a node; tokens are looked up by name. */
export function write(root: Node, findToken: (token: TokenSpec) => string): Written {
  const secrets: string[] = [];
  const words: string[] = [];
  let hasDuplicateKeys = false;
  const note = (text: string, isSecret: boolean): void => void (isSecret ? secrets : words).push(text);
  const toText = (node: Node, isSecret: boolean): string => {
    if ("raw" in node) return node.raw;
    if ("text" in node) {
      note(node.text, isSecret);
      return node.spelling === "escaped" ? escaped(node.text) : JSON.stringify(node.text);
    }
    if ("token" in node) {
      const token = findToken(node.token);
      // A token without its signature equals the beginning of other tokens, so a reply may contain it.
      if (SIGNED.test(token)) note(token, true);
      return JSON.stringify(token);
    }
    if ("list" in node) return `[${node.list.map((item) => toText(item, isSecret)).join(",")}]`;
    if ("repeat" in node) {
      const text = node.repeat.repeat(node.times);
      note(text, isSecret);
      return JSON.stringify(text);
    }
    if ("nest" in node) {
      const [open, close] = node.nest === "[" ? ["[", "]"] : ['{"a":', "}"];
      return `${open.repeat(node.depth)}${node.nest === "[" ? "" : "1"}${close.repeat(node.depth)}`;
    }
    if ("wide" in node)
      return `{${Array.from({ length: node.wide }, (_, at) => `"k${at}":${at}`).join(",")}}`;
    const names = node.members.map(([name]) => name);
    if (new Set(names).size < names.length) hasDuplicateKeys = true;
    const members = node.members.map(
      ([name, value]) =>
        `${JSON.stringify(name)}:${toText(value, isSecret || SECRET_FIELDS.includes(name.toLowerCase()))}`,
    );
    return `{${members.join(",")}}`;
  };
  return { text: toText(root, false), secrets, words, hasDuplicateKeys };
}

/** Nesting depth of a value: 0 for a scalar, 1 for an empty list. */
export function depthOf(value: unknown): number {
  let level: unknown[] = [value];
  for (let depth = 0; ; depth++) {
    level = level.filter((one) => typeof one === "object" && one !== null);
    if (level.length === 0) return depth;
    level = level.flatMap((one) => Object.values(one as object) as unknown[]);
  }
}

/** Escapes every UTF-16 unit: another spelling of the same text. */
function escaped(text: string): string {
  const units = Array.from(
    { length: text.length },
    (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`,
  );
  return `"${units.join("")}"`;
}
