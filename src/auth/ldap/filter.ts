import { AndFilter, EqualityFilter, type Filter, OrFilter, PresenceFilter } from "ldapts";
import { PLACEHOLDER, type UserFilter } from "../../config/user-filter.ts";

/** Finds whatever is there. */
export const ANY: Filter = new PresenceFilter({ attribute: "objectClass" });

/** The filter that finds one name. The name is a value in it and never text of it, so it cannot change it. */
export function filterFor({ filter }: UserFilter, username: string): Filter {
  return fill(filter, username);
}

/** Finds the groups that have one of these members (groupOfNames, AD's group, groupOfUniqueNames). */
export function memberFilter(members: readonly string[]): Filter {
  const filters = members.flatMap((value) => [
    new EqualityFilter({ attribute: "member", value }),
    new EqualityFilter({ attribute: "uniqueMember", value }),
  ]);
  return new OrFilter({ filters });
}

function fill(filter: Filter, username: string): Filter {
  if (filter instanceof AndFilter)
    return new AndFilter({ filters: filter.filters.map((inner) => fill(inner, username)) });
  if (filter instanceof OrFilter)
    return new OrFilter({ filters: filter.filters.map((inner) => fill(inner, username)) });
  return filter instanceof EqualityFilter && filter.value === PLACEHOLDER
    ? new EqualityFilter({ attribute: filter.attribute, value: username })
    : filter;
}
