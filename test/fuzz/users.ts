import type { AuthType } from "../../src/db/tables.ts";
import { formatApiKey } from "../../src/tokens/api-key.ts";

interface FuzzUser {
  readonly username: string;
  readonly groups: readonly string[];
  readonly auth_type: AuthType;
  readonly activated: boolean;
}

/** The users of every database; there is only one administrator. */
export const USERS: readonly FuzzUser[] = [
  { username: "root", groups: ["admin"], auth_type: "LOCAL", activated: true },
  { username: "alice", groups: ["staff"], auth_type: "LOCAL", activated: true },
  { username: "Carol", groups: ["staff", "Staff"], auth_type: "LOCAL", activated: true },
  { username: "bobby", groups: ["staff"], auth_type: "LOCAL", activated: false },
  { username: "dora-ldap", groups: [], auth_type: "LDAP", activated: true },
  { username: "kern", groups: [], auth_type: "KERBEROS", activated: true },
];

/** Passwords of local users; they contain no text of the fuzzer and no username. */
export const PASSWORDS: Readonly<Record<string, string>> = {
  root: "Kq7~fenugreek~41",
  alice: "Vx2~tamarind~93",
  Carol: "Jw9~cardamom~58",
  bobby: "Hz4~galangal~17",
};

/** The existing API keys, by the name of their token. */
export const API_KEYS = {
  "api-key": { id: "41", username: "alice", text: formatApiKey(Buffer.alloc(32, 41)), isExpired: false },
  "expired-key": { id: "42", username: "root", text: formatApiKey(Buffer.alloc(32, 42)), isExpired: true },
} as const;

/** The existing groups; group names are compared exactly. */
export const GROUPS = ["admin", "staff", "Staff", "nobody"];
