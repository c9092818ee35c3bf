/**
 * The bare cost of directory logins, in a process of its own: for every line of milliseconds on stdin it connects,
 * binds and searches in a closed loop, as a login does and nothing else, and prints what it measured.
 */
import { AndFilter, Client, EqualityFilter } from "ldapts";
import { closedLoop } from "./load.ts";
import { answerQuestions } from "./loop.ts";

/** What the process is told on its command line, as JSON. */
export interface BareLdapOptions {
  readonly url: string;
  readonly baseDn: string;
  readonly inFlight: number;
  /** Names to bind by, and as the filter compares them. */
  readonly users: readonly { readonly bind: string; readonly name: string }[];
  readonly password: string;
}

const { url, baseDn, inFlight, users, password } = JSON.parse(process.argv[2] ?? "{}") as BareLdapOptions;

await answerQuestions((ms) =>
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
