import type { KerberosConfig } from "../../config/kerberos.ts";
import { variablesLike } from "../../config/process-environment.ts";

/** The variables that Kerberos programs need; they must not inherit others, which may be secrets. */
const PASSED_ON = /^(?:KRB5.*|PATH|HOME|TMPDIR|TZ)$/;

/** The environment for a Kerberos process: this realm's files, and messages in English. */
export function kerberosEnvironment({ keytab, config_file }: KerberosConfig): NodeJS.ProcessEnv {
  return {
    ...variablesLike(PASSED_ON),
    LC_ALL: "C",
    KRB5_KTNAME: `FILE:${keytab}`,
    ...(config_file === undefined ? {} : { KRB5_CONFIG: config_file }),
  };
}

/** The service principal in kinit's format: HTTP/host@REALM for HTTP@host. */
export function servicePrincipal({ service, realm }: KerberosConfig): string {
  return `${service.replace("@", "/")}@${realm}`;
}
