/** What a URL says: keys of a section, and what is wrong with it; no text repeats a part that may be secret. */
export interface ReadUrl {
  readonly keys: Readonly<Record<string, unknown>>;
  readonly faults: readonly string[];
}

/** What an option behind the ? gives: keys, or what is wrong with its value. */
export type Option = (value: string) => Readonly<Record<string, unknown>> | string;

type Options = ReadonlyMap<string, Option>;

interface Form {
  /** Without its colon, in lower case. */
  readonly schemes: readonly string[];
  readonly example: string;
  /** What the part behind the host names. */
  readonly place: "vhost" | "database";
  readonly options: Options;
}

interface Address {
  readonly scheme: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly username: string;
  /** Undefined where the URL has none; an empty one cannot be told from that. */
  readonly password: string | undefined;
  /** Empty where the URL names none. */
  readonly place: string;
}

const ENCODED =
  "percent-encode what has a meaning in URLs: @ is %40, / is %2F, : is %3A, # is %23, ? is %3F, % is %25";

/** Takes the URL of a server apart; `address` is undefined where that cannot be. */
export function readServerUrl(
  text: string,
  { schemes, example, place, options }: Form,
): { address: Address | undefined; keys: Readonly<Record<string, unknown>>; faults: readonly string[] } {
  const refuse = (msg: string) => ({ address: undefined, keys: {}, faults: [msg] });
  const general = `must look like ${example}; ${ENCODED}`;
  // The URL parser drops line breaks without a word.
  if (/[\s\p{Cc}]/u.test(text) || !URL.canParse(text)) return refuse(general);
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  // A # or ? of a password that is not encoded ends the host too early, and the rest has the @ that was meant.
  const isCut =
    url.hash !== "" || text.endsWith("#") || url.search.includes("@") || url.pathname.includes("@");
  if (!schemes.includes(scheme) || url.hostname === "" || isCut) return refuse(general);
  if (url.pathname.slice(1).includes("/"))
    return refuse(`must have one part behind the host, the ${place}: a / in its name is written %2F`);
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

/** The keys of options, and those that cannot be used. */
export function readOptions(given: URLSearchParams, options: Options): ReadUrl {
  const keys: Record<string, unknown> = {};
  const faults: string[] = [];
  const known = [...options.keys()].join(", ");
  for (const name of new Set(given.keys())) {
    const [value = "", ...more] = given.getAll(name);
    const read = options.get(name);
    // A name may be part of a password that was not encoded, so only those that look like names are repeated.
    const shown = /^[a-z][a-z_-]{0,30}$/i.test(name) ? `option ${name}` : "option";
    const result = read?.(value);
    if (read === undefined)
      faults.push(
        `has an unknown ${shown}: ${known === "" ? "it can have none" : `those there are: ${known}`}`,
      );
    else if (more.length > 0) faults.push(`has the ${shown} twice`);
    else if (typeof result === "string") faults.push(`has an ${shown} that ${result}`);
    else Object.assign(keys, result);
  }
  return { keys, faults };
}

/** Percent-decoding; undefined for a % that begins no character. */
export function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
