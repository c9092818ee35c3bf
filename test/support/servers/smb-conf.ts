import type { Certificates } from "./certificates.ts";

export interface SmbConf {
  /** The parent of all files. Sockets too: a long path would exceed the limit of socket names. */
  folder: string;
  address: string;
  realm: string;
  domain: string;
  hostname: string;
  /** Without certificates, it does not support TLS. */
  certificates?: Certificates;
  /** Additional lines of the section [global]. */
  settings: readonly string[];
}

/** Folder settings of smb.conf, and their locations. */
const FOLDERS = {
  "private dir": "private",
  "state directory": "state",
  "cache directory": "cache",
  "lock directory": "lock",
  "pid directory": "pid",
  "ncalrpc dir": "ncalrpc",
  "binddns dir": "binddns",
  "winbindd socket directory": "winbindd",
  "ntp signd socket directory": "ntp-signd",
} as const;

/** The text of an smb.conf for a domain controller with only LDAP and Kerberos on one address. */
export function smbConf({
  folder,
  address,
  realm,
  domain,
  hostname,
  certificates,
  settings,
}: SmbConf): string {
  return [
    "[global]",
    `realm = ${realm}`,
    `workgroup = ${domain}`,
    `netbios name = ${hostname}`,
    "server role = active directory domain controller",
    "server services = ldap, kdc",
    `interfaces = ${address}/8`, // Samba needs the mask of lo to find the interface
    "bind interfaces only = yes",
    "ldap server require strong auth = no", // simple binds without TLS
    ...(certificates === undefined
      ? []
      : [
          `tls cafile = ${certificates.caFile}`,
          `tls certfile = ${certificates.certificateFile}`,
          `tls keyfile = ${certificates.keyFile}`,
        ]),
    ...Object.entries(FOLDERS).map(([key, name]) => `${key} = ${folder}/${name}`),
    ...settings,
    "[sysvol]",
    `path = ${folder}/state/sysvol`,
    "[netlogon]",
    `path = ${folder}/state/sysvol/${realm.toLowerCase()}/scripts`,
    "",
  ].join("\n");
}
