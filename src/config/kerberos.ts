import { accessSync, constants } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { messageOf } from "../errors.ts";
import { BadSetting, collectFault, type ConfigFault } from "./fault.ts";
import type { KerberosSettings } from "./schema.ts";

/** The Kerberos realm, checked: paths are absolute, and the files can be read. */
export type KerberosConfig = KerberosSettings;

/** Checks the section's files; what is wrong goes into `faults`. */
export function readKerberos(
  settings: KerberosSettings | undefined,
  folder: string,
  faults: ConfigFault[],
): KerberosConfig | undefined {
  if (settings === undefined) return undefined;
  const file = (key: string, path: string): string => {
    const absolute = resolve(folder, path);
    collectFault(faults, `kerberos_settings.${key}`, () => checkReadable(absolute));
    return absolute;
  };
  const { keytab, config_file } = settings;
  if (!isInstalled()) {
    faults.push({
      path: "kerberos_settings",
      msg: 'needs the optional package "kerberos": npm install kerberos (built from source it needs libkrb5-dev)',
    });
  }
  return {
    ...settings,
    keytab: file("keytab", keytab),
    ...(config_file === undefined ? {} : { config_file: file("config_file", config_file) }),
  };
}

/** Whether Node finds the package; whether it works shows when a worker starts. */
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
