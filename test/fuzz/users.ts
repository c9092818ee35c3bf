import type { AuthType } from "../../src/db/tables.ts";

interface FuzzUser {
  readonly username: string;
  readonly groups: readonly string[];
  readonly auth_type: AuthType;
  readonly activated: boolean;
}

/** Who lives in every database when a request comes; the one administrator is the last one. */
export const USERS: readonly FuzzUser[] = [
  { username: "root", groups: ["admin"], auth_type: "LOCAL", activated: true },
  { username: "alice", groups: ["staff"], auth_type: "LOCAL", activated: true },
  { username: "Carol", groups: ["staff", "Staff"], auth_type: "LOCAL", activated: true },
  { username: "bobby", groups: ["staff"], auth_type: "LOCAL", activated: false },
  { username: "dora-ldap", groups: [], auth_type: "LDAP", activated: true },
  { username: "kern", groups: [], auth_type: "KERBEROS", activated: true },
];

/** Passwords of the local ones; no piece of the fuzzer's texts is in them, and no name. */
export const PASSWORDS: Readonly<Record<string, string>> = {
  root: "Kq7~fenugreek~41",
  alice: "Vx2~tamarind~93",
  Carol: "Jw9~cardamom~58",
  bobby: "Hz4~galangal~17",
};

/** The groups that there are; names of groups are compared exactly. */
export const GROUPS = ["admin", "staff", "Staff", "nobody"];
