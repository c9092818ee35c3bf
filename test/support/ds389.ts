import { after, before } from "node:test";
import type { Entry } from "ldapts";
import { LOGIN_GROUP, DIRECTORY_PASSWORD } from "./directory.ts";
import { type AccountOptions, withClient } from "./servers/directories.ts";
import { type Ds389, startDs389 } from "./servers/ds389.ts";
import { Scratch } from "./servers/scratch.ts";
import { UNTHROTTLED } from "./unthrottled.ts";
import { type DatabaseKind, startWorker, type TestWorker } from "./worker.ts";

export { DIRECTORY_PASSWORD };

/** A 389 Directory Server for the tests of one suite, with workers that use it. */
export interface TestDs389 {
  readonly ds: Ds389;
  /** Starts a worker; by default it searches with a service account. */
  readonly start: (ldapSettings?: object, database?: DatabaseKind) => Promise<TestWorker>;
  /** Adds a user who may log in; returns the DN. */
  readonly add: (name: string, groups?: readonly string[], options?: AccountOptions) => Promise<string>;
  /** Reads attributes of an entry as the directory's administrator. */
  readonly readAsRoot: (dn: string, attributes: string[]) => Promise<Entry>;
}

/** Starts a 389 Directory Server for the calling suite. */
export function useDs389(): TestDs389 {
  const scratch = new Scratch();
  let server: Ds389 | undefined;
  before(async () => {
    server = await startDs389(scratch);
  });
  after(() => scratch.close());
  return {
    get ds() {
      return server!;
    },
    start: (ldapSettings = {}, database = "sqlite") =>
      startWorker({
        database,
        config: {
          ldap_settings: {
            address: server!.url,
            base_dn: server!.baseDn,
            user_filter: "(&(objectClass=inetOrgPerson)(uid={username}))",
            domain: "example.com",
            bind_dn: server!.serviceDn,
            bind_password: server!.servicePassword,
            ...ldapSettings,
          },
          app_config: { bcrypt_cost: 4, login_throttle: UNTHROTTLED },
        },
      }),
    add: (name, groups = [], more = {}) =>
      server!.addPerson(name, DIRECTORY_PASSWORD, { groups: [LOGIN_GROUP, ...groups], ...more }),
    async readAsRoot(dn, attributes) {
      const { url, rootDn, rootPassword } = server!;
      const { searchEntries } = await withClient({ url, dn: rootDn, password: rootPassword }, (client) =>
        client.search(dn, { scope: "base", attributes }),
      );
      return searchEntries[0]!;
    },
  };
}
