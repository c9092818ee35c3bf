import { resolve } from "node:path";
import type { Origins } from "../../config/load.ts";
import { fileFindings } from "./files.ts";
import { type Finding, findingsOn } from "./finding.ts";
import { originFindings } from "./origins.ts";

const on = findingsOn("configuration");

/** Reports the sources of a valid configuration. */
export function configurationFindings(file: string | undefined, origins: Origins): Finding[] {
  const variables = Object.keys(process.env).filter((name) => name.startsWith("AUTHMQ__")).length;
  const more =
    variables === 0 ? "" : `, and ${variables} AUTHMQ__ ${variables === 1 ? "variable" : "variables"}`;
  const place = file === undefined ? "built-in defaults" : resolve(file);
  return [
    on.ok(`${place}${more}`),
    ...originFindings(origins),
    ...(file === undefined ? [] : fileFindings(on, [resolve(file)])),
  ];
}
