import type { DirectoryConfig } from "../../config/directory.ts";
import { escapeDnValue, isSameDn } from "../../config/dn.ts";
import { PLACEHOLDER } from "../../config/user-filter.ts";

/** The name that a user binds by; undefined where it is the entry that is searched. */
export function bindName({ bind }: DirectoryConfig, username: string): string | undefined {
  if (bind.kind === "search") return undefined;
  return bind.template.replace(PLACEHOLDER, () => (bind.isDn ? escapeDnValue(username) : username));
}

/** Whether a name is an entry's beyond doubt: its own DN, or DOMAIN\user where the user is its sAMAccountName. */
export function namesEntry({ bind, userFilter }: DirectoryConfig, name: string, dn: string): boolean {
  if (bind.kind === "search") return false;
  if (bind.isDn) return isSameDn(name, dn);
  const isDownLevel = /^[^\\=]+\\\{username\}$/.test(bind.template);
  return isDownLevel && userFilter.nameAttribute.toLowerCase() === "samaccountname";
}
