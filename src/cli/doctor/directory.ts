import type { LdapRefusal } from "../../auth/ldap/connection.ts";
import { MAX_GROUPS, type Probe, probeServer, type LdapServerFacts } from "../../auth/ldap/probe.ts";
import { adviceOnLdapReason as adviceOnAnswer, findLdapReason } from "../../auth/ldap/reason.ts";
import type { DirectoryConfig, DirectoryServer } from "../../config/directory.ts";
import { fullMatch } from "../../config/patterns.ts";
import type { AppConfig } from "../../config/schema.ts";
import { clockFinding } from "./clock.ts";
import { adviceOn, isExposed, textOf } from "./connection.ts";
import { type Finding, findingsOn } from "./finding.ts";

const on = findingsOn("directory");
const TLS = { ldaps: "TLS", starttls: "StartTLS", none: "no TLS" } as const;
const NAMES_SHOWN = 5;
/** Longer usernames are rejected regardless of `username_regex`. */
const MAX_NAME = 100;

/** Checks that each directory server is usable, and that users and groups are below the configured base DNs. */
export async function directoryFindings(
  config: DirectoryConfig | undefined,
  app: AppConfig,
): Promise<Finding[]> {
  if (config === undefined) return [on.ok("not configured")];
  const findings: Finding[] = [];
  let bindService = config.service !== undefined;
  // One server at a time: replicas share accounts, so several wrong passwords could lock the service account.
  for (const server of config.servers) {
    const result = await serverFindings(config, app, server, { bindService });
    findings.push(...result.findings);
    if (result.isRefused) bindService = false;
  }
  return [...findings, ...(config.service === undefined ? [noService(config)] : [])];
}

async function serverFindings(
  config: DirectoryConfig,
  app: AppConfig,
  server: DirectoryServer,
  probe: Probe,
): Promise<{ findings: Finding[]; isRefused: boolean }> {
  const { url, tls, host } = server;
  let facts: LdapServerFacts;
  try {
    facts = await probeServer(config, server, probe);
  } catch (error) {
    const text = textOf(error, `${host}:${server.port}`).replace(`${url}: `, "");
    const names = {
      address: "ldap_settings.address",
      ca: "ldap_settings.ca_file",
      tls: "an ldaps:// address",
    };
    return { findings: [on.fail(`cannot reach ${url}: ${text}`, adviceOn(text, names))], isRefused: false };
  }
  const findings = [on.ok(`${url} is ${facts.product}, ${TLS[tls]}`)];
  if (isExposed(host, tls !== "none")) {
    const advice = "Use ldaps:// or ldap_settings.start_tls, and ca_file.";
    findings.push(on.warn(`passwords go to ${url} in clear text`, advice));
  }
  if (facts.ahead !== undefined) findings.push(clockFinding(on, `the clock of ${url}`, facts.ahead));
  findings.push(...nameFindings(config, url, facts), ...serviceFindings(config, app, url, facts.found));
  if (config.service !== undefined && !probe.bindService) {
    findings.push(
      on.warn(
        `the service account was not tried on ${url}, because another server refuses its password`,
        "Correct ldap_settings.bind_dn and bind_password first.",
      ),
    );
  }
  const isRefused =
    facts.found !== undefined && "code" in facts.found && findLdapReason(facts.found) !== undefined;
  return { findings, isRefused };
}

/** Checks that the directory accepts bind names in this format, from its reply to an unknown name. */
function nameFindings(
  { bind, domain }: DirectoryConfig,
  url: string,
  { nameRefused, product }: LdapServerFacts,
): Finding[] {
  if (bind.kind === "search") return [];
  const { template } = bind;
  if (nameRefused !== undefined && findLdapReason(nameRefused) === undefined)
    return [on.fail(`${url} does not accept names like ${template}`, sentence(adviceOnAnswer(nameRefused)))];
  if (product.startsWith("Active Directory") && template.startsWith(`${domain}\\`) && domain.includes(".")) {
    return [
      on.warn(
        `${url} may reject ${template}: the part before \\ must be the NetBIOS name of the domain`,
        "Leave ldap_settings.bind out, or set ldap_settings.domain to the NetBIOS name, for example AD.",
      ),
    ];
  }
  return [on.ok(`${url} accepts names like ${template}`)];
}

