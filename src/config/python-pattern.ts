import { fullMatch } from "./patterns.ts";

/** Escapes that mean the same in both languages. */
const SAME_ESCAPE = /^[dDwWsSbBnrtfv0-9xu]$/;

/** Characters that JavaScript (flag u) allows after a backslash. */
const SYNTAX = /^[\^$\\.*+?()[\]{}|/]$/;

/**
 * The JavaScript pattern that matches the same whole values as a Python pattern; undefined if there is none, or if the
 * pattern is valid as it is.
 */
export function translatePattern(python: string): string | undefined {
  if (isValid(python)) return undefined;
  const [, flags = "", body = ""] = /^(?:\(\?([aiLmsux]+)\))?(.*)$/s.exec(python) ?? [];
  if (/[Lx]/.test(flags)) return undefined;
  const translated = translate(body);
  // Python's a and u choose the characters of \w: JavaScript has ASCII only.
  const kept = [...new Set(flags.replaceAll(/[au]/g, ""))].join("");
  const whole = translated !== undefined && kept !== "" ? `(?${kept}:${translated})` : translated;
  return whole !== undefined && isValid(whole) ? whole : undefined;
}

function isValid(pattern: string): boolean {
  try {
    fullMatch(pattern);
    return true;
  } catch {
    return false;
  }
}

function translate(python: string): string | undefined {
  let text = "";
  let rest = python;
  let isInClass = false;
  const take = (length: number, replacement: string): void => {
    text += replacement;
    rest = rest.slice(length);
  };
  while (rest !== "") {
    const [char = ""] = rest;
    if (char === "\\") {
      const escape = translateEscape(rest, isInClass);
      if (escape === undefined) return undefined;
      take(...escape);
    } else if (isInClass) {
      isInClass = char !== "]";
      take(1, char);
    } else if (char === "[") {
      isInClass = true;
      // Directly after the bracket, ] is a character of the class.
      const [start = ""] = /^\[\^?\]?/.exec(rest) ?? [];
      take(start.length, start.replace("]", "\\]"));
    } else if (char === "(") {
      const group = translateGroup(rest);
      if (group === undefined) return undefined;
      take(...group);
    } else if (char === "{") {
      const [quantifier = ""] = /^\{(?:\d+(?:,\d*)?|,\d+)\}/.exec(rest) ?? [];
      take(quantifier.length || 1, quantifier === "" ? "\\{" : quantifier.replace("{,", "{0,"));
    } else take(1, char === "}" || char === "]" ? `\\${char}` : char);
  }
  return text;
}

/** Length of the escape at the beginning, and its translation; undefined if there is none. */
function translateEscape(rest: string, isInClass: boolean): [number, string] | undefined {
  const next = rest.charAt(1);
  if (/^[AZz]$/.test(next) && !isInClass) return [2, ""];
  if (next === "a") return [2, "\\x07"];
  const [code = "", digits = ""] = /^\\U([0-9a-fA-F]{8})/.exec(rest) ?? [];
  if (code !== "") return [code.length, `\\u{${digits.replace(/^0+(?=.)/, "")}}`];
  if (SAME_ESCAPE.test(next) || SYNTAX.test(next) || (next === "-" && isInClass)) return [2, `\\${next}`];
  return next === "" || /^[A-Za-z]$/.test(next) ? undefined : [2, next];
}

/** Length of the beginning of a group, and its translation; undefined if JavaScript has no such group. */
function translateGroup(rest: string): [number, string] | undefined {
  const [comment = ""] = /^\(\?#[^)]*\)/.exec(rest) ?? [];
  if (comment !== "") return [comment.length, ""];
  const [back = "", name = ""] = /^\(\?P=(\w+)\)/.exec(rest) ?? [];
  if (back !== "") return [back.length, `\\k<${name}>`];
  if (rest.startsWith("(?P<")) return [4, "(?<"];
  return /^\(\?[>(]/.test(rest) ? undefined : [1, "("];
}
