import { AndFilter, EqualityFilter, type Filter, OrFilter, PresenceFilter } from "ldapts";
import { PLACEHOLDER, type UserFilter } from "../../config/user-filter.ts";

/** Finds whatever is there. */
export const ANY: Filter = new PresenceFilter({ attribute: "objectClass" });

/** The filter that finds one name. The name is a value in it and never text of it, so it cannot change it. */
export function filterFor({ filter }: UserFilter, username: string): Filter {
  return replaceName(filter, (attribute) => new EqualityFilter({ attribute, value: username }));
}

/** Finds the groups that have one of these members (groupOfNames, AD's group, groupOfUniqueNames). */
export function memberFilter(members: readonly string[]): Filter {
  const filters = members.flatMap((value) => [
    new EqualityFilter({ attribute: "member", value }),
    new EqualityFilter({ attribute: "uniqueMember", value }),
  ]);
  return new OrFilter({ filters });
}

/** Finds every entry that the filter finds under some name. */
export function anyUserFilter({ filter }: UserFilter): Filter {
  return replaceName(filter, (attribute) => new PresenceFilter({ attribute }));
}

/** The filter with another comparison in the place of the one with the name. */
function replaceName(filter: Filter, compare: (attribute: string) => Filter): Filter {
  const inner = (filters: readonly Filter[]): Filter[] => filters.map((one) => replaceName(one, compare));
  if (filter instanceof AndFilter) return new AndFilter({ filters: inner(filter.filters) });
  if (filter instanceof OrFilter) return new OrFilter({ filters: inner(filter.filters) });
  return filter instanceof EqualityFilter && filter.value === PLACEHOLDER
    ? compare(filter.attribute)
    : filter;
}
