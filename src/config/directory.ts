import { readCa } from "./ca.ts";
import { type DistinguishedName, domainOf, formatDn, parseDn } from "./dn.ts";
import { BadSetting, collectFault, type Faults } from "./fault.ts";
import type { LdapSettings } from "./schema.ts";
import { omit, type Section } from "./section.ts";
import { parseUserFilter, PLACEHOLDER, type UserFilter } from "./user-filter.ts";

/** The address of a directory server, and how it uses TLS. */
export interface DirectoryServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly tls: "ldaps" | "starttls" | "none";
}

/** How users bind: by a name from a template, or as the entry that the service account found. */
export type BindMode =
  | { readonly kind: "search" }
  | { readonly kind: "template"; readonly template: string; readonly isDn: boolean };

/** Keys that are replaced by parsed values. */
const RAW_KEYS = [
  ...(["address", "user_filter", "bind", "bind_dn", "bind_password"] as const),
  ...(["start_tls", "ca_file", "groups_base_dn"] as const),
] as const;

/** The validated directory settings: parsed addresses, filter and DNs, and the content of the CA file. */
export interface DirectoryConfig extends Omit<LdapSettings, (typeof RAW_KEYS)[number]> {
  readonly servers: readonly DirectoryServer[];
  readonly ca: Buffer | undefined;
  readonly userFilter: UserFilter;
  readonly bind: BindMode;
  /** Only groups below this DN are used; undefined for all groups. */
  readonly groupsBase: DistinguishedName | undefined;
  /** Search base for nested groups. */
  readonly groupsBaseDn: string;
  /** The service account, for searches without a user's password. */
  readonly service: { readonly dn: string; readonly password: string } | undefined;
}

const SECTION = "ldap_settings";
const SEARCH = "search";
/** Bind names of Active Directory: `user@domain` with a DNS domain, `DOMAIN\user` with a NetBIOS domain. */
const DNS_BIND = "{username}@{domain}";
const NETBIOS_BIND = String.raw`{domain}\{username}`;

/** Checks the section as a whole; adds errors to `faults`. */
export function readDirectory(
  { parts, whole }: Section<"ldap_settings">,
  folder: string,
  faults: Faults,
): DirectoryConfig | undefined {
  if (parts === undefined) return undefined;
  const { address, user_filter, bind, bind_dn, bind_password, start_tls, ca_file, groups_base_dn } = parts;
  const fault = (key: string, msg: string): void => faults.push({ path: `${SECTION}.${key}`, msg });
  const has = (key: keyof LdapSettings): boolean => faults.has(`${SECTION}.${key}`);
  const addresses = [address].flat();
  const servers = addresses.flatMap((url, index) => {
    if (url === undefined) return [];
    const path = Array.isArray(address) ? `${SECTION}.address.${index}` : `${SECTION}.address`;
    return collectFault(faults, path, () => readServer(url, start_tls ?? ca_file !== undefined)) ?? [];
  });
  if (start_tls === true && servers.some(({ tls }) => tls === "ldaps"))
    fault("start_tls", "is only for ldap:// addresses: remove it, because ldaps:// always uses TLS");
  if (ca_file !== undefined && servers.some(({ tls }) => tls === "none"))
    fault("ca_file", "requires TLS: use ldaps://, or remove start_tls");
  const ca = readCa(ca_file, SECTION, folder, faults);
  const userFilter =
    user_filter === undefined
      ? undefined
      : collectFault(faults, `${SECTION}.user_filter`, () => parseUserFilter(user_filter));
  const mode = has("bind")
    ? undefined
    : collectFault(faults, `${SECTION}.bind`, () =>
        readBind(
          bind ?? (bind_dn === undefined ? defaultBind(parts.domain ?? "") : SEARCH),
          parts.domain ?? "",
        ),
      );
  if ((bind_dn === undefined) !== (bind_password === undefined) && !has("bind_dn") && !has("bind_password"))
    fault(
      bind_dn === undefined ? "bind_dn" : "bind_password",
      "is missing: set both bind_dn and bind_password",
    );
  else if (mode?.kind === "search" && bind_dn === undefined && !has("bind_dn"))
    fault("bind_dn", "is required for bind search: set the service account");
  const base = collectDn(faults, "base_dn", parts.base_dn);
  const groupsBase = collectDn(faults, "groups_base_dn", groups_base_dn);
  if (whole === undefined || userFilter === undefined || mode === undefined || base === undefined)
    return undefined;
  const service =
    bind_dn === undefined || bind_password === undefined
      ? undefined
      : { dn: bind_dn, password: bind_password };
  const groupsBaseDn = groups_base_dn ?? formatDn(domainOf(base));
  return { ...omit(whole, RAW_KEYS), servers, ca, userFilter, bind: mode, groupsBase, groupsBaseDn, service };
}

function collectDn(
  faults: Faults,
  key: "base_dn" | "groups_base_dn",
  text: string | undefined,
): DistinguishedName | undefined {
  return text === undefined ? undefined : collectFault(faults, `${SECTION}.${key}`, () => readDn(text));
}

function readDn(text: string): DistinguishedName {
  const name = parseDn(text);
  if (name === undefined || name.length === 0)
    throw new BadSetting("must be a distinguished name, for example ou=User,dc=example,dc=com");
  return name;
}

function readServer(text: string, startTls: boolean): DirectoryServer {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const tls = url?.protocol === "ldaps:" ? "ldaps" : startTls ? "starttls" : "none";
  if (url === undefined || !/^ldaps?:$/.test(url.protocol) || url.hostname === "")
    throw new BadSetting("must be ldap://host, ldaps://host, or one of them with :port");
  if (`${url.username}${url.password}${url.pathname.replace("/", "")}${url.search}${url.hash}` !== "")
    throw new BadSetting(
      "must have only a host and a port: set everything else with other keys of ldap_settings",
    );
  const port = url.port === "" ? (tls === "ldaps" ? 636 : 389) : Number(url.port);
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { url: `${url.protocol}//${url.hostname}:${port}`, host, port, tls };
}

function defaultBind(domain: string): string {
  return domain.includes(".") ? DNS_BIND : NETBIOS_BIND;
}

function readBind(text: string, domain: string): BindMode {
  if (text === SEARCH) return { kind: "search" };
  const template = text.replaceAll("{domain}", () => domain);
  // A username alone could be taken for the name of a SASL mechanism.
  if (template.split(PLACEHOLDER).length !== 2 || template === PLACEHOLDER) {
    throw new BadSetting(
      String.raw`must be search, {domain}\{username}, {username}@{domain}, or a DN with ${PLACEHOLDER} once`,
    );
  }
  return { kind: "template", template, isDn: template.includes("=") };
}
