import type { Certificates } from "./certificates.ts";

const SCHEMAS = "/etc/ldap/schema";

/** The attributes and the class of an Active Directory that a login reads, with private OIDs. */
const ATTRIBUTES = {
  sAMAccountName: ["1.2.840.113556.1.4.221", "caseIgnoreMatch", "1.3.6.1.4.1.1466.115.121.1.15"],
  userPrincipalName: ["1.2.840.113556.1.4.656", "caseIgnoreMatch", "1.3.6.1.4.1.1466.115.121.1.15"],
  userAccountControl: ["1.2.840.113556.1.4.8", "integerMatch", "1.3.6.1.4.1.1466.115.121.1.27"],
  accountExpires: ["1.2.840.113556.1.4.159", "integerMatch", "1.3.6.1.4.1.1466.115.121.1.27"],
} as const;
const USER = "1.2.840.113556.1.5.9";

export interface SlapdConf {
  /** Folder of the database. */
  data: string;
  suffix: string;
  root: { dn: string; password: string };
  certificates: Certificates;
  /** Global lines. */
  settings: readonly string[];
  /** Lines at the end of the database section. */
  overlays: readonly string[];
}

/** The text of a slapd.conf: one small database with memberOf; users may read everything except passwords. */
export function slapdConf({ data, suffix, root, certificates, settings, overlays }: SlapdConf): string {
  return [
    ...["core", "cosine", "inetorgperson", "nis"].map((name) => `include ${SCHEMAS}/${name}.schema`),
    ...Object.entries(ATTRIBUTES).map(
      ([name, [oid, equality, syntax]]) =>
        `attributetype ( ${oid} NAME '${name}' EQUALITY ${equality} SYNTAX ${syntax} SINGLE-VALUE )`,
    ),
    `objectclass ( ${USER} NAME 'user' SUP inetOrgPerson STRUCTURAL MAY ( ${Object.keys(ATTRIBUTES).join(" $ ")} ) )`,
    "modulepath /usr/lib/ldap",
    "moduleload back_mdb",
    "moduleload memberof",
    "threads 4",
    `TLSCACertificateFile ${certificates.caFile}`,
    `TLSCertificateFile ${certificates.certificateFile}`,
    `TLSCertificateKeyFile ${certificates.keyFile}`,
    ...settings,
    "database mdb",
    `directory ${data}`,
    "maxsize 67108864",
    "dbnosync", // data survives a killed slapd; only a power failure loses it
    `suffix "${suffix}"`,
    `rootdn "${root.dn}"`,
    `rootpw ${root.password}`,
    "index objectClass,sAMAccountName,userPrincipalName,uid,cn,mail,member eq",
    "access to attrs=userPassword by anonymous auth by * none",
    "access to * by users read by anonymous auth",
    "overlay memberof",
    "memberof-refint true", // removes deleted entries from groups
    ...overlays,
    "",
  ].join("\n");
}
