import fc from "fast-check";
import type { Member, Node } from "./json.ts";
import { hostileNode, unknownMember } from "./values.ts";

/** A modification of a request's members. */
export type Mutation =
  | { readonly set: number; readonly to: Node }
  | { readonly drop: number }
  | { readonly double: number; readonly to?: Node }
  | { readonly swap: readonly [number, number] }
  | { readonly wrap: number; readonly in: "list" | "object" }
  | { readonly rename: number; readonly to: string }
  | { readonly add: Member };

const at = fc.nat(6);

/** Any modification. */
export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ set: at, to: hostileNode }) },
  { weight: 1, arbitrary: fc.record({ drop: at }) },
  { weight: 1, arbitrary: fc.record({ double: at, to: hostileNode }, { requiredKeys: ["double"] }) },
  { weight: 1, arbitrary: fc.record({ swap: fc.tuple(at, at) }) },
  { weight: 1, arbitrary: fc.record({ wrap: at, in: fc.constantFrom("list" as const, "object" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      rename: at,
      to: fc.constantFrom("Username", "username ", "usern\u0430me", "", "__proto__"),
    }),
  },
  { weight: 2, arbitrary: fc.record({ add: unknownMember }) },
);

/** The members after a modification. */
export function mutate(members: Member[], change: Mutation): Member[] {
  if ("add" in change) return [...members, change.add];
  if (members.length === 0) return members;
  const find = (place: number): Member => members[place % members.length] ?? ["", { raw: "null" }];
  const replace = (place: number, by: Member): Member[] => members.with(place % members.length, by);
  if ("set" in change) return replace(change.set, [find(change.set)[0], change.to]);
  if ("drop" in change) return members.toSpliced(change.drop % members.length, 1);
  if ("double" in change) {
    const [name, value] = find(change.double);
    return [...members, [name, change.to ?? value]];
  }
  if ("swap" in change) {
    const [a, b] = change.swap.map(find) as [Member, Member];
    return replace(change.swap[0], [a[0], b[1]]).with(change.swap[1] % members.length, [b[0], a[1]]);
  }
  if ("wrap" in change) {
    const [name, value] = find(change.wrap);
    return replace(change.wrap, [
      name,
      change.in === "list" ? { list: [value] } : { members: [["a", value]] },
    ]);
  }
  return replace(change.rename, [change.to, find(change.rename)[1]]);
}
