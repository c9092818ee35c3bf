import type { DirectoryConfig } from "../../config/directory.ts";
import { escapeDnValue, isSameDn } from "../../config/dn.ts";
import { PLACEHOLDER } from "../../config/user-filter.ts";

/** The bind name of a user; undefined if users bind as the entry that a search finds. */
export function bindName({ bind }: DirectoryConfig, username: string): string | undefined {
  if (bind.kind === "search") return undefined;
  return bind.template.replace(PLACEHOLDER, () => (bind.isDn ? escapeDnValue(username) : username));
}

/** Whether a bind name certainly belongs to an entry: its DN, or DOMAIN\user with its sAMAccountName. */
export function namesEntry({ bind, userFilter }: DirectoryConfig, name: string, dn: string): boolean {
  if (bind.kind === "search") return false;
  if (bind.isDn) return isSameDn(name, dn);
  const isDownLevel = /^[^\\=]+\\\{username\}$/.test(bind.template);
  return isDownLevel && userFilter.nameAttribute.toLowerCase() === "samaccountname";
}
