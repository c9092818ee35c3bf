import { AndFilter, EqualityFilter, type Filter, FilterParser, OrFilter } from "ldapts";
import { messageOf } from "../errors.ts";
import { BadSetting } from "./fault.ts";

/** Stands for the name that is looked for. */
export const PLACEHOLDER = "{username}";

/** A search filter (RFC 4515) with a place for a name, and the attribute that holds the name. */
export interface UserFilter {
  readonly filter: Filter;
  readonly nameAttribute: string;
}

/** Reads `user_filter`; throws BadSetting when it is no filter or does not compare one attribute with `{username}`. */
export function parseUserFilter(text: string): UserFilter {
  const filter = parse(text);
  const names = attributesOf(filter);
  const [nameAttribute] = names;
  // One inside of a "not", or as a part of a value, would find others than the named one.
  if (nameAttribute === undefined || names.length !== 1 || text.split(PLACEHOLDER).length !== 2) {
    throw new BadSetting(
      `must compare one attribute with ${PLACEHOLDER}, for example (&(objectClass=inetOrgPerson)(uid=${PLACEHOLDER}))`,
    );
  }
  return { filter, nameAttribute };
}

function parse(text: string): Filter {
  try {
    return FilterParser.parseString(text);
  } catch (error) {
    throw new BadSetting(`is no search filter (RFC 4515): ${messageOf(error)}`);
  }
}

function attributesOf(filter: Filter): string[] {
  if (filter instanceof AndFilter || filter instanceof OrFilter) return filter.filters.flatMap(attributesOf);
  return filter instanceof EqualityFilter && filter.value === PLACEHOLDER ? [filter.attribute] : [];
}
