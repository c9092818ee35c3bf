import { readCa } from "./ca.ts";
import { type DistinguishedName, domainOf, formatDn, parseDn } from "./dn.ts";
import { BadSetting, collectFault, type Faults } from "./fault.ts";
import type { LdapSettings } from "./schema.ts";
import { omit, type Section } from "./section.ts";
import { parseUserFilter, PLACEHOLDER, type UserFilter } from "./user-filter.ts";

/** One directory server: where it is, and whether TLS begins with the connection, on it, or not at all. */
export interface DirectoryServer {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly tls: "ldaps" | "starttls" | "none";
}

/** How users prove their password: by a name made from a template, or as the entry that the service account found. */
export type BindMode =
  | { readonly kind: "search" }
  | { readonly kind: "template"; readonly template: string; readonly isDn: boolean };

/** Keys that are read into something else. */
const RAW_KEYS = [
  ...(["address", "user_filter", "bind", "bind_dn", "bind_password"] as const),
  ...(["start_tls", "ca_file", "groups_base_dn"] as const),
] as const;

/** The directory, checked: addresses are taken apart, the filter is parsed, the CA is read. */
export interface DirectoryConfig extends Omit<LdapSettings, (typeof RAW_KEYS)[number]> {
  readonly servers: readonly DirectoryServer[];
  readonly ca: Buffer | undefined;
  readonly userFilter: UserFilter;
  readonly bind: BindMode;
  /** Only groups below it count. */
  readonly groupsBase: DistinguishedName | undefined;
  /** Nested groups are searched below it. */
  readonly groupsBaseDn: string;
  /** The account that searches where no user's password is at hand. */
  readonly service: { readonly dn: string; readonly password: string } | undefined;
}

const SECTION = "ldap_settings";
const SEARCH = "search";
/** Active Directory knows users by `user@domain` in its DNS domain, and by `DOMAIN\user` in its NetBIOS domain. */
const DNS_BIND = "{username}@{domain}";
const NETBIOS_BIND = String.raw`{domain}\{username}`;

/** Checks the section as a whole; what is wrong goes into `faults`. */
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
    fault("start_tls", "goes with ldap://: on ldaps:// the connection is TLS from its beginning");
  if (ca_file !== undefined && servers.some(({ tls }) => tls === "none"))
    fault("ca_file", "is given, so the connection must be TLS: use ldaps://, or leave start_tls out");
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
    fault(bind_dn === undefined ? "bind_dn" : "bind_password", "bind_dn and bind_password go together");
  else if (mode?.kind === "search" && bind_dn === undefined && !has("bind_dn"))
    fault("bind_dn", "is required for bind search: the account that searches");
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
    throw new BadSetting("is no distinguished name, for example ou=User,dc=example,dc=com");
  return name;
}

function readServer(text: string, startTls: boolean): DirectoryServer {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const tls = url?.protocol === "ldaps:" ? "ldaps" : startTls ? "starttls" : "none";
  if (url === undefined || !/^ldaps?:$/.test(url.protocol) || url.hostname === "")
    throw new BadSetting("must be ldap://host, ldaps://host, or one of them with :port");
  if (`${url.username}${url.password}${url.pathname.replace("/", "")}${url.search}${url.hash}` !== "")
    throw new BadSetting("must name a host and a port, nothing else: the rest has keys of its own");
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
  // The name alone could be taken for the name of a SASL mechanism.
  if (template.split(PLACEHOLDER).length !== 2 || template === PLACEHOLDER) {
    throw new BadSetting(
      String.raw`must be search, or hold ${PLACEHOLDER} once and more than that: {domain}\{username}, {username}@{domain}, or a DN`,
    );
  }
  return { kind: "template", template, isDn: template.includes("=") };
}
