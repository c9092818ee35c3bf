import { AndFilter, type Entry, type Filter, NotFilter, OrFilter, SubstringFilter } from "ldapts";
import { AppError } from "../../errors.ts";
import type { LdapConnection } from "./connection.ts";
import { entriesOf } from "./entry.ts";

/** sizeLimitExceeded (RFC 4511 appendix A.2): the server returned only a part. */
const SIZE_LIMIT_EXCEEDED = 4;

/** The number of names to read for a split if the server returned no part. */
const SAMPLE = 20;

/** The maximum number of searches for one user, within the deadline of the connection. */
const MAX_SEARCHES = 400;

/** A part of a search; the cn of all its entries starts with `prefix`. */
interface Part {
  readonly filter: Filter;
  readonly prefix: string;
}

/**
 * Finds all groups below a base that match a filter, even if the server limits the number of entries (OpenLDAP: 500,
 * also with paging). Splits a search with too many results by prefixes of the cn: one part for each known prefix and
 * one for all other names, until no part exceeds the limit. Together, the parts cover the whole search.
 */
export class SplitSearch {
  readonly #connection: LdapConnection;
  readonly #base: string;
  #left = MAX_SEARCHES;

  constructor(connection: LdapConnection, base: string) {
    this.#connection = connection;
    this.#base = base;
  }

  /** The entries with their cn; throws UNAVAILABLE if the server does not return all. */
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

  /** Reads some entries of a search that exceeds the limit: with a limit in the request, servers return that many. */
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

/** Splits a part by the next character of the cn, or by the longest common prefix of the names. */
function split({ filter, prefix }: Part, sample: readonly Entry[]): Part[] {
  const names = sample
    .flatMap(({ cn }) => [cn ?? []].flat().map((name) => fold(String(name))))
    .filter((name) => name.startsWith(prefix) && name.length > prefix.length);
  const nextPrefixes = [...new Set(names.map((name) => nextPrefix(name, prefix)))];
  if (nextPrefixes.length === 0) throw tooMany();
  const prefixes = nextPrefixes.length === 1 ? [commonPrefix(names, nextPrefixes[0] ?? "")] : nextPrefixes;
  const filters = prefixes.map((initial) => new SubstringFilter({ attribute: "cn", initial }));
  const others = new NotFilter({ filter: new OrFilter({ filters }) });
  return [
    { filter: new AndFilter({ filters: [filter, others] }), prefix },
    ...prefixes.map((longer, index) => ({
      filter: new AndFilter({ filters: [filter, ...filters.slice(index, index + 1)] }),
      prefix: longer,
    })),
  ];
}

/** Folds a name like directories do; if a directory differs, its entries are found in the part for other names. */
function fold(name: string): string {
  return name.normalize("NFKC").toLowerCase().replaceAll(/\s+/g, " ").trim();
}

/** The prefix with one more character; never with a blank at the end, which directories ignore. */
function nextPrefix(name: string, prefix: string): string {
  const [next = ""] = /^\s*\S/u.exec(name.slice(prefix.length)) ?? [];
  return prefix + next;
}

function commonPrefix(names: readonly string[], least: string): string {
  let common = names[0] ?? "";
  for (const name of names) while (!name.startsWith(common)) common = common.slice(0, -1);
  common = common.replace(/[\s\ud800-\udbff]+$/, "");
  return common.length > least.length ? common : least;
}

function tooMany(): AppError {
  return new AppError(
    "UNAVAILABLE",
    "directory: the server gives only a part of the groups (its size limit): raise the limit, or set " +
      "ldap_settings.groups_base_dn",
  );
}
