import { existsSync, readFileSync } from "node:fs";
import { Attribute, Change, Client } from "ldapts";
import { getProgram } from "./install.ts";

/** Requirements of each directory: Debian packages, programs and files. */
const NEEDS = {
  openldap: {
    packages: "slapd openssl",
    programs: ["slapd", "openssl"],
    files: ["/etc/ldap/schema/core.schema", "/usr/lib/ldap/memberof.so"],
  },
  samba: {
    packages: "samba samba-ad-dc samba-ad-provision samba-dsdb-modules samba-vfs-modules winbind openssl",
    programs: ["samba", "samba-tool", "openssl"],
    files: ["/usr/share/samba/setup/provision.ldif"],
  },
  ds389: {
    packages: "389-ds-base",
    programs: ["ns-slapd"],
    files: ["/usr/share/dirsrv/data/template-dse.ldif", "/usr/share/dirsrv/data/60kerberos.ldif"],
  },
} as const;

/** What is missing on this machine for a directory, for a test's `skip`; undefined if it can be started. */
export function missingFor(name: keyof typeof NEEDS): string | undefined {
  const { packages, programs, files } = NEEDS[name];
  try {
    programs.forEach(getProgram);
    const lost = files.find((file) => !existsSync(file));
    if (lost !== undefined) throw new Error(`${lost} is missing`);
  } catch (error) {
    return `${(error as Error).message}: apt-get install ${packages}`;
  }
  // Active Directory has fixed ports below 1024.
  if (name === "samba" && process.getuid?.() !== 0) return "Samba must be started by root";
  return undefined;
}

export type Value = string | Buffer;
/** An attribute without values is omitted from a new entry and removed from an existing one. */
export type Attributes = Readonly<Record<string, Value | readonly Value[]>>;

/** Options of a test account besides its name and password. */
export interface AccountOptions {
  /** Groups that it becomes a member of; missing ones are created. */
  groups?: readonly string[];
  mail?: string;
  /** Its DN, if it is not in the usual place. */
  dn?: string;
  attributes?: Attributes;
}

/** An account that may change the directory, and how to connect. */
export interface Editor {
  url: string;
  /** Only for ldaps://. */
  caFile?: string;
  dn: string;
  password: string;
}

/** Changes that every directory supports. */
export interface Changes {
  /** Replaces values; an empty list removes the attribute. */
  setAttributes(dn: string, attributes: Attributes): Promise<void>;
  /** Adds an entry or a group to a group. Throws if it is already a member. */
  addMember(group: string, member: string): Promise<void>;
  /** Throws if it is not a member. */
  removeMember(group: string, member: string): Promise<void>;
  deleteEntry(dn: string): Promise<void>;
}

/** Changes that an editor makes; groups are identified by their cn. */
export function changesBy(editor: Editor, groupDn: (cn: string) => string): Changes {
  const change = (
    dn: string,
    operation: "add" | "delete" | "replace",
    attributes: Attributes,
  ): Promise<void> =>
    withClient(editor, (client) =>
      client.modify(
        dn,
        toAttributes(attributes).map((modification) => new Change({ operation, modification })),
      ),
    );
  return {
    setAttributes: (dn, attributes) => change(dn, "replace", attributes),
    addMember: (group, member) => change(groupDn(group), "add", { member }),
    removeMember: (group, member) => change(groupDn(group), "delete", { member }),
    deleteEntry: (dn) => withClient(editor, (client) => client.del(dn)),
  };
}

/** Adds an entry. */
export async function addEntry(editor: Editor, dn: string, attributes: Attributes): Promise<void> {
  const present = toAttributes(attributes).filter(({ values }) => values.length > 0);
  await withClient(editor, (client) => client.add(dn, present));
}

/** Runs `work` with a bound client that has timeouts, and closes it afterwards. */
export async function withClient<T>(editor: Editor, work: (client: Client) => Promise<T>): Promise<T> {
  const { url, caFile, dn, password } = editor;
  // Ignore the host name: a test may use a certificate for another one. With TLS options,
  // ldapts uses TLS regardless of the URL.
  const tlsOptions =
    caFile === undefined || url.startsWith("ldap:")
      ? {}
      : { ca: readFileSync(caFile), checkServerIdentity: () => undefined };
  const client = new Client({ url, tlsOptions, timeout: 20_000, connectTimeout: 5_000 });
  try {
    await client.bind(dn, password);
    return await work(client);
  } finally {
    await client.unbind();
  }
}

/** Escapes a value for a distinguished name (RFC 4514 section 2.4). */
export function escapeDn(value: string): string {
  return value.replaceAll(/[\\",+<>;=]|^[ #]| $/g, "\\$&").replaceAll("\0", "\\00");
}

function toAttributes(attributes: Attributes): Attribute[] {
  return Object.entries(attributes).map(([type, given]) => {
    const list = typeof given === "string" || Buffer.isBuffer(given) ? [given] : given;
    return new Attribute({ type, values: list.map((value) => Buffer.from(value)) });
  });
}
