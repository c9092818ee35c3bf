import { AlreadyExistsError } from "ldapts";
import {
  type AccountOptions,
  addEntry,
  type Changes,
  changesBy,
  type Editor,
  escapeDn,
} from "./directories.ts";

/** Changes of tests in an Active Directory. */
export interface Accounts extends Changes {
  /** The DN of a user added by `addUser`. */
  dnOf(name: string): string;
  /** Adds a user with its name as cn, sAMAccountName and prefix of userPrincipalName; returns its DN. */
  addUser(name: string, password: string, options?: AccountOptions): Promise<string>;
  /** Adds a security group whose members (users or groups) are given as DNs. Returns its DN. */
  addGroup(cn: string, options?: { members?: readonly string[]; dn?: string }): Promise<string>;
  setPassword(dn: string, password: string): Promise<void>;
}

/** Changes that an editor makes over TLS, which Samba requires for passwords. */
export function accountsBy(
  editor: Editor,
  { users, groups: home, dnsDomain }: { users: string; groups: string; dnsDomain: string },
): Accounts {
  const dnOf = (user: string): string => `CN=${escapeDn(user)},${users}`;
  const groupDn = (cn: string): string => `CN=${escapeDn(cn)},${home}`;
  const changes = changesBy(editor, groupDn);
  const addGroup: Accounts["addGroup"] = async (cn, { members = [], dn = groupDn(cn) } = {}) => {
    await addEntry(editor, dn, {
      objectClass: "group",
      cn,
      sAMAccountName: accountName(cn),
      member: members,
    });
    return dn;
  };
  return {
    dnOf,
    async addUser(cn, password, { groups = [], mail = [], dn = dnOf(cn), attributes } = {}) {
      await addEntry(editor, dn, {
        objectClass: "user",
        cn,
        sAMAccountName: cn,
        userPrincipalName: `${cn}@${dnsDomain}`,
        userAccountControl: "512", // a normal account
        unicodePwd: quoted(password),
        mail,
        ...attributes,
      });
      for (const group of groups) {
        await addGroup(group, { members: [dn] }).catch((error: unknown) => {
          if (!(error instanceof AlreadyExistsError)) throw error;
          return changes.addMember(group, dn);
        });
      }
      return dn;
    },
    addGroup,
    setPassword: (dn, password) => changes.setAttributes(dn, { unicodePwd: quoted(password) }),
    ...changes,
  };
}

/** A password in the format of unicodePwd ([MS-ADTS] 3.1.1.3.1.5). */
function quoted(password: string): Buffer {
  return Buffer.from(`"${password}"`, "utf16le");
}

/** A group's name without the characters that sAMAccountName must not contain ([MS-SAMR] 3.1.1.8.4). */
function accountName(cn: string): string {
  return cn.replaceAll(/["/\\[\]:;|=,+*?<>]/g, (char) => `_${char.charCodeAt(0).toString(16)}`);
}
