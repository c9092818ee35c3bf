import { randomUUID } from "node:crypto";
import type { DirectoryConfig, DirectoryServer } from "../../config/directory.ts";
import { leadingValue, parseDn } from "../../config/dn.ts";
import { isSameDirectoryName } from "../../db/directory-names.ts";
import { AppError } from "../../errors.ts";
import { OrFilter } from "ldapts";
import type { Log } from "../../observability/log.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { annotate, traced } from "../../observability/tracing.ts";
import { createConcurrencyLimiter, type CancellationCheck } from "../concurrency-limiter.ts";
import { refusalAtLogin, refusalAtRevalidation, STATE_ATTRIBUTES } from "./account-state.ts";
import { bindName, namesEntry } from "./bind-name.ts";
import { type LdapConnection, type LdapRefusal, withConnection } from "./connection.ts";
import { type DirectoryEntry, entriesOf } from "./entry.ts";
import { ANY, filterFor } from "./filter.ts";
import { readMembership } from "./groups.ts";
import { idAttributes, idsOf } from "./identity.ts";
import { NestedGroups } from "./nested-groups.ts";
import { adviceOnLdapReason, isRestricted, type LdapReason, REASONS, findLdapReason } from "./reason.ts";
import { Servers } from "./servers.ts";
import { ServiceAccount } from "./service-account.ts";

/** If no request starts or ends for this many milliseconds, waiting requests are rejected. */
const STALL_TIMEOUT = 1000;

/** A user in the directory. */
export interface DirectoryAccount {
  /** The requested login name, in the directory's spelling. */
  readonly name: string;
  /** All login names that only this user has; the first is the most permanent one. */
  readonly names: readonly string[];
  /** The permanent ids of the entry, the preferred one first; empty if the directory returns none. */
  readonly ids: readonly string[];
  readonly mails: readonly string[];
  /** Without groups_prefix. */
  readonly groups: readonly string[];
}

/** The account, or the reason for the refusal. */
export type DirectoryVerdict =
  | { readonly ok: true; readonly account: DirectoryAccount }
  | { readonly ok: false; readonly reason: LdapReason };

/** Verifies users of the directory; rejects with UNAVAILABLE if it cannot decide, or with RequestCancelled. */
export interface Directory {
  /** Verifies a user's password and that the user may log in. */
  authenticate(username: string, password: string, isCancelled: CancellationCheck): Promise<DirectoryVerdict>;
  /** Checks with the service account that a user may still log in. */
  lookUp(username: string): Promise<DirectoryVerdict>;
  /** Why the latest requests failed; undefined if they did not. */
  readonly fault: string | undefined;
  /** Cancels running requests. */
  close(): void;
}

/** Creates the directory; connects only when a request needs it. */
export function createDirectory(config: DirectoryConfig, log: Log, metrics: Metrics): Directory {
  const servers = new Servers(config.servers, log);
  const account = new ServiceAccount(config.service, log);
  const stopping = new AbortController();
  const nested = new NestedGroups(config);
  const stallTimeout = {
    limit: STALL_TIMEOUT,
    giveUp: () => new AppError("UNAVAILABLE", "directory: all connections hang"),
  };
  const limiter = createConcurrencyLimiter(config.max_connections, stallTimeout, (seconds) => {
    metrics.observe("lane_wait_seconds", seconds, { lane: "directory" });
    annotate("authmq.lane.wait_ms", seconds * 1000);
  });
  const ask = (
    isCancelled: CancellationCheck,
    usesAccount: boolean,
    operation: (session: DirectorySession) => Promise<DirectoryVerdict>,
  ): Promise<DirectoryVerdict> =>
    traced({ name: "ask directory" }, () =>
      limiter.run(isCancelled, async () => {
        const since = performance.now();
        try {
          return await servers.first(async (server) => {
            if (usesAccount) account.checkPause(server);
            return withConnection(
              server,
              { ca: config.ca, timeout: config.timeout_ms, stopped: stopping.signal },
              (connection) => operation({ config, connection, server, nested, account }),
            );
          });
        } finally {
          metrics.observe("directory_duration_seconds", (performance.now() - since) / 1000);
        }
      }),
    );
  return {
    authenticate: (username, password, isCancelled) =>
      ask(isCancelled, config.bind.kind === "search", (session) => {
        const name = bindName(config, username);
        return name === undefined
          ? authenticateFound(session, username, password)
          : authenticateNamed(session, username, password, name);
      }),
    lookUp: (username) =>
      ask(
        () => false,
        true,
        (session) => lookUp(session, username),
      ),
    get fault() {
      return servers.fault ?? account.fault;
    },
    close: () => stopping.abort(),
  };
}

