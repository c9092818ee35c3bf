import { createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Database } from "../../src/db/database.ts";
import type { AuthType } from "../../src/db/tables.ts";
import type { QueueName } from "../../src/wire/queues.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { secondFactors } from "../support/second-factor.ts";
import { insertSession, latestSessionOf } from "../support/session-row.ts";
import { type DatabaseKind, startWorker, type TestWorker } from "../support/worker.ts";
import { accessClaims, decodePart } from "../tokens/craft.ts";
import type { Envelope } from "./envelopes.ts";
import { assemble, eddsa, newEc, newEd25519, newRsa, pemOf, rs256, type Sign } from "./forge.ts";
import { connectWire, type Wire } from "./wire.ts";

/** The password of every user with a password; it contains none of their names. */
export const PASSWORD = "correct horse battery";

/** A user whose one session no attack ends: none logs it in or changes it. */
export const SIGNER = "signer";

/** A password from the blocklist. */
export const BLOCKED = "trustno1-trustno1";
const blocklist = join(scratchFolder, "security-blocklist.txt");
writeFileSync(blocklist, `letmein12345\r\n${BLOCKED}\n`);

/** The keys of the other issuers, and one of no configured issuer. */
export const partner = newRsa();
export const reseller = newEc();
export const legacySecret = randomBytes(64);
export const untrusted = { ed25519: newEd25519(), rsa: newRsa(), ec: newEc() };
const closedKey = newRsa();

const issuers = [
  { name: "partner", secret: { type: "plain", value: pemOf(partner.publicKey) }, methods: ["RS256"] },
  { name: "reseller", secret: { type: "plain", value: pemOf(reseller.publicKey) }, methods: ["ES256"] },
  {
    name: "legacy",
    secret: { type: "base64plain", value: legacySecret.toString("base64") },
    methods: ["HS256"],
  },
] as unknown as Record<string, unknown>; // a list, although the type of the options expects an object

const privatePem = closedKey.privateKey.export({ type: "pkcs8", format: "pem" }).toString();

const { passkeys, second_factor } = secondFactors().app_config;
const { encryption_keys } = secondFactors();
/** The group whose members must have a second factor. */
export const MUST_ENROL = "must-enrol";
const factors = { passkeys, second_factor, second_factor_groups: [MUST_ENROL] };

/**
 * usual: the defaults, with open registration. closed: the strictest settings. lax: names with nearly any character.
 */
const CONFIGURATIONS = {
  usual: {
    jwt_validation: issuers,
    encryption_keys,
    app_config: { ...factors, allow_registration: true, password_blocklist: blocklist },
  },
  closed: {
    jwt_validation: issuers,
    jwt_creation: { audience: "services", signmethod: "RS256", secret: { type: "plain", value: privatePem } },
    encryption_keys,
    app_config: {
      ...factors,
      anonymous_user_get: false,
      session_renewal_time: 60,
      vhosts: ["prod", "staging"],
      login_throttle: { free_failures: 3 },
    },
  },
  lax: {
    encryption_keys,
    app_config: {
      ...factors,
      allow_registration: true,
      auto_activate_accounts: false,
      username_regex: ".{1,100}",
      group_regex: ".{1,100}",
      email_regex: ".+@.+",
    },
  },
} as const;

/** The attacked installation. */
export type AttackedInstallation = keyof typeof CONFIGURATIONS;

export const INSTALLATIONS: readonly AttackedInstallation[] = ["usual", "closed", "lax"];

interface Person {
  readonly username: string;
  readonly password: string;
}

interface PersonOptions {
  readonly username?: string;
  readonly groups?: readonly string[];
  readonly activated?: boolean;
  readonly authType?: AuthType;
  readonly password?: string;
}

