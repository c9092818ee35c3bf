import { resolve } from "node:path";
import { readBlocklist } from "./blocklist.ts";
import { collectFault, type Faults } from "./fault.ts";
import { checkPasskeys } from "./passkeys.ts";
import { fullMatch } from "./patterns.ts";
import type { AppConfig } from "./schema.ts";
import type { Section } from "./section.ts";

type Parts = NonNullable<Section<"app_config">["parts"]>;

const PATTERNS = ["group_regex", "username_regex", "password_regex", "email_regex"] as const;

/** Checks patterns, vhosts and second factors, and reads the blocklist; adds errors to `faults`. */
export function readApp(
  { parts = {}, whole }: Section<"app_config">,
  folder: string,
  faults: Faults,
): AppConfig | undefined {
  for (const key of PATTERNS) {
    const pattern = parts[key];
    if (pattern !== undefined) collectFault(faults, `app_config.${key}`, () => fullMatch(pattern));
  }
  const { default_vhost, vhosts, password_blocklist: file, passkeys } = parts;
  checkFactorGroups(parts, faults);
  if (passkeys !== undefined) checkPasskeys(passkeys, faults);
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

/** The groups protect nothing while nobody needs a second factor, which the operator would not notice. */
function checkFactorGroups(
  { second_factor, second_factor_groups: groups = [] }: Parts,
  faults: Faults,
): void {
  const path = "app_config.second_factor_groups";
  if (second_factor === "off" && groups.length > 0 && !faults.has(path))
    faults.push({
      path,
      msg: "has no effect while app_config.second_factor is off: set that to optional, or remove the groups",
    });
}
