import { InvalidCredentialsError } from "ldapts";
import { type Attributes, addEntry, changesBy, type Editor, withClient } from "./directories.ts";

/** Why an Active Directory refuses the right password; the comment is `data` in its response. */
export type Refusal =
  | "disabled" // 533
  | "account expired" // 701
  | "must change password" // 773
  | "password expired" // 532
  | "locked out" // 775
  | "outside logon hours"; // 530

/** The domain for its administrator. */
export interface Domain {
  editor: Editor;
  suffix: string;
  /** Runs a Python program with `ldb`, the module that accesses the domain's files. */
  runPython(program: string, ...args: string[]): Promise<void>;
  /** The file with the users. */
  database: string;
}

/** LDAP can set a password's date only to now or never, so this writes to the database. */
const AGE_PASSWORD = `
import ldb, sys
database = ldb.Ldb(sys.argv[1])
message = ldb.Message(ldb.Dn(database, sys.argv[2]))
message["pwdLastSet"] = ldb.MessageElement("130000000000000000", ldb.FLAG_MOD_REPLACE, "pwdLastSet")
database.modify(message)
`;

const CHANGES = {
  disabled: { userAccountControl: "514" },
  "account expired": { accountExpires: "1" }, // the first instant of 1601
  "must change password": { pwdLastSet: "0" },
  "outside logon hours": { logonHours: Buffer.alloc(21) }, // a bit for each hour of the week
} as const satisfies Partial<Record<Refusal, Attributes>>;

/** Makes the directory refuse a user for this reason. */
export async function refuse(domain: Domain, dn: string, why: Refusal): Promise<void> {
  if (why === "password expired") await domain.runPython(AGE_PASSWORD, domain.database, dn);
  else if (why === "locked out") await lockOut(domain, dn);
  else await changesBy(domain.editor, String).setAttributes(dn, CHANGES[why]);
}

/** Locks a user out with a policy of one failure that applies to this user alone. */
async function lockOut({ editor, suffix }: Domain, dn: string): Promise<void> {
  const hour = "-36000000000"; // in units of 100 ns
  await addEntry(editor, `CN=${crypto.randomUUID()},CN=Password Settings Container,CN=System,${suffix}`, {
    objectClass: "msDS-PasswordSettings",
    "msDS-PSOAppliesTo": dn,
    "msDS-PasswordSettingsPrecedence": "1",
    "msDS-LockoutThreshold": "1",
    "msDS-LockoutObservationWindow": hour,
    "msDS-LockoutDuration": hour,
    "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
    "msDS-PasswordHistoryLength": "0",
    "msDS-PasswordComplexityEnabled": "FALSE",
    "msDS-MinimumPasswordLength": "1",
    "msDS-MinimumPasswordAge": "0",
    "msDS-MaximumPasswordAge": "-9223372036854775808", // never
  });
  await withClient({ ...editor, dn, password: "wrong" }, async () => undefined).catch((error: unknown) => {
    if (!(error instanceof InvalidCredentialsError)) throw error;
  });
}
