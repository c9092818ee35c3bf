import { resolve } from "node:path";
import { readBlocklist } from "./blocklist.ts";
import { collectFault, type Faults } from "./fault.ts";
import { fullMatch } from "./patterns.ts";
import type { AppConfig } from "./schema.ts";
import type { Section } from "./section.ts";

const PATTERNS = ["group_regex", "username_regex", "password_regex", "email_regex"] as const;

/** Checks patterns and vhosts and reads the blocklist; adds errors to `faults`. */
export function readApp(
  { parts = {}, whole }: Section<"app_config">,
  folder: string,
  faults: Faults,
): AppConfig | undefined {
  for (const key of PATTERNS) {
    const pattern = parts[key];
    if (pattern !== undefined) collectFault(faults, `app_config.${key}`, () => fullMatch(pattern));
  }
  const { default_vhost, vhosts, password_blocklist: file } = parts;
  if (
    default_vhost !== undefined &&
    vhosts?.includes(default_vhost) === false &&
    !faults.has("app_config.vhosts")
  )
    faults.push({
      path: "app_config.default_vhost",
      msg: "is not in app_config.vhosts: add it there, or choose one of them",
    });
  if (file === undefined) return whole;
  const blockedPasswords = collectFault(faults, "app_config.password_blocklist", () =>
    readBlocklist(resolve(folder, file)),
  );
  return whole && blockedPasswords && { ...whole, blockedPasswords };
}
