import { AndFilter, EqualityFilter, type Filter, FilterParser, OrFilter } from "ldapts";
import { messageOf } from "../errors.ts";
import { BadSetting } from "./fault.ts";

/** The placeholder for the login name. */
export const PLACEHOLDER = "{username}";

/** A search filter (RFC 4515) with the placeholder, and the attribute that is compared with it. */
export interface UserFilter {
  readonly filter: Filter;
  readonly nameAttribute: string;
}

/** Parses `user_filter`; throws BadSetting if it is not valid or does not compare one attribute with `{username}`. */
export function parseUserFilter(text: string): UserFilter {
  const filter = parse(text);
  const names = attributesOf(filter);
  const [nameAttribute] = names;
  // Inside a "not", or as part of a value, the placeholder would find other users.
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
    throw new BadSetting(`is not a search filter (RFC 4515): ${messageOf(error)}`);
  }
}

function attributesOf(filter: Filter): string[] {
  if (filter instanceof AndFilter || filter instanceof OrFilter) return filter.filters.flatMap(attributesOf);
  return filter instanceof EqualityFilter && filter.value === PLACEHOLDER ? [filter.attribute] : [];
}
