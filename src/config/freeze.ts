/** Freezes plain objects and lists recursively; leaves keys, buffers and maps unchanged. */
export function freezeDeep<T>(value: T): Readonly<T> {
  if (!isPlain(value)) return value;
  for (const inner of Object.values(value)) freezeDeep(inner);
  return Object.freeze(value);
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}
