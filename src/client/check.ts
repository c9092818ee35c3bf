/** Validates a value; returns an error message or undefined. Messages never contain the value: it may be a password. */
export type Kind = (value: unknown, name: string) => string | undefined;

/** Returns the options without undefined ones; throws a TypeError that names the function and the invalid option. */
export function checked<T extends object>(caller: string, options: T, kind: Kind): T {
  check(caller, options, kind);
  // Alternatives are distinguished by `in`, so undefined options must go. The result is still a T.
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

/** Throws a TypeError that names the function and the argument when the value is invalid. */
export function check(caller: string, value: unknown, kind: Kind, name = ""): void {
  const fault = kind(value, name);
  if (fault !== undefined) throw new TypeError(`${caller}: ${fault}`);
}

/** A value that passes the test; `what` completes the sentence "it must be". */
export function a(what: string, test: (value: unknown) => boolean): Kind {
  return (value, name) => (test(value) ? undefined : `${name} must be ${what}, not ${typeOf(value)}`);
}

export const string = a("a string", (value) => typeof value === "string");
export const text = a("a string that is not empty", (value) => typeof value === "string" && value !== "");
export const flag = a("true or false", (value) => typeof value === "boolean");
export const number = a("a number", (value) => typeof value === "number");
export const func = a("a function", isFunction);
export const object = a("an object", isObject);
export const textOrFunc = a(
  "a string or a function that returns one",
  (value) => isFunction(value) || typeof value === "string",
);

/** A list of such values. */
export function listOf(kind: Kind): Kind {
  return (value, name) => {
    if (!Array.isArray(value)) return `${name} must be a list, not ${typeOf(value)}`;
    for (const [index, one] of value.entries()) {
      const fault = kind(one, `${name}[${index}]`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
}

/** An object with only these options; an undefined option counts as missing. */
export function optionsOf(kinds: Readonly<Record<string, Kind>>, required: readonly string[] = []): Kind {
  return (value, name) => {
    if (!isObject(value)) return `${name || "options"} must be an object, not ${typeOf(value)}`;
    const nameOf = (key: string): string => (name === "" ? key : `${name}.${key}`);
    for (const [key, given] of Object.entries(value)) {
      if (given === undefined) continue;
      if (!Object.hasOwn(kinds, key))
        return `${nameOf(key)} is unknown: the options are ${Object.keys(kinds).join(", ")}`;
      const fault = kinds[key]?.(given, nameOf(key));
      if (fault !== undefined) return fault;
    }
    const missing = required.find((key) => value[key] === undefined);
    return missing === undefined ? undefined : `${nameOf(missing)} is missing`;
  };
}

/** One of several alternatives, each identified by its required option. */
export function oneOf(kinds: Readonly<Record<string, Kind>>): Kind {
  const choice = Object.keys(kinds).join(" or ");
  return (value, name) => {
    if (!isObject(value)) return `${name || "options"} must be an object, not ${typeOf(value)}`;
    const [chosen, another] = Object.entries(kinds).filter(([key]) => value[key] !== undefined);
    if (chosen !== undefined && another === undefined) return chosen[1](value, name);
    const place = name === "" ? "" : `${name}: `;
    return place + (chosen === undefined ? `${choice} is missing` : `pass only one of ${choice}`);
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return "a list";
  if (value === "") return "an empty string";
  return `this ${typeof value}`;
}
