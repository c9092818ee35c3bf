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

/** When nothing moved on any connection for so many milliseconds, those that wait for one are not kept waiting. */
const STALL_TIMEOUT = 1000;

/** A user as the directory describes it; groups without their prefix. */
export interface DirectoryAccount {
  /** The login name that was asked for, in the directory's spelling. */
  readonly name: string;
  /** All login names that this person alone has, the most lasting one first. */
  readonly names: readonly string[];
  /** What the directory calls the entry whatever its name, the preferred one first; none where it shows none. */
  readonly ids: readonly string[];
  readonly mails: readonly string[];
  readonly groups: readonly string[];
}

/** The account, or why it may not log in. */
export type DirectoryVerdict =
  | { readonly ok: true; readonly account: DirectoryAccount }
  | { readonly ok: false; readonly reason: LdapReason };

/** Asks the directory about users; rejects with UNAVAILABLE when it cannot say, and with RequestCancelled like the limiter. */
export interface Directory {
  /** Whether the password is the user's and the user may log in. */
  authenticate(username: string, password: string, isCancelled: CancellationCheck): Promise<DirectoryVerdict>;
  /** Whether the user may still be here, asked by the service account. */
  lookUp(username: string): Promise<DirectoryVerdict>;
  /** What kept the latest questions from an answer; undefined when nothing did. */
  readonly fault: string | undefined;
  /** Ends what is under way. */
  close(): void;
}

/** The configured directory; nothing is connected before the first question. */
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
    question: (asked: Question) => Promise<DirectoryVerdict>,
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
              (connection) => question({ config, connection, server, nested, account }),
            );
          });
        } finally {
          metrics.observe("directory_duration_seconds", (performance.now() - since) / 1000);
        }
      }),
    );
  return {
    authenticate: (username, password, isCancelled) =>
      ask(isCancelled, config.bind.kind === "search", (asked) => {
        const name = bindName(config, username);
        return name === undefined
          ? authenticateFound(asked, username, password)
          : authenticateNamed(asked, username, password, name);
      }),
    lookUp: (username) =>
      ask(
        () => false,
        true,
        (asked) => lookUp(asked, username),
      ),
    get fault() {
      return servers.fault ?? account.fault;
    },
    close: () => stopping.abort(),
  };
}

/**
 * Whether a directory can be asked about a name and a password at all. An empty password would succeed without proving
 * anything (RFC 4513 section 5.1.2); the characters are those that no account name may have (MS-SAMR 3.1.1.6) and those
 * that would name another domain or account.
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

interface Question {
  readonly config: DirectoryConfig;
  readonly connection: LdapConnection;
  readonly server: DirectoryServer;
  readonly nested: NestedGroups;
  readonly account: ServiceAccount;
}

/** The user binds by a name that is made from the template, and searches its own entry. */
async function authenticateNamed(
  asked: Question,
  username: string,
  password: string,
  name: string,
): Promise<DirectoryVerdict> {
  const refusal = await asked.connection.bind(name, password);
  if (refusal !== undefined) return refused(refusal);
  const found = await searchEntry(asked, username);
  if (isRestricted(found)) return { ok: false, reason: REASONS.mustChange };
  const entry = chooseEntry(asked.config, found, username);
  if (!("dn" in entry)) return { ok: false, reason: entry };
  // A principal name may belong to one account and the attribute of the filter to another: the entry must agree.
  if (!namesEntry(asked.config, name, entry.dn)) {
    const disproof = await asked.connection.bind(entry.dn, password);
    if (disproof !== undefined) return refused(disproof);
  }
  const reason = refusalAtLogin(entry, new Date());
  if (reason !== undefined) return { ok: false, reason };
  return accountOf(asked, entry, username, await namesOf(asked, entry, username));
}

