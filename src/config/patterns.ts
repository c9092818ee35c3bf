import { RE2JS } from "re2js";
import { isSafe } from "redos-detector";
import { messageOf } from "../errors.ts";
import { BadSetting } from "./fault.ts";

/** A regular expression that matches whole values in linear time. */
export interface Pattern {
  test(value: string): boolean;
}

const EMAIL_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";

/** The default patterns. */
export const DEFAULT_PATTERNS = {
  group: "[a-zA-Z0-9_-]{1,50}",
  username: "[a-zA-Z-_0-9]{4,30}",
  password: ".{4,}",
  email: `[a-zA-Z0-9.!#$%&'*+\\/=?^_\`{|}~-]+@${EMAIL_LABEL}(?:\\.${EMAIL_LABEL})+`,
} as const;

/** A test verifies that these are linear, which saves the analysis (0.1 s) at the start. */
const KNOWN_LINEAR: readonly string[] = Object.values(DEFAULT_PATTERNS);

/** Limits of the analysis: milliseconds, and the number of ways to match one input. */
const EFFORT = { timeout: 1000, maxScore: 200 };

/** Syntax of other regular expression dialects, with the JavaScript alternative. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/\(\?P</, "(?P<name>...) is Python syntax: write (?<name>...)"],
  [/\(\?P[=>]/, "(?P=name) is Python syntax: write \\k<name>"],
  [
    /\\A|\\[Zz]/,
    "\\A and \\Z are Python syntax: remove them, because the pattern always matches the whole value",
  ],
  [
    /\(\?[aiLmsux-]+\)/,
    "flags like (?i) are Python syntax: write (?i:...) around the part that they apply to",
  ],
  [/\(\?#/, "(?#...) is Python syntax: remove it, because JavaScript has no comments in patterns"],
  [/\(\?\(/, "(?(1)...) is Python syntax: JavaScript has no conditions in patterns"],
  [/\(\?>|[*+?}]\+/, "JavaScript has no atomic groups and possessive quantifiers: use normal ones"],
  [/\{,\d+\}/, "{,n} is Python syntax: write {0,n}"],
  [/\\N\{|\\U[0-9a-fA-F]{8}/, "\\N{...} and \\U... are Python syntax: write \\u{...} with the code point"],
  [/\\a/, "\\a is Python syntax: write \\x07"],
  [/\[:[a-z]+:\]/, "classes like [:alpha:] are POSIX syntax: write a-zA-Z, or \\p{L}"],
  [
    /\\[^\w\s]|\\_/,
    "JavaScript (flag u) allows a backslash only before ^ $ \\ . * + ? ( ) [ ] { } | / and, in brackets, -",
  ],
];

const known = new Map<string, Pattern>();

/**
 * Compiles a JavaScript regular expression (flag u) to match whole values. If it may not be linear, it runs on RE2;
 * throws BadSetting if it is not valid or RE2 does not support it.
 */
export function fullMatch(source: string): Pattern {
  const pattern = known.get(source) ?? compile(source);
  known.set(source, pattern);
  return pattern;
}

function compile(source: string): Pattern {
  const pattern = parse(source);
  if (KNOWN_LINEAR.includes(source) || isLinear(pattern)) return pattern;
  try {
    const linear = RE2JS.compile(source);
    return { test: (value) => linear.matches(value) };
  } catch (error) {
    throw new BadSetting(
      "may take very long for some values (catastrophic backtracking): avoid two repetitions that match the same " +
        `text, or syntax that RE2 does not support (${messageOf(error)})`,
    );
  }
}

function parse(source: string): RegExp {
  try {
    new RegExp(source, "u"); // "a)(b" must not become valid inside our parentheses
    return new RegExp(`^(?:${source})$`, "u");
  } catch (error) {
    const advice = FOREIGN.find(([form]) => form.test(source))?.[1];
    throw new BadSetting(advice === undefined ? messageOf(error) : `${messageOf(error)}; ${advice}`);
  }
}

/** Whether the analysis proves that the pattern matches in linear time. */
export function isLinear(pattern: RegExp): boolean {
  try {
    return isSafe(pattern, EFFORT).safe;
  } catch {
    return false; // the analysis does not support the syntax
  }
}
