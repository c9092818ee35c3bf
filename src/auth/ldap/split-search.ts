import { AndFilter, type Entry, type Filter, NotFilter, OrFilter, SubstringFilter } from "ldapts";
import { AppError } from "../../errors.ts";
import type { LdapConnection } from "./connection.ts";
import { entriesOf } from "./entry.ts";

/** The server gave a part and stopped: sizeLimitExceeded (RFC 4511 appendix A.2). */
const SIZE_LIMIT_EXCEEDED = 4;

/** How many names are looked at to see how a search can be split, where the server gave none before it stopped. */
const SAMPLE = 20;

/** Searches for one user; each finds up to a server's limit, and the deadline of the connection ends them sooner. */
const MAX_SEARCHES = 400;

/** The entries of one part of a search; `prefix` is what the cn of all of them begins with. */
interface Part {
  readonly filter: Filter;
  readonly prefix: string;
}

/**
 * Finds all groups below a base that match a filter, also where a server gives only so many entries (OpenLDAP: 500, in
 * pages too). A search that finds more is split by how the cn goes on, into one part for each beginning that was seen and
 * one for all others, until no part is too large: the parts together are what was searched for, whatever the names are.
 */
export class SplitSearch {
  readonly #connection: LdapConnection;
  readonly #base: string;
  #left = MAX_SEARCHES;

  constructor(connection: LdapConnection, base: string) {
    this.#connection = connection;
    this.#base = base;
  }

  /** The entries, with their cn; throws UNAVAILABLE where the server does not give them. */
  async all(filter: Filter): Promise<Entry[]> {
    const parts: Part[] = [{ filter, prefix: "" }];
    const entries: Entry[] = [];
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      const found = await this.#search(part.filter);
      if (!("code" in found)) entries.push(...found);
      else if (found.code === SIZE_LIMIT_EXCEEDED)
        parts.push(...split(part, found.partial ?? (await this.#sample(part.filter))));
      else entriesOf(found, this.#base);
    }
    return entries;
  }

  /** A part of what is too much: with a limit in the request, servers send that much of it. */
  async #sample(filter: Filter): Promise<readonly Entry[]> {
    const found = await this.#search(filter, SAMPLE);
    if ("code" in found) throw tooMany();
    return found;
  }

  #search(filter: Filter, limit?: number): ReturnType<LdapConnection["search"]> {
    if (this.#left-- <= 0) throw tooMany();
    return this.#connection.search({
      base: this.#base,
      scope: "sub",
      filter,
      attributes: ["cn"],
      ...(limit === undefined ? {} : { limit }),
    });
  }
}

/** The parts of a part: by the next character of the cn, or by all that the names have in common. */
function split({ filter, prefix }: Part, sample: readonly Entry[]): Part[] {
  const names = sample
    .flatMap(({ cn }) => [cn ?? []].flat().map((name) => fold(String(name))))
    .filter((name) => name.startsWith(prefix) && name.length > prefix.length);
  const beginnings = [...new Set(names.map((name) => beginningOf(name, prefix)))];
  if (beginnings.length === 0) throw tooMany();
  const prefixes = beginnings.length === 1 ? [commonBeginning(names, beginnings[0] ?? "")] : beginnings;
  const begins = prefixes.map((initial) => new SubstringFilter({ attribute: "cn", initial }));
  const others = new NotFilter({ filter: new OrFilter({ filters: begins }) });
  return [
    { filter: new AndFilter({ filters: [filter, others] }), prefix },
    ...prefixes.map((longer, index) => ({
      filter: new AndFilter({ filters: [filter, ...begins.slice(index, index + 1)] }),
      prefix: longer,
    })),
  ];
}

/** As directories compare names; where one compares otherwise, its entries are found among "all others". */
function fold(name: string): string {
  return name.normalize("NFKC").toLowerCase().replaceAll(/\s+/g, " ").trim();
}

/** One character more; never a blank at the end, which directories leave out of a comparison. */
function beginningOf(name: string, prefix: string): string {
  const [next = ""] = /^\s*\S/u.exec(name.slice(prefix.length)) ?? [];
  return prefix + next;
}

function commonBeginning(names: readonly string[], least: string): string {
  let common = names[0] ?? "";
  for (const name of names) while (!name.startsWith(common)) common = common.slice(0, -1);
  common = common.replace(/[\s\ud800-\udbff]+$/, "");
  return common.length > least.length ? common : least;
}

function tooMany(): AppError {
  return new AppError(
    "UNAVAILABLE",
    "directory: the server gives only a part of the groups (its size limit): raise the limit, or set ldap_settings.groups_base_dn",
  );
}
