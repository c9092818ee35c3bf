import { check, string } from "./check.ts";

/** Returns a password, a ticket or a token: the current one, each time it is called. */
export type TextSource = () => string | Promise<string>;

/** The text, or the result of the function; throws a TypeError that names `caller` and `name` if it is no string. */
export async function textFrom(caller: string, name: string, given: string | TextSource): Promise<string> {
  const value = typeof given === "string" ? given : await given();
  check(caller, value, string, `the result of ${name}()`);
  return value;
}
