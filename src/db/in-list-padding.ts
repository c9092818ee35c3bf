/**
 * Pads a list to a length of a power of two by repeating its last value. Otherwise the server would keep a prepared
 * statement for every length.
 */
export function padInList<T>(values: readonly T[]): readonly T[] {
  const last = values.at(-1);
  if (last === undefined) throw new RangeError("cannot pad an empty list");
  const length = 2 ** Math.ceil(Math.log2(values.length));
  return [...values, ...Array.from({ length: length - values.length }, () => last)];
}
