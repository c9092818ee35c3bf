import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Client, type Entry, type Filter, PasswordPolicyControl, ResultCodeError } from "ldapts";
import type { DirectoryServer } from "../../config/directory.ts";
import { messageOf } from "../../errors.ts";
import { annotate, type SpanDescription, traced } from "../../observability/tracing.ts";
import { sharedLookup } from "./lookup.ts";

/** A server cannot be used: no connection, an untrusted certificate, a timeout, or an internal error of the server. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  /** Whether it answered earlier requests on this connection: then only this request may be the problem. */
  readonly answered: boolean;

  constructor(message: string, { answered, ...options }: ErrorOptions & { answered: boolean }) {
    super(message, options);
    this.answered = answered;
  }
}

/** An unsuccessful result of a server: the result code (RFC 4511 section 4.1.9) and its text. */
export interface LdapRefusal {
  readonly code: number;
  readonly text: string;
  /** The entries that a search found before a limit of the server ended it. */
  readonly partial?: readonly Entry[];
  /** The result of the server's password policy, if it sent one. */
  readonly policy?: PolicyVerdict;
}

/** Results of a password policy for a bind (draft-behera-ldap-password-policy 6.2). */
export type PolicyVerdict = "passwordExpired" | "locked" | "mustChange";

/** A search. */
export interface SearchRequest {
  readonly base: string;
  readonly scope: "base" | "sub";
  readonly filter: Filter;
  readonly attributes: readonly string[];
  /** The attributes with binary values, in the server's spelling. */
  readonly binary?: readonly string[];
  /** The maximum number of entries; by default all, in pages. */
  readonly limit?: number;
}

/** A connection to a directory server, with one deadline for all requests on it. */
export interface LdapConnection {
  /**
   * Verifies a password; undefined means success. The password must not be empty: such a bind always succeeds (RFC 4513
   * 5.1.2). A password that must be changed first is refused.
   */
  bind(name: string, password: string): Promise<LdapRefusal | undefined>;
  /** Returns the entries, or the server's refusal. Does not follow referrals. */
  search(request: SearchRequest): Promise<readonly Entry[] | LdapRefusal>;
}

/** ldapts appends the code to the server's text. */
const CODE_AT_END = / Code: 0x[0-9a-f]+$/;

/** Result codes for problems of the server: it is busy, overloaded, stopping, or has an internal error. */
const SERVER_FAULTS: readonly number[] = [1, 2, 3, 11, 51, 52, 54, 80];

/** The StartTLS extended operation (RFC 4511 section 4.14). */
const START_TLS = "1.3.6.1.4.1.1466.20037";

/**
 * Connects, runs `work` and closes the connection. Throws Unreachable if the server cannot be used, if all of it takes
 * longer than `timeout` ms, or if `stopped` is aborted.
 */
export async function withConnection<T>(
  server: DirectoryServer,
  { ca, timeout, stopped }: { ca: Buffer | undefined; timeout: number; stopped?: AbortSignal },
  work: (connection: LdapConnection) => Promise<T>,
): Promise<T> {
  let answered = false;
  // ldapts has no timeout for TLS handshakes, and after its other timeouts it reconnects without a bind.
  const { promise: late, reject } = Promise.withResolvers<never>();
  late.catch(() => undefined);
  const giveUp = (why: string): void => reject(new Unreachable(`${server.url}: ${why}`, { answered }));
  const timer = setTimeout(() => giveUp(`no answer within ${timeout} ms`), timeout);
  const onStop = (): void => giveUp("the worker stops");
  stopped?.addEventListener("abort", onStop);
  let socket: Socket | undefined;
  const inTime = async <R>(step: Promise<R>): Promise<R> => {
    const failed = (error: unknown): Promise<never> =>
      Promise.reject(unreachable(server, error, answered || error instanceof ResultCodeError));
    return Promise.race([step.catch(failed), late]);
  };
  const ask = <R>(operation: string, request: () => Promise<R>): Promise<R | LdapRefusal> =>
    traced(spanOf(operation, server), async () => {
      const answer = await inTime(answerOf(request()));
      answered = true;
      return answer;
    });
  try {
    if (stopped?.aborted === true) onStop();
    const opened = connect({ host: server.host, port: server.port, noDelay: true, lookup: sharedLookup });
    socket = opened;
    opened.on("error", () => undefined); // the pending request rejects with it too
    const client = await traced(spanOf("connect", server), async () => {
      await inTime(once(opened, "connect"));
      return inTime(clientOn(opened, server, ca));
    });
    return await work({
      bind: (name, password) => ask("bind", () => bind(client, name, password)),
      search: (request) => ask("search", () => search(client, request)),
    });
  } finally {
    clearTimeout(timer);
    stopped?.removeEventListener("abort", onStop);
    socket?.destroy();
  }
}