/** An installation with users, and what an attacker may have obtained. */
export interface AttackFixture extends AsyncDisposable {
  readonly database: DatabaseKind;
  readonly worker: TestWorker;
  readonly db: Database;
  readonly wire: Wire;
  /** The installation's signing key, and its algorithm. */
  readonly own: { readonly sign: Sign; readonly alg: string; readonly publicKey: KeyObject };
  /** An unused username. */
  readonly newName: () => string;
  /** Creates a user with a unique name and PASSWORD directly in the database. */
  readonly newUser: (options?: PersonOptions) => Promise<Person>;
  /** A valid access token for a username, which need not exist. */
  readonly accessToken: (username: string, groups?: readonly string[]) => Promise<string>;
  /** A valid access token of an administrator. */
  readonly adminToken: () => Promise<string>;
  /** A valid ID token from a login; throws if the login fails. */
  readonly idToken: (person: Person, more?: object) => Promise<string>;
  /** The ID token of a session that no attack may end, because many attacks share it. */
  readonly liveSession: () => Promise<string>;
  /**
   * The claims of an access token that this installation could have issued to SIGNER, for its live session, with
   * modifications; undefined removes a claim.
   */
  readonly ownClaims: (changes?: Record<string, unknown>) => Record<string, unknown>;
  /** The claims that name a user and its live session, which is created if there is none. */
  readonly sessionOf: (username: string) => Promise<{ sub: string; user: string; sid: string }>;
  /** An access token of `ownClaims`, signed by this installation, with modified claims and header members. */
  readonly signedAccess: (claims?: Record<string, unknown>, header?: Record<string, unknown>) => string;
  /** A valid ID token with modified claims and header members, signed again by this installation. */
  readonly resigned: (
    idToken: string,
    claims?: Record<string, unknown>,
    header?: Record<string, unknown>,
  ) => string;
  /** The reply to a valid request. */
  readonly ask: (queue: QueueName, request: object) => Promise<Envelope>;
}

/**
 * Starts an installation. root is its only administrator, carol is deactivated, lara is an LDAP and kurt a Kerberos
 * user.
 */
export async function openFixture(
  database: DatabaseKind,
  installation: AttackedInstallation,
): Promise<AttackFixture> {
  const worker = await startWorker({ database, config: CONFIGURATIONS[installation] });
  await worker.addUser("root", PASSWORD, { groups: ["admin"] });
  await worker.addUser("alice", PASSWORD, { groups: ["dev"] });
  for (const name of ["bobby", "steady"]) await worker.addUser(name, PASSWORD);
  await worker.addUser("carol", PASSWORD, { activated: false });
  for (const [name, authType] of [
    ["lara", "LDAP"],
    ["kurt", "KERBEROS"],
  ] as const)
    await worker.addUser(name, "", { authType });
  await worker.addUser(SIGNER, PASSWORD);
  const wire = await connectWire(worker.url);
  const { key, method: alg, audience } = worker.config.signing!;
  const own = { alg, sign: (alg === "RS256" ? rs256 : eddsa)(key), publicKey: createPublicKey(key) };
  let count = 0;
  const newName = (): string => `person-${count++}`;
  let live: Promise<string> | undefined;
  const sessionOf: AttackFixture["sessionOf"] = async (username) => {
    const latest = await latestSessionOf(worker.db, username);
    const sid = String(latest?.token_id ?? (await insertSession(worker.db, username)));
    return { sub: username, user: username, sid };
  };
  const signer = { ...(await sessionOf(SIGNER)), ...(audience === undefined ? {} : { aud: audience }) };
  const ownClaims: AttackFixture["ownClaims"] = (changes) => accessClaims({ ...signer, ...changes });
  return {
    database,
    worker,
    db: worker.db,
    wire,
    own,
    newName,
    async newUser({ username = newName(), password = PASSWORD, ...options } = {}) {
      await worker.addUser(username, password, { email: `mail-${count++}@example.com`, ...options });
      return { username, password };
    },
    accessToken: (username, groups) => worker.accessToken(username, groups),
    adminToken: () => worker.accessToken("root", ["admin"]),
    idToken: ({ username, password }, more) => worker.login(username, password, more),
    liveSession: () => (live ??= worker.login("steady", PASSWORD)),
    ownClaims,
    sessionOf,
    signedAccess: (claims, header) =>
      assemble({ alg, typ: "at+jwt", ...header }, ownClaims(claims), own.sign),
    resigned: (idToken, claims, header) =>
      assemble({ ...decodePart(idToken, 0), ...header }, { ...decodePart(idToken, 1), ...claims }, own.sign),
    ask: (queue, request) => worker.call(queue, request),
    async [Symbol.asyncDispose]() {
      await wire[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    },
  };
}
