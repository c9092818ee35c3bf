/**
 * The bare cost of directory logins: for every line of milliseconds on stdin, it connects, binds and searches in a
 * closed loop, like a login, and prints the measurement.
 */
import { AndFilter, Client, EqualityFilter } from "ldapts";
import { closedLoop } from "./load.ts";
import { serveTasks } from "./loop.ts";

/** Options of the process, as JSON on its command line. */
export interface BareLdapOptions {
  readonly url: string;
  readonly baseDn: string;
  readonly inFlight: number;
  /** Names for the bind and for the filter. */
  readonly users: readonly { readonly bind: string; readonly name: string }[];
  readonly password: string;
}

const { url, baseDn, inFlight, users, password } = JSON.parse(process.argv[2] ?? "{}") as BareLdapOptions;

await serveTasks((ms) =>
  closedLoop(inFlight, Number(ms), async (round) => {
    const { bind, name } = users[round % users.length]!;
    const client = new Client({ url, timeout: 5000, connectTimeout: 5000 });
    try {
      await client.bind(bind, password);
      const filter = new AndFilter({
        filters: [
          new EqualityFilter({ attribute: "objectClass", value: "user" }),
          new EqualityFilter({ attribute: "sAMAccountName", value: name }),
        ],
      });
      const attributes = ["sAMAccountName", "mail", "memberOf"];
      const { searchEntries } = await client.search(baseDn, { scope: "sub", filter, attributes });
      if (searchEntries.length !== 1) throw new Error(`${name}: ${searchEntries.length} entries`);
    } finally {
      await client.unbind();
    }
  }),
);
