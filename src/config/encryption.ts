import type { KeyObject } from "node:crypto";
import { collectFault, type Faults } from "./fault.ts";
import { isSameKey, readEncryptionKey } from "./keys.ts";
import type { Parts } from "./parts.ts";
import type { Section } from "./section.ts";
import type { SecretSetting } from "./sections/jwt.ts";

/** The keys of AES-256-GCM for secrets in the database. */
export interface EncryptionConfig {
  /** Encrypts and decrypts. */
  readonly active: KeyObject;
  /** Only decrypt. */
  readonly retiring: readonly KeyObject[];
}

const SECTION = "encryption_keys";

/** Reads the encryption keys, which a second factor needs; adds errors to `faults`. */
export function readEncryption(
  { parts, whole }: Section<"encryption_keys">,
  { parts: app }: Section<"app_config">,
  folder: string,
  faults: Faults,
): EncryptionConfig | undefined {
  const mode = app?.second_factor;
  if (parts === undefined) {
    if (mode !== undefined && mode !== "off" && !faults.has(SECTION))
      faults.push({
        path: SECTION,
        msg:
          "is missing, and app_config.second_factor needs it to encrypt TOTP secrets: create a key with " +
          '"authmq keys rotate --secrets"',
      });
    return undefined;
  }
  const read = (setting: Parts<SecretSetting> | undefined, path: string): KeyObject | undefined => {
    const { type, value } = setting ?? {};
    if (type === undefined || value === undefined) return undefined;
    return collectFault(faults, `${SECTION}.${path}`, () => readEncryptionKey({ type, value }, folder));
  };
  const active = read(parts.active, "active");
  const retiring = (parts.retiring ?? []).map((setting, index) => read(setting, `retiring.${index}`));
  const keys = [active, ...retiring].filter((key) => key !== undefined);
  if (keys.some((key, index) => keys.slice(0, index).some((other) => isSameKey(key, other))))
    faults.push({ path: SECTION, msg: "has the same key twice: remove one of them" });
  if (active === undefined || whole === undefined) return undefined;
  return { active, retiring: retiring.filter((key) => key !== undefined) };
}
