import { after, before } from "node:test";
import { LOGIN_GROUP, DIRECTORY_PASSWORD } from "./directory.ts";
import type { AccountOptions } from "./servers/directories.ts";
import { type Samba, type SambaOptions, startSamba } from "./servers/samba.ts";
import { Scratch } from "./servers/scratch.ts";
import { UNTHROTTLED } from "./unthrottled.ts";
import { type DatabaseKind, startWorker, type TestWorker } from "./worker.ts";

/** An Active Directory for the tests of one suite, with workers that use it. */
export interface TestActiveDirectory {
  readonly ad: Samba;
  /** The settings of a service account that may search. */
  readonly service: { readonly bind_dn: string; readonly bind_password: string };
  /** Starts a worker; by default its users bind as DOMAIN\user over ldap://. */
  readonly start: (ldapSettings?: object, appConfig?: object, database?: DatabaseKind) => Promise<TestWorker>;
  /** Adds a user who may log in; returns the DN. */
  readonly add: (name: string, groups?: readonly string[], options?: AccountOptions) => Promise<string>;
}

/** Starts an Active Directory for the calling suite, before its tests. */
export function useActiveDirectory(options: SambaOptions = {}): TestActiveDirectory {
  const scratch = new Scratch();
  let server: Samba | undefined;
  before(async () => {
    server = await startSamba(scratch, options);
  });
  after(() => scratch.close());
  return {
    get ad() {
      return server!;
    },
    get service() {
      return { bind_dn: server!.serviceDn, bind_password: server!.servicePassword };
    },
    start: (ldapSettings = {}, appConfig = {}, database = "sqlite") =>
      startWorker({
        database,
        config: {
          ldap_settings: {
            address: server!.url,
            base_dn: server!.usersDn,
            domain: server!.domain,
            ...ldapSettings,
          },
          app_config: { bcrypt_cost: 4, login_throttle: UNTHROTTLED, ...appConfig },
        },
      }),
    add: (name, groups = [], more = {}) =>
      server!.addUser(name, DIRECTORY_PASSWORD, { groups: [LOGIN_GROUP, ...groups], ...more }),
  };
}