/** Contains neither usernames nor passwords. */
function spanOf(operation: string, { host, port }: DirectoryServer): SpanDescription {
  return {
    name: `LDAP ${operation}`,
    kind: "client",
    attributes: { "server.address": host, "server.port": port },
  };
}

async function clientOn(socket: Socket, server: DirectoryServer, ca: Buffer | undefined): Promise<Client> {
  if (server.tls === "none") return clientOver(socket);
  if (server.tls === "starttls") {
    await clientOver(socket).exop(START_TLS);
    // Plain text after the StartTLS response must not be parsed as TLS data: an attacker could inject a success.
    // So the reader of the plain-text client is not used again.
    socket.removeAllListeners("data");
  }
  const secure = connectTls({
    socket,
    // The certificate must match the host; SNI does not allow IP addresses (RFC 6066 section 3).
    host: server.host,
    ...(isIP(server.host) === 0 ? { servername: server.host } : {}),
    ...(ca === undefined ? {} : { ca }),
    // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED=0 changes the default.
    rejectUnauthorized: true,
  });
  secure.on("error", () => undefined);
  await once(secure, "secureConnect");
  return clientOver(secure);
}

function clientOver(socket: Socket): Client {
  return new Client({ url: "ldap://connected", createConnection: () => socket });
}

/** Error codes of the password policy control; the others do not occur in responses to a bind. */
const POLICY_VERDICTS: readonly PolicyVerdict[] = ["passwordExpired", "locked", "mustChange"];

async function bind(client: Client, name: string, password: string): Promise<LdapRefusal | undefined> {
  const control = new PasswordPolicyControl();
  const refusal = await answerOf(client.bind(name, password, control).then(() => undefined));
  const policy = POLICY_VERDICTS[control.value?.error ?? -1];
  if (refusal !== undefined) return policy === undefined ? refusal : { ...refusal, policy };
  return policy === "mustChange"
    ? { code: 53, text: "the password must be changed first", policy }
    : undefined;
}

async function search(
  client: Client,
  { base, scope, filter, attributes, binary = [], limit }: SearchRequest,
): Promise<readonly Entry[] | LdapRefusal> {
  const options = { scope, filter, attributes: [...attributes], explicitBufferAttributes: [...binary] };
  if (limit !== undefined) return (await client.search(base, { ...options, sizeLimit: limit })).searchEntries;
  const entries: Entry[] = [];
  const refusal = await answerOf(
    (async () => {
      for await (const page of client.searchPaginated(base, options)) entries.push(...page.searchEntries);
    })(),
  );
  if (refusal === undefined) return entries;
  return entries.length === 0 ? refusal : { ...refusal, partial: entries };
}

/** Returns refusals of the server as results; throws its internal errors. */
async function answerOf<T>(request: Promise<T>): Promise<T | LdapRefusal> {
  try {
    return await request;
  } catch (error) {
    if (error instanceof ResultCodeError) annotate("authmq.ldap.result_code", error.code);
    if (error instanceof ResultCodeError && !SERVER_FAULTS.includes(error.code))
      return { code: error.code, text: error.message.replace(CODE_AT_END, "") };
    throw error;
  }
}

function unreachable(server: DirectoryServer, error: unknown, answered: boolean): Unreachable {
  const text = messageOf(error).replaceAll(/\s+/g, " ");
  return new Unreachable(`${server.url}: ${text}${adviceOnTls(error)}`, { cause: error, answered });
}

/** Advice for operators about an untrusted certificate. */
function adviceOnTls(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return ": ldap_settings.address must name the server as its certificate does";
  return /CERT|ISSUER|SIGNATURE/.test(code)
    ? ": check ldap_settings.ca_file and the server's certificate"
    : "";
}