function serviceFindings(
  config: DirectoryConfig,
  app: AppConfig,
  url: string,
  found: LdapServerFacts["found"],
): Finding[] {
  if (found === undefined) return [];
  if ("code" in found) {
    const why = findLdapReason(found)?.text ?? found.text;
    const advice = [8, 13].includes(found.code)
      ? "The directory requires TLS: use ldaps:// or ldap_settings.start_tls."
      : "Check ldap_settings.bind_dn and bind_password; a running worker retries them after a minute or a restart.";
    return [on.fail(`${url} refuses the service account: ${why} (result code ${found.code})`, advice)];
  }
  return [
    on.ok(`${url} accepts the service account ${config.service?.dn ?? ""}`),
    usersFinding(config, url, found.users),
    ...(found.showsIds ? [] : [noIds(config, url)]),
    ...rejectedNamesFindings(app, url, found.names),
    loginGroupFinding(config, url, found.loginGroup),
    ...groupsFindings(config, url, found.groups),
  ];
}

function usersFinding(
  { base_dn, userFilter: { nameAttribute } }: DirectoryConfig,
  url: string,
  users: boolean | LdapRefusal,
): Finding {
  if (users === true) return on.ok(`${url} has users in ${base_dn}`);
  if (users === false) {
    return on.fail(
      `${url} shows no entry with ${nameAttribute} in ${base_dn}`,
      "Check ldap_settings.base_dn and user_filter, and what the service account may read.",
    );
  }
  return on.fail(
    `${url} cannot search ${base_dn}: ${refusalText(users)}`,
    "Check ldap_settings.base_dn, and what the service account may read.",
  );
}

function noIds({ base_dn, id_attribute }: DirectoryConfig, url: string): Finding {
  return on.warn(
    `${url} shows no id of entries in ${base_dn}, so authmq cannot detect a login name that was given to another person`,
    id_attribute === undefined
      ? "Let the service account and users read entryUUID or nsUniqueId, or set ldap_settings.id_attribute."
      : "Check ldap_settings.id_attribute, and what the service account and users may read.",
  );
}

/** Warns of users whose names `username_regex` rejects: their logins get 400. */
function rejectedNamesFindings(app: AppConfig, url: string, names: readonly string[]): Finding[] {
  const pattern = fullMatch(app.username_regex);
  const rejected = names.filter((name) => name.length > MAX_NAME || !pattern.test(name));
  if (rejected.length === 0) return [];
  const examples = rejected.slice(0, NAMES_SHOWN).join(", ") + (rejected.length > NAMES_SHOWN ? ", ..." : "");
  return [
    on.warn(
      `app_config.username_regex (${app.username_regex}) rejects ${rejected.length} of ${names.length} sampled users on ${url}, who cannot log in: ${examples}`,
      "Set app_config.username_regex so that it matches the names of the directory, for example [a-zA-Z0-9._-]{1,64}.",
    ),
  ];
}

function loginGroupFinding(
  { group, groupsBaseDn }: DirectoryConfig,
  url: string,
  there: boolean | LdapRefusal,
): Finding {
  if (there === true) return on.ok(`${url} has the login group ${group}`);
  const advice = "Check ldap_settings.group and groups_base_dn, and what the service account may read.";
  return there === false
    ? on.fail(`${url} has no group ${group} in ${groupsBaseDn}, so no user can log in`, advice)
    : on.fail(`${url} cannot search ${groupsBaseDn}: ${refusalText(there)}`, advice);
}

function groupsFindings(
  { groups_prefix: prefix, groupsBaseDn }: DirectoryConfig,
  url: string,
  groups: readonly string[] | LdapRefusal,
): Finding[] {
  if ("code" in groups) return []; // already reported with the login group
  if (groups.length === 0) {
    return [
      on.warn(
        `${url} has no group in ${groupsBaseDn} whose name begins with ${prefix}, so users get no groups from it`,
        "Check ldap_settings.groups_prefix and groups_base_dn.",
      ),
    ];
  }
  const count = groups.length < MAX_GROUPS ? `${groups.length}` : `${MAX_GROUPS} or more`;
  const names = groups.slice(0, NAMES_SHOWN).join(", ") + (groups.length > NAMES_SHOWN ? ", ..." : "");
  const which = prefix === "" ? "" : ` with the prefix ${prefix}`;
  return [on.ok(`${url} has ${count} group${groups.length === 1 ? "" : "s"}${which}: ${names}`)];
}

function noService({ base_dn }: DirectoryConfig): Finding {
  return on.warn(
    "no service account is set, so a user who is removed or disabled keeps the session until it expires, and " +
      `doctor cannot check ${base_dn} and the groups`,
    "Set ldap_settings.bind_dn and bind_password.",
  );
}

function refusalText({ code, text }: LdapRefusal): string {
  return code === 32 ? "there is no such entry (result code 32)" : `${text} (result code ${code})`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
