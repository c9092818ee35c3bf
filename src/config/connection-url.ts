/** The settings in a URL, and its errors, which never contain parts that may be secret. */
export interface ReadUrl {
  readonly keys: Readonly<Record<string, unknown>>;
  readonly faults: readonly string[];
}

/** Converts the value of a query parameter to settings, or returns what is wrong with it. */
export type Option = (value: string) => Readonly<Record<string, unknown>> | string;

type Options = ReadonlyMap<string, Option>;

interface Form {
  /** Without the colon, in lower case. */
  readonly schemes: readonly string[];
  readonly example: string;
  /** The meaning of the path. */
  readonly place: "vhost" | "database";
  readonly options: Options;
}

interface Address {
  readonly scheme: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly username: string;
  /** Undefined if the URL has no password or an empty one; the URL parser does not tell them apart. */
  readonly password: string | undefined;
  /** Empty if the URL has no path. */
  readonly place: string;
}

const ENCODED =
  "percent-encode special characters: @ is %40, / is %2F, : is %3A, # is %23, ? is %3F, % is %25";

/** Parses the URL of a server; `address` is undefined if it is not valid. */
export function readServerUrl(
  text: string,
  { schemes, example, place, options }: Form,
): { address: Address | undefined; keys: Readonly<Record<string, unknown>>; faults: readonly string[] } {
  const refuse = (msg: string) => ({ address: undefined, keys: {}, faults: [msg] });
  const general = `must look like ${example}; ${ENCODED}`;
  // The URL parser drops line breaks silently.
  if (/[\s\p{Cc}]/u.test(text) || !URL.canParse(text)) return refuse(general);
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  // An unencoded # or ? in a password ends the host part early, so the rest contains the @.
  const isCut =
    url.hash !== "" || text.endsWith("#") || url.search.includes("@") || url.pathname.includes("@");
  if (!schemes.includes(scheme) || url.hostname === "" || isCut) return refuse(general);
  if (url.pathname.slice(1).includes("/"))
    return refuse(`must have one path segment, the ${place}: write a / in its name as %2F`);
  const [username, password, name] = [url.username, url.password, url.pathname.slice(1)].map(decode);
  if (username === undefined || password === undefined || name === undefined) return refuse(general);
  const address = {
    scheme,
    host: url.hostname,
    port: url.port === "" ? undefined : Number(url.port),
    username,
    password: url.password === "" ? undefined : password,
    place: name,
  };
  return { address, ...readOptions(url.searchParams, options) };
}

/** Reads query parameters. */
export function readOptions(given: URLSearchParams, options: Options): ReadUrl {
  const keys: Record<string, unknown> = {};
  const faults: string[] = [];
  const known = [...options.keys()].join(", ");
  for (const name of new Set(given.keys())) {
    const [value = "", ...more] = given.getAll(name);
    const read = options.get(name);
    // The name may be part of an unencoded password, so show only text that looks like a name.
    const shown = /^[a-z][a-z_-]{0,30}$/i.test(name) ? `option ${name}` : "option";
    const result = read?.(value);
    if (read === undefined)
      faults.push(
        `has an unknown ${shown}: ${known === "" ? "no options are allowed" : `allowed options are ${known}`}`,
      );
    else if (more.length > 0) faults.push(`has the ${shown} twice: remove one`);
    else if (typeof result === "string") faults.push(`${shown} ${result}`);
    else Object.assign(keys, result);
  }
  return { keys, faults };
}

/** Percent-decodes a text; undefined if it is not valid. */
export function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
