import { AndFilter, EqualityFilter, type Filter, OrFilter, PresenceFilter } from "ldapts";
import { PLACEHOLDER, type UserFilter } from "../../config/user-filter.ts";

/** Matches every entry. */
export const ANY: Filter = new PresenceFilter({ attribute: "objectClass" });

/** The filter for one username, which is inserted as a value, so that it cannot change the filter. */
export function filterFor({ filter }: UserFilter, username: string): Filter {
  return replaceName(filter, (attribute) => new EqualityFilter({ attribute, value: username }));
}

/** Matches groups with one of these members (groupOfNames, AD's group, groupOfUniqueNames). */
export function memberFilter(members: readonly string[]): Filter {
  const filters = members.flatMap((value) => [
    new EqualityFilter({ attribute: "member", value }),
    new EqualityFilter({ attribute: "uniqueMember", value }),
  ]);
  return new OrFilter({ filters });
}

/** Matches the entries that the filter finds with any username. */
export function anyUserFilter({ filter }: UserFilter): Filter {
  return replaceName(filter, (attribute) => new PresenceFilter({ attribute }));
}

/** Replaces the comparison with the username. */
function replaceName(filter: Filter, compare: (attribute: string) => Filter): Filter {
  const inner = (filters: readonly Filter[]): Filter[] => filters.map((one) => replaceName(one, compare));
  if (filter instanceof AndFilter) return new AndFilter({ filters: inner(filter.filters) });
  if (filter instanceof OrFilter) return new OrFilter({ filters: inner(filter.filters) });
  return filter instanceof EqualityFilter && filter.value === PLACEHOLDER
    ? compare(filter.attribute)
    : filter;
}
