import { after, before } from "node:test";
import { type OpenLdap, type OpenLdapOptions, startOpenLdap } from "./servers/openldap.ts";
import { Scratch } from "./servers/scratch.ts";
import { type DatabaseKind, startWorker, type TestWorker } from "./worker.ts";

/** The password of every user of the directory. */
export const DIRECTORY_PASSWORD = "correct horse";

/** The group whose members may log in. */
export const LOGIN_GROUP = "allowed_to_login";

/** An OpenLDAP for the tests of one suite, with workers that use it. */
export interface TestDirectory {
  readonly ldap: OpenLdap;
  /** The settings of a service account that may search. */
  readonly service: { readonly bind_dn: string; readonly bind_password: string };
  /** Starts a worker; by default its users bind by a template. */
  readonly start: (ldapSettings?: object, database?: DatabaseKind, appConfig?: object) => Promise<TestWorker>;
  /** Adds a user who may log in; returns the DN. */
  readonly add: (
    name: string,
    groups?: readonly string[],
    options?: { mail?: string; dn?: string },
  ) => Promise<string>;
}

/** Starts an OpenLDAP for the calling suite. */
export function useDirectory(options: OpenLdapOptions = {}): TestDirectory {
  const scratch = new Scratch();
  let server: OpenLdap | undefined;
  before(async () => {
    server = await startOpenLdap(scratch, options);
  });
  after(() => scratch.close());
  return {
    get ldap() {
      return server!;
    },
    get service() {
      return { bind_dn: server!.serviceDn, bind_password: server!.servicePassword };
    },
    start: (ldapSettings = {}, database = "sqlite", appConfig = {}) =>
      startWorker({
        database,
        config: {
          ldap_settings: { address: server!.url, bind: `cn={username},${server!.baseDn}`, ...ldapSettings },
          app_config: { bcrypt_cost: 4, ...appConfig },
        },
      }),
    add: (name, groups = [], more = {}) =>
      server!.addUser(name, DIRECTORY_PASSWORD, { groups: [LOGIN_GROUP, ...groups], ...more }),
  };
}
