import { once } from "node:events";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Client, type Entry, type Filter, PasswordPolicyControl, ResultCodeError } from "ldapts";
import type { DirectoryServer } from "../../config/directory.ts";
import { messageOf } from "../../errors.ts";
import { annotate, type SpanDescription, traced } from "../../observability/tracing.ts";
import { sharedLookup } from "./lookup.ts";

/** A server cannot be used now: no connection, no trust in its certificate, no answer in time, or a fault of its own. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
  /** Whether it answered before on this connection: then it may be this question alone that it cannot answer. */
  readonly answered: boolean;

  constructor(message: string, { answered, ...options }: ErrorOptions & { answered: boolean }) {
    super(message, options);
    this.answered = answered;
  }
}

/** What a server answered instead of success: the result code (RFC 4511 section 4.1.9) and its text. */
export interface LdapRefusal {
  readonly code: number;
  readonly text: string;
  /** What a search found before it was refused, where it found something: a limit of the server ended it. */
  readonly partial?: readonly Entry[];
  /** What the server's password policy says, where it says something. */
  readonly policy?: PolicyVerdict;
}

/** Verdicts of a password policy on a bind (draft-behera-ldap-password-policy 6.2). */
export type PolicyVerdict = "passwordExpired" | "locked" | "mustChange";

/** What is searched for, and what of it is wanted. */
export interface SearchRequest {
  readonly base: string;
  readonly scope: "base" | "sub";
  readonly filter: Filter;
  readonly attributes: readonly string[];
  /** Those of them whose values are bytes, in the server's spelling. */
  readonly binary?: readonly string[];
  /** How many entries at most; without it all of them, in pages. */
  readonly limit?: number;
}

/** One connection to a directory server, under one deadline for everything that is done on it. */
export interface LdapConnection {
  /**
   * Proves a password; undefined is success. The password must not be empty: that would be no proof (RFC 4513 5.1.2).
   * One that is accepted for nothing but its own change is a refusal.
   */
  bind(name: string, password: string): Promise<LdapRefusal | undefined>;
  /** The entries found, or the server's refusal. Referrals are not followed. */
  search(request: SearchRequest): Promise<readonly Entry[] | LdapRefusal>;
}

/** ldapts writes the code behind the server's text. */
const CODE_AT_END = / Code: 0x[0-9a-f]+$/;

/** Result codes that say nothing of the question: the server is busy, overloaded, stopping, or at fault. */
const SERVER_FAULTS: readonly number[] = [1, 2, 3, 11, 51, 52, 54, 80];

/** The extended operation that begins TLS (RFC 4511 section 4.14). */
const START_TLS = "1.3.6.1.4.1.1466.20037";

/**
 * Connects, does the work and closes again. Throws Unreachable when the server cannot be used, which it also is when
 * all that takes longer than `timeout` ms, or when `stopped` is aborted.
 */
export async function withConnection<T>(
  server: DirectoryServer,
  { ca, timeout, stopped }: { ca: Buffer | undefined; timeout: number; stopped?: AbortSignal },
  work: (connection: LdapConnection) => Promise<T>,
): Promise<T> {
  let answered = false;
  // ldapts has no deadline for a TLS handshake, and after one of its own it connects again, unbound.
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
    opened.on("error", () => undefined); // whoever waits on the socket hears of it, too
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

/** Neither who is asked about nor what is proven. */
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
    // What came in clear behind the answer must not be read as the beginning of what comes by TLS: whoever stands
    // between could make a success of a refusal. So that client's reader is not used again.
    socket.removeAllListeners("data");
  }
  const secure = connectTls({
    socket,
    // The name that the certificate must have; an address is no name to ask for (RFC 6066 section 3).
    host: server.host,
    ...(isIP(server.host) === 0 ? { servername: server.host } : {}),
    ...(ca === undefined ? {} : { ca }),
    // Said, because NODE_TLS_REJECT_UNAUTHORIZED=0 would change what is not.
    rejectUnauthorized: true,
  });
  secure.on("error", () => undefined);
  await once(secure, "secureConnect");
  return clientOver(secure);
}

function clientOver(socket: Socket): Client {
  return new Client({ url: "ldap://connected", createConnection: () => socket });
}

/** The words of the password policy control in the order of their numbers; others do not come in answers to a bind. */
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

/** The server's answer, be it a refusal; a fault of the server stays an error. */
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

/** What an operator can do about a certificate that is not trusted. */
function adviceOnTls(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID")
    return ": ldap_settings.address must name the server as its certificate does";
  return /CERT|ISSUER|SIGNATURE/.test(code)
    ? ": check ldap_settings.ca_file and the server's certificate"
    : "";
}
