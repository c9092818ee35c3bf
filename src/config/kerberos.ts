import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { BadSetting, collectFault, type Faults } from "./fault.ts";
import type { KerberosSettings } from "./schema.ts";
import type { Section } from "./section.ts";

/** The validated Kerberos settings: paths are absolute, and the files can be read. */
export type KerberosConfig = KerberosSettings;

/** Checks the files and the package; adds errors to `faults`. */
export function readKerberos(
  { parts, whole }: Section<"kerberos_settings">,
  folder: string,
  faults: Faults,
): KerberosConfig | undefined {
  if (parts === undefined) return undefined;
  const check = (key: "keytab" | "config_file"): void => {
    const path = parts[key];
    if (path !== undefined)
      collectFault(faults, `kerberos_settings.${key}`, () => checkReadable(resolve(folder, path)));
  };
  check("keytab");
  check("config_file");
  if (!isInstalled()) {
    faults.push({
      path: "kerberos_settings",
      msg: 'requires the optional package "kerberos": npm install kerberos (a build from source needs libkrb5-dev)',
    });
  }
  if (whole === undefined) return undefined;
  const { keytab, config_file } = whole;
  return {
    ...whole,
    keytab: resolve(folder, keytab),
    ...(config_file === undefined ? {} : { config_file: resolve(folder, config_file) }),
  };
}

/** Whether Node finds the package; it is loaded only when a worker starts. */
function isInstalled(): boolean {
  try {
    createRequire(import.meta.url).resolve("kerberos");
    return true;
  } catch {
    return false;
  }
}

function checkReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw new BadSetting(`cannot be read: ${messageOf(error)}`);
  }
}
