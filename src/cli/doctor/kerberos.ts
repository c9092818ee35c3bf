import { createRealm, type Realm } from "../../auth/kerberos/realm.ts";
import type { KerberosConfig } from "../../config/kerberos.ts";
import { messageOf } from "../../errors.ts";
import { DEADLINE, withDeadline } from "./connection.ts";
import { fileFindings } from "./files.ts";
import { type Finding, findingsOn } from "./finding.ts";

const on = findingsOn("kerberos");

const KEYTAB =
  "Export the service's current key again (ktutil, kadmin ktadd, or ktpass) to kerberos_settings.keytab.";

/** Advice by the error texts of MIT Kerberos and `Realm`; the first match applies. */
const ADVICE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/kinit cannot be run/, "Install the programs of MIT Kerberos (Debian: krb5-user)."],
  [
    /Helper|package/i,
    'Reinstall it: npm install kerberos. "npm rebuild kerberos" builds it for this Node version.',
  ],
  [/Clock skew/, "Synchronise the clocks of this host and the KDC with NTP."],
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

/** Checks that package, keytab, KDC and clock allow Kerberos logins. */
export async function kerberosFindings(config: KerberosConfig | undefined): Promise<Finding[]> {
  if (config === undefined) return [];
  const { realm: name, service, keytab, timeout_ms } = config;
  const realm = createRealm({ ...config, timeout_ms: Math.min(timeout_ms, DEADLINE) });
  try {
    const opened = await attempt(realm, "open");
    if (opened !== undefined) return [failed(opened), ...fileFindings(on, [keytab])];
    return [
      on.ok(`${keytab} has a key of ${service}`),
      ...fileFindings(on, [keytab]),
      kdcFinding(await attempt(realm, "checkItself"), name, service),
    ];
  } finally {
    await realm.close();
  }
}

/** Runs a step and returns its error as one line, or undefined. */
async function attempt(realm: Realm, step: "open" | "checkItself"): Promise<string | undefined> {
  try {
    await withDeadline(realm[step]());
    return undefined;
  } catch (error) {
    return messageOf(error).replace(/^kerberos: /, "");
  }
}

function kdcFinding(error: string | undefined, realm: string, service: string): Finding {
  if (error === undefined) return on.ok(`the KDC of ${realm} issues tickets, and the keytab decrypts them`);
  // In Active Directory, the key belongs to an account with another name.
  if (/Client '.*' not found/.test(error)) {
    return on.warn(
      `the KDC of ${realm} answers, but has no account named ${service}: the keytab was not tested`,
      "This is usual in Active Directory: log in a Kerberos user to test the keytab.",
    );
  }
  return failed(error);
}

function failed(error: string): Finding {
  const advice = ADVICE.find(([pattern]) => pattern.test(error))?.[1];
  return on.fail(
    error.replace(/; install .*/, ""),
    advice ?? "Check kerberos_settings, krb5.conf and the keytab.",
  );
}
