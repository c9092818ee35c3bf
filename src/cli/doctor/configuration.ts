import { resolve } from "node:path";
import { fileFindings } from "./files.ts";
import { type Finding, findingsOn } from "./finding.ts";

const on = findingsOn("configuration");

/** Where the configuration, which is in order, comes from. */
export function configurationFindings(file: string | undefined): Finding[] {
  const variables = Object.keys(process.env).filter((name) => name.startsWith("AUTHMQ__")).length;
  const more =
    variables === 0 ? "" : `, and ${variables} AUTHMQ__ ${variables === 1 ? "variable" : "variables"}`;
  if (file === undefined) return [on.ok(`built-in defaults${more}`)];
  return [on.ok(`${resolve(file)}${more}`), ...fileFindings(on, [resolve(file)])];
}
