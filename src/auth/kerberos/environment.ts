import type { KerberosConfig } from "../../config/kerberos.ts";
import { variablesLike } from "../../config/process-environment.ts";

/** What the Kerberos library and its programs read; the worker's other variables, secrets among them, stay here. */
const PASSED_ON = /^(?:KRB5.*|PATH|HOME|TMPDIR|TZ)$/;

/** The environment of a process that speaks Kerberos: this realm's files, and messages in English. */
export function kerberosEnvironment({ keytab, config_file }: KerberosConfig): NodeJS.ProcessEnv {
  return {
    ...variablesLike(PASSED_ON),
    LC_ALL: "C",
    KRB5_KTNAME: `FILE:${keytab}`,
    ...(config_file === undefined ? {} : { KRB5_CONFIG: config_file }),
  };
}

/** The principal of the service as kinit wants it: HTTP/host@REALM for HTTP@host. */
export function servicePrincipal({ service, realm }: KerberosConfig): string {
  return `${service.replace("@", "/")}@${realm}`;
}
