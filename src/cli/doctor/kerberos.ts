import { createRealm, type Realm } from "../../auth/kerberos/realm.ts";
import type { KerberosConfig } from "../../config/kerberos.ts";
import { messageOf } from "../../errors.ts";
import { DEADLINE, inTime } from "./connection.ts";
import { fileFindings } from "./files.ts";
import { type Finding, findingsOn } from "./finding.ts";

const on = findingsOn("kerberos");

const KEYTAB =
  "Export the service's present key again (ktutil, kadmin ktadd, or ktpass) to kerberos_settings.keytab.";

/** What to do, by what MIT Kerberos and the realm say. */
const ADVICE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/kinit cannot be run/, "Install MIT Kerberos' programs (Debian: krb5-user)."],
  [/Helper|package/i, 'Install it anew: npm install kerberos. "npm rebuild kerberos" fits it to this Node.'],
  [/Clock skew/, "Set the clocks of this host and of the KDC by NTP."],
  [
    /Cannot (?:contact|find|resolve)|no answer of the KDC|no answer within/,
    "Check kerberos_settings.realm, [realms] in krb5.conf, and that the KDC (port 88) can be reached.",
  ],
  [
    /key table|no suitable keys|not found in keytab|not believed|Preauthentication failed|Password incorrect|Integrity/i,
    KEYTAB,
  ],
  [
    /Server .* not found/,
    "Register the service in the realm: kadmin addprinc, or setspn in Active Directory.",
  ],
  [/revoked|expired/, "Unlock the service's account in the realm."],
];

/** Whether package, keytab, KDC and clock let a user in. */
export async function kerberosFindings(config: KerberosConfig | undefined): Promise<Finding[]> {
  if (config === undefined) return [];
  const { realm: name, service, keytab, timeout_ms } = config;
  const realm = createRealm({ ...config, timeout_ms: Math.min(timeout_ms, DEADLINE) });
  try {
    const opened = await attempt(realm, "open");
    if (opened !== undefined) return [failed(opened), ...fileFindings(on, [keytab])];
    const found = on.ok(`${keytab} has a key of ${service}`);
    return [
      found,
      ...fileFindings(on, [keytab]),
      verdict(await attempt(realm, "checkItself"), name, service),
    ];
  } finally {
    await realm.close();
  }
}

/** What is wrong, in one line. */
async function attempt(realm: Realm, step: "open" | "checkItself"): Promise<string | undefined> {
  try {
    await inTime(realm[step]());
    return undefined;
  } catch (error) {
    return messageOf(error).replace(/^kerberos: /, "");
  }
}

function verdict(fault: string | undefined, realm: string, service: string): Finding {
  if (fault === undefined) return on.ok(`the KDC of ${realm} gives tickets, and the keytab opens them`);
  // In Active Directory the key belongs to an account of another name.
  if (/Client '.*' not found/.test(fault)) {
    return on.warn(
      `the KDC of ${realm} answers, but knows no account named ${service}: the keytab is not proven`,
      "Usual in Active Directory: log a Kerberos user in to prove it.",
    );
  }
  return failed(fault);
}

function failed(fault: string): Finding {
  const advice = ADVICE.find(([pattern]) => pattern.test(fault))?.[1];
  return on.fail(
    fault.replace(/; install .*/, ""),
    advice ?? "Check kerberos_settings, krb5.conf and the keytab.",
  );
}
