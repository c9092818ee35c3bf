/**
 * Some values as a list whose length is a power of two, the last one repeated: a server keeps each prepared statement, and
 * there would be one for every length.
 */
export function padInList<T>(values: readonly T[]): readonly T[] {
  const last = values.at(-1);
  if (last === undefined) throw new RangeError("an empty list has no last value to repeat");
  const length = 2 ** Math.ceil(Math.log2(values.length));
  return [...values, ...Array.from({ length: length - values.length }, () => last)];
}
