import { encryptionKeyId } from "../../auth/second-factor/secret-box.ts";
import type { EncryptionConfig } from "../../config/encryption.ts";
import type { Config } from "../../config/load.ts";
import type { AppConfig } from "../../config/schema.ts";
import type { KeyUse } from "../../db/queries/encrypted-secrets.ts";
import { usersOf } from "../secret-users.ts";
import { type Finding, findingsOn } from "./finding.ts";

const onKeys = findingsOn("keys");
const onDatabase = findingsOn("database");

/** Names the active encryption key, so that it can be compared between hosts. */
export function encryptionFindings({ encryption }: Config): Finding[] {
  if (encryption === undefined) return [];
  const { active, retiring } = encryption;
  const more = retiring.length === 0 ? "" : `, ${retiring.length} retiring`;
  return [onKeys.ok(`encryption key ${encryptionKeyId(active)}${more}`)];
}

/** Finds TOTP secrets whose key is missing in the configuration, or should no longer be in use. */
export function secretFindings(
  keyUse: ReadonlyMap<string, KeyUse>,
  encryption: EncryptionConfig | undefined,
  { second_factor }: AppConfig,
): Finding[] {
  const active = encryption && encryptionKeyId(encryption.active);
  const retiring = (encryption?.retiring ?? []).map(encryptionKeyId);
  return [...keyUse].flatMap(([id, use]) => {
    if (id === active) return [];
    const secrets = use.secrets === 1 ? "1 TOTP secret is" : `${use.secrets} TOTP secrets are`;
    if (retiring.includes(id))
      return onDatabase.warn(
        `${secrets} still encrypted with the retiring key ${id}`,
        "Encrypt them with the active key: authmq keys rotate --secrets --rows-only",
      );
    // While no second factor is used, nobody needs the key yet.
    const on = second_factor === "off" ? onDatabase.warn : onDatabase.fail;
    return on(
      `${secrets} encrypted with the key ${id}, which is not in encryption_keys: ${usersOf(use)}`,
      "Add that key to encryption_keys.retiring. If it is lost, remove the factors of these users (authmq users " +
        "reset-factors), so that they can enrol again.",
    );
  });
}
