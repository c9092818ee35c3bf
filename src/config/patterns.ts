import { messageOf } from "../errors.ts";
import { BadSetting } from "./fault.ts";

/** A regular expression that must match a whole value; throws BadSetting when it is none. */
export function fullMatch(source: string): RegExp {
  try {
    new RegExp(source, "u"); // alone first: "a)(b" must not become valid between our parentheses
    return new RegExp(`^(?:${source})$`, "u");
  } catch (error) {
    throw new BadSetting(messageOf(error));
  }
}
