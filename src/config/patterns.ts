import { RE2JS } from "re2js";
import { isSafe } from "redos-detector";
import { messageOf } from "../errors.ts";
import { BadSetting } from "./fault.ts";

/** A regular expression that takes time in proportion to its input, and matches a whole value. */
export interface Pattern {
  test(value: string): boolean;
}

const EMAIL_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";

/** The patterns of a configuration that names none. */
export const DEFAULT_PATTERNS = {
  group: "[a-zA-Z0-9_-]{1,50}",
  username: "[a-zA-Z-_0-9]{4,30}",
  password: ".{4,}",
  email: `[a-zA-Z0-9.!#$%&'*+\\/=?^_\`{|}~-]+@${EMAIL_LABEL}(?:\\.${EMAIL_LABEL})+`,
} as const;

/** Those need no analysis, which takes 0.1 s: a test has looked at them. */
const LINEAR: readonly string[] = Object.values(DEFAULT_PATTERNS);

/** The analysis goes on for so many milliseconds, and up to so many ways to match one input. */
const EFFORT = { timeout: 1000, maxScore: 200 };

/** What other dialects have and JavaScript has not, with what to write instead. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [/\(\?P</, "(?P<name>...) is Python: write (?<name>...)"],
  [/\(\?P[=>]/, "(?P=name) is Python: write \\k<name>"],
  [/\\A|\\[Zz]/, "\\A and \\Z are Python: leave them out, the whole value must match anyway"],
  [/\(\?[aiLmsux-]+\)/, "(?i) and its like are Python: write (?i:...) around what it is for"],
  [/\(\?#/, "(?#...) is Python: JavaScript has no comments in patterns"],
  [/\(\?\(/, "(?(1)...) is Python: JavaScript has no conditions in patterns"],
  [/\(\?>|[*+?}]\+/, "atomic groups and possessive quantifiers are not in JavaScript: write them without"],
  [/\{,\d+\}/, "{,n} is Python: write {0,n}"],
  [/\\N\{|\\U[0-9a-fA-F]{8}/, "\\N{...} and \\U... are Python: write \\u{...} with the code point"],
  [/\\a/, "\\a is Python: write \\x07"],
  [/\[:[a-z]+:\]/, "[:alpha:] and its like are POSIX: write a-zA-Z, or \\p{L}"],
  [
    /\\[^\w\s]|\\_/,
    "JavaScript (flag u) escapes ^ $ \\ . * + ? ( ) [ ] { } | / and, in brackets, -, and nothing else",
  ],
];

const known = new Map<string, Pattern>();

/**
 * A pattern of the configuration: a JavaScript regular expression (flag u) that must match a whole value. One that
 * cannot be shown to be linear runs on RE2's engine instead; throws BadSetting when that cannot run it, or it is none.
 */
export function fullMatch(source: string): Pattern {
  const pattern = known.get(source) ?? compile(source);
  known.set(source, pattern);
  return pattern;
}

function compile(source: string): Pattern {
  const pattern = parse(source);
  if (LINEAR.includes(source) || isLinear(pattern)) return pattern;
  try {
    const linear = RE2JS.compile(source);
    return { test: (value) => linear.matches(value) };
  } catch (error) {
    throw new BadSetting(
      "may take very long for some values (catastrophic backtracking): let no two parts that repeat match the same " +
        `text, or do without what a linear engine cannot do (${messageOf(error)})`,
    );
  }
}

function parse(source: string): RegExp {
  try {
    new RegExp(source, "u"); // alone first: "a)(b" must not become valid between our parentheses
    return new RegExp(`^(?:${source})$`, "u");
  } catch (error) {
    const advice = FOREIGN.find(([form]) => form.test(source))?.[1];
    throw new BadSetting(advice === undefined ? messageOf(error) : `${messageOf(error)}; ${advice}`);
  }
}

/** Whether the number of ways to match a value is known to have a bound that does not grow with the value. */
export function isLinear(pattern: RegExp): boolean {
  try {
    return isSafe(pattern, EFFORT).safe;
  } catch {
    return false; // syntax that the analysis does not know
  }
}