/**
 * Whether a username and password may be sent to a directory. A bind with an empty password always succeeds (RFC 4513
 * section 5.1.2). The excluded characters are not allowed in account names (MS-SAMR 3.1.1.6) or separate a domain.
 */
export function isAskable(username: string, password: string): boolean {
  return (
    password !== "" &&
    !password.includes("\0") &&
    username !== "" &&
    username.trim() === username &&
    !/["/\\[\]:;|=,+*?<>@]|\p{Cc}/u.test(username)
  );
}

/** One connection, with everything that an operation on it needs. */
interface DirectorySession {
  readonly config: DirectoryConfig;
  readonly connection: LdapConnection;
  readonly server: DirectoryServer;
  readonly nested: NestedGroups;
  readonly account: ServiceAccount;
}

/** The user binds with a name from the template and then searches its own entry. */
async function authenticateNamed(
  session: DirectorySession,
  username: string,
  password: string,
  name: string,
): Promise<DirectoryVerdict> {
  const refusal = await session.connection.bind(name, password);
  if (refusal !== undefined) return refused(refusal);
  const found = await searchEntry(session, username);
  if (isRestricted(found)) return { ok: false, reason: REASONS.mustChange };
  const entry = chooseEntry(session.config, found, username);
  if (!("dn" in entry)) return { ok: false, reason: entry };
  // The bind name may belong to another account than the entry: verify the password for the entry too.
  if (!namesEntry(session.config, name, entry.dn)) {
    const entryRefusal = await session.connection.bind(entry.dn, password);
    if (entryRefusal !== undefined) return refused(entryRefusal);
  }
  const reason = refusalAtLogin(entry, new Date());
  if (reason !== undefined) return { ok: false, reason };
  return accountOf(session, entry, username, await namesOf(session, entry, username));
}

/** The service account searches the entry, and the user binds as it. */
async function authenticateFound(
  session: DirectorySession,
  username: string,
  password: string,
): Promise<DirectoryVerdict> {
  const { connection, config, account, server } = session;
  await account.bind(connection, server);
  const entry = chooseEntry(config, await searchEntry(session, username), username);
  const found = "dn" in entry;
  // Bind for unknown usernames too, so that the response time does not reveal them.
  const refusal = await connection.bind(found ? entry.dn : `cn=${randomUUID()},${config.base_dn}`, password);
  if (!found) return { ok: false, reason: entry };
  if (refusal !== undefined) return refused(refusal);
  // Some directories accept a bind with a password that must be changed, but then refuse everything else.
  const own = { base: entry.dn, scope: "base", filter: ANY, attributes: ["1.1"], limit: 1 } as const;
  if (isRestricted(await connection.search(own))) return { ok: false, reason: REASONS.mustChange };
  const reason = refusalAtLogin(entry, new Date());
  if (reason !== undefined) return { ok: false, reason };
  const hasOtherNames = entry.all(config.userFilter.nameAttribute).length > 1;
  if (config.nested_groups || hasOtherNames) await account.bind(connection, server);
  return accountOf(session, entry, username, await namesOf(session, entry, username));
}

async function lookUp(session: DirectorySession, username: string): Promise<DirectoryVerdict> {
  const { config } = session;
  await session.account.bind(session.connection, session.server);
  const entry = chooseEntry(config, await searchEntry(session, username), username);
  if (!("dn" in entry)) return { ok: false, reason: entry };
  const reason = refusalAtRevalidation(entry, new Date());
  if (reason !== undefined) return { ok: false, reason };
  return accountOf(session, entry, username, [nameOf(config, entry, username)]);
}

function searchEntry(
  { config, connection }: DirectorySession,
  username: string,
): ReturnType<LdapConnection["search"]> {
  const { base_dn, userFilter } = config;
  const ids = idAttributes(config);
  return connection.search({
    base: base_dn,
    scope: "sub",
    filter: filterFor(userFilter, username),
    attributes: [userFilter.nameAttribute, "mail", "memberOf", ...ids, ...STATE_ATTRIBUTES],
    binary: ids,
    limit: 2,
  });
}

/** The only entry that a search found, or the reason for the refusal. */
function chooseEntry(
  { base_dn, userFilter: { nameAttribute } }: DirectoryConfig,
  found: Awaited<ReturnType<LdapConnection["search"]>>,
  username: string,
): DirectoryEntry | LdapReason {
  const [entry, other] = entriesOf(found, base_dn);
  if (entry === undefined) return REASONS.unknown;
  if (other !== undefined) return REASONS.ambiguous;
  // Directory searches also match other names, for example without accents or with other blanks.
  const isNamed = entry.all(nameAttribute).some((name) => isSameDirectoryName(name, username));
  return isNamed ? entry : REASONS.otherName;
}

async function accountOf(
  { config, connection, server, nested }: DirectorySession,
  entry: DirectoryEntry,
  username: string,
  names: readonly string[],
): Promise<DirectoryVerdict> {
  // Active Directory returns at most 1500 values, in a ranged attribute: do not treat it as no groups.
  if (entry.isPartial && !config.nested_groups)
    throw new AppError(
      "UNAVAILABLE",
      `directory: ${entry.dn} is in too many groups: set ldap_settings.nested_groups`,
    );
  const direct = entry.all("memberOf");
  // OpenLDAP keeps the old spelling of a renamed group in memberOf, so the names of the group entries come first.
  const all = config.nested_groups ? [...(await nested.of(entry.dn, connection, server)), ...direct] : direct;
  const { mayLogIn, groups } = readMembership(all, config);
  if (!mayLogIn) return { ok: false, reason: REASONS.notInGroup };
  const [name, ids, mails] = [nameOf(config, entry, username), idsOf(entry, config), entry.all("mail")];
  return { ok: true, account: { name, names, ids, mails, groups } };
}

/** The requested name in the entry's spelling. */
function nameOf(
  { userFilter: { nameAttribute } }: DirectoryConfig,
  entry: DirectoryEntry,
  username: string,
): string {
  const name = entry.all(nameAttribute).find((one) => isSameDirectoryName(one, username));
  return (name ?? username).normalize("NFC");
}

/**
 * The login names of an entry, with the one in its DN first, because the order of values may change. Only the requested
 * name if another entry has one of them too, because its account is then ambiguous.
 */
async function namesOf(
  { config: { base_dn, userFilter }, config, connection }: DirectorySession,
  entry: DirectoryEntry,
  username: string,
): Promise<readonly string[]> {
  const { nameAttribute } = userFilter;
  const values = entry.all(nameAttribute);
  if (values.length > 1) {
    const filter = new OrFilter({ filters: values.map((value) => filterFor(userFilter, value)) });
    const found = await connection.search({
      base: base_dn,
      scope: "sub",
      filter,
      attributes: ["1.1"],
      limit: 2,
    });
    if ("code" in found || found.length !== 1) return [nameOf(config, entry, username)];
  }
  const inDn = leadingValue(parseDn(entry.dn) ?? [], nameAttribute.toLowerCase());
  const first = values.filter((value) => inDn !== undefined && isSameDirectoryName(value, inDn));
  return [...new Set([...first, ...values].map((value) => value.normalize("NFC")))];
}

function refused(refusal: LdapRefusal): DirectoryVerdict {
  const reason = findLdapReason(refusal);
  if (reason !== undefined) return { ok: false, reason };
  throw new AppError("UNAVAILABLE", `directory: a login is refused with ${adviceOnLdapReason(refusal)}`);
}