/** The service account searches the entry, and the user binds as this entry. */
async function authenticateFound(
  asked: Question,
  username: string,
  password: string,
): Promise<DirectoryVerdict> {
  const { connection, config, account, server } = asked;
  await account.bind(connection, server);
  const entry = chooseEntry(config, await searchEntry(asked, username), username);
  const found = "dn" in entry;
  // The same steps for a name that is not there, so that it is not answered sooner.
  const refusal = await connection.bind(found ? entry.dn : `cn=${randomUUID()},${config.base_dn}`, password);
  if (!found) return { ok: false, reason: entry };
  if (refusal !== undefined) return refused(refusal);
  // Some directories accept a password that must be changed first, and then nothing but its change.
  const own = { base: entry.dn, scope: "base", filter: ANY, attributes: ["1.1"], limit: 1 } as const;
  if (isRestricted(await connection.search(own))) return { ok: false, reason: REASONS.mustChange };
  const reason = refusalAtLogin(entry, new Date());
  if (reason !== undefined) return { ok: false, reason };
  const hasOtherNames = entry.all(config.userFilter.nameAttribute).length > 1;
  if (config.nested_groups || hasOtherNames) await account.bind(connection, server);
  return accountOf(asked, entry, username, await namesOf(asked, entry, username));
}

async function lookUp(asked: Question, username: string): Promise<DirectoryVerdict> {
  const { config } = asked;
  await asked.account.bind(asked.connection, asked.server);
  const entry = chooseEntry(config, await searchEntry(asked, username), username);
  if (!("dn" in entry)) return { ok: false, reason: entry };
  const reason = refusalAtRevalidation(entry, new Date());
  if (reason !== undefined) return { ok: false, reason };
  return accountOf(asked, entry, username, [nameOf(config, entry, username)]);
}

function searchEntry(
  { config, connection }: Question,
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

/** The one entry that a search found, or why there is none. */
function chooseEntry(
  { base_dn, userFilter: { nameAttribute } }: DirectoryConfig,
  found: Awaited<ReturnType<LdapConnection["search"]>>,
  username: string,
): DirectoryEntry | LdapReason {
  const [entry, other] = entriesOf(found, base_dn);
  if (entry === undefined) return REASONS.unknown;
  if (other !== undefined) return REASONS.ambiguous;
  // Directories find more than what is equal: without accents, with other blanks. That is another name.
  const isNamed = entry.all(nameAttribute).some((name) => isSameDirectoryName(name, username));
  return isNamed ? entry : REASONS.otherName;
}

async function accountOf(
  { config, connection, server, nested }: Question,
  entry: DirectoryEntry,
  username: string,
  names: readonly string[],
): Promise<DirectoryVerdict> {
  // Active Directory gives 1500 values at a time; who is in more groups must not be taken for who is in none.
  if (entry.isPartial && !config.nested_groups)
    throw new AppError(
      "UNAVAILABLE",
      `directory: ${entry.dn} is in too many groups: set ldap_settings.nested_groups`,
    );
  const direct = entry.all("memberOf");
  // OpenLDAP keeps the old spelling of a renamed group in memberOf, so the group's own name comes first.
  const all = config.nested_groups ? [...(await nested.of(entry.dn, connection, server)), ...direct] : direct;
  const { mayLogIn, groups } = readMembership(all, config);
  if (!mayLogIn) return { ok: false, reason: REASONS.notInGroup };
  const [name, ids, mails] = [nameOf(config, entry, username), idsOf(entry, config), entry.all("mail")];
  return { ok: true, account: { name, names, ids, mails, groups } };
}

/** The name that was asked for, as the entry has it. */
function nameOf(
  { userFilter: { nameAttribute } }: DirectoryConfig,
  entry: DirectoryEntry,
  username: string,
): string {
  const name = entry.all(nameAttribute).find((one) => isSameDirectoryName(one, username));
  return (name ?? username).normalize("NFC");
}

/**
 * The login names of an entry: the one in its DN first, because the order of values may change. One name alone where
 * another entry has one of them as well, for then nobody knows whose account has it.
 */
async function namesOf(
  { config: { base_dn, userFilter }, config, connection }: Question,
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
