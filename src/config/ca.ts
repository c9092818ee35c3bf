import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { BadSetting, collectFault, type Faults } from "./fault.ts";

/** The content of a section's `ca_file`, where it has one; what is wrong with it goes into `faults`. */
export function readCa(
  file: string | undefined,
  section: string,
  folder: string,
  faults: Faults,
): Buffer | undefined {
  if (file === undefined) return undefined;
  return collectFault(faults, `${section}.ca_file`, () => {
    try {
      return readFileSync(resolve(folder, file));
    } catch (error) {
      throw new BadSetting(`cannot be read: ${messageOf(error)}`);
    }
  });
}
