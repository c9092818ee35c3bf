import { existsSync, readFileSync } from "node:fs";
import { Attribute, Change, Client } from "ldapts";
import { getProgram } from "./install.ts";

/** What each directory needs here: Debian's packages, programs and files of them. */
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

/** What a test needs for a directory and this machine lacks, for its `skip`; undefined when it can be started. */
export function missingFor(name: keyof typeof NEEDS): string | undefined {
  const { packages, programs, files } = NEEDS[name];
  try {
    programs.forEach(getProgram);
    const lost = files.find((file) => !existsSync(file));
    if (lost !== undefined) throw new Error(`${lost} is missing`);
  } catch (error) {
    return `${(error as Error).message}: apt-get install ${packages}`;
  }
  // An Active Directory has fixed ports below 1024.
  if (name === "samba" && process.getuid?.() !== 0) return "Samba must be started by root";
  return undefined;
}

export type Value = string | Buffer;
/** An attribute without values is left out of a new entry and removed from an old one. */
export type Attributes = Readonly<Record<string, Value | readonly Value[]>>;

/** What an account of a test may have besides its name and password. */
export interface AccountOptions {
  /** Names of groups that it becomes a member of; those that are not there are made. */
  groups?: readonly string[];
  mail?: string;
  /** Where it is, when it is not in the usual place. */
  dn?: string;
  attributes?: Attributes;
}

/** An account that may change the directory, and the way to it. */
export interface Editor {
  url: string;
  /** Needed for ldaps:// alone. */
  caFile?: string;
  dn: string;
  password: string;
}

/** Changes that both directories know alike. */
export interface Changes {
  /** Replaces values; an empty list removes the attribute. */
  setAttributes(dn: string, attributes: Attributes): Promise<void>;
  /** Adds an entry, a group too, to a group. Throws where it is a member already. */
  addMember(group: string, member: string): Promise<void>;
  /** Throws where it is no member. */
  removeMember(group: string, member: string): Promise<void>;
  deleteEntry(dn: string): Promise<void>;
}

/** Makes the changes as an editor does, groups named by their cn. */
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

/** Adds an entry, as an editor does. */
export async function addEntry(editor: Editor, dn: string, attributes: Attributes): Promise<void> {
  const present = toAttributes(attributes).filter(({ values }) => values.length > 0);
  await withClient(editor, (client) => client.add(dn, present));
}

/** Lends a client that is bound and has deadlines, and closes it: nothing of it outlives the call. */
export async function withClient<T>(editor: Editor, work: (client: Client) => Promise<T>): Promise<T> {
  const { url, caFile, dn, password } = editor;
  // The host name is not checked: a test may have given the server a certificate for another one. With options for
  // TLS ldapts speaks TLS whatever the address says.
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

/** A value as it stands in a distinguished name, whatever is in it (RFC 4514 section 2.4). */
export function escapeDn(value: string): string {
  return value.replaceAll(/[\\",+<>;=]|^[ #]| $/g, "\\$&").replaceAll("\0", "\\00");
}

function toAttributes(attributes: Attributes): Attribute[] {
  return Object.entries(attributes).map(([type, given]) => {
    const list = typeof given === "string" || Buffer.isBuffer(given) ? [given] : given;
    return new Attribute({ type, values: list.map((value) => Buffer.from(value)) });
  });
}
