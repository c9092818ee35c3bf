import type { AuthenticationResponseJSON } from "@simplewebauthn/server";
import { challengeLogin } from "../../accounts/challenges.ts";
import type { FactorUse } from "../../accounts/factors.ts";
import { recordFailedLogin, type VerifiedLogin } from "../../accounts/sessions.ts";
import type { AppConfig } from "../../config/schema.ts";
import type { Database } from "../../db/database.ts";
import { type ChallengeRow, countAnswer, findChallenge, uncountAnswer } from "../../db/queries/challenges.ts";
import { type FactorRow, findPasskey, findTotp } from "../../db/queries/factors.ts";
import { findUser } from "../../db/queries/users.ts";
import type { ChallengePurpose, UserRow } from "../../db/tables.ts";
import { inTransaction, withRetry } from "../../db/transaction.ts";
import type { LoginStep } from "../../errors.ts";
import { createChallenge, digestOfChallenge } from "../../tokens/challenge.ts";
import { SETUP_LIFETIME } from "../../tokens/issuer.ts";
import { digestOfRecoveryCode } from "../../tokens/recovery-codes.ts";
import { isUsableFrom } from "../session.ts";
import { digestOfCredential, PASSKEY_TIMEOUT, requestOptions, verifyRequest } from "./passkeys.ts";
import { methodsOf } from "./policy.ts";
import { type SecretBox, totpPurpose } from "./secret-box.ts";
import { findTotpStep } from "./totp.ts";

/** How long a challenge can be answered, in milliseconds. */
export const CHALLENGE_LIFETIME = PASSKEY_TIMEOUT;

/** Answers to a challenge; the next one is refused, even if it is right. */
const MAX_ANSWERS = 5;

/** The challenges that `login_continue` answers. */
const LOGINS: readonly ChallengePurpose[] = ["login", "passkey_login"];

/** Where a login comes from. */
export type LoginOrigin = Pick<ChallengeRow, "ip" | "vhost" | "client">;

/** An answer to a challenge: exactly one of the three. */
export interface Answer {
  readonly challenge: string;
  readonly ip: string;
  readonly totp?: string | undefined;
  readonly recovery_code?: string | undefined;
  readonly passkey?: AuthenticationResponseJSON | undefined;
}

/** A right answer: the account, what it used, and how it is authenticated now. */
export interface RightAnswer {
  readonly user: UserRow;
  readonly use: FactorUse;
  readonly login: ChallengeRow;
  readonly challengeHash: Uint8Array;
  /** RFC 8176. */
  readonly amr: readonly string[];
}

/** What a login needs next. */
export type IssuedChallenge = LoginStep & Required<Pick<LoginStep, "challenge">>;

/** Why a login with a second factor failed, as in events. */
type Refusal = "second-factor" | "not-activated";

/** Challenges of logins, which any replica can issue and check. */
export interface Challenges {
  /**
   * Records that a user's password was right and a second factor is needed; issues a challenge, for a setup token if the
   * account has no factor. Returns undefined if the account has changed since the password was compared.
   */
  issue(
    verified: VerifiedLogin,
    login: LoginOrigin & Pick<ChallengeRow, "amr">,
    factors: readonly FactorRow[],
  ): Promise<IssuedChallenge | undefined>;
  /** The account that an answer is for; undefined if the challenge or passkey is unknown. */
  accountOf(answer: Pick<Answer, "challenge" | "passkey">): Promise<string | undefined>;
  /** Checks an answer and counts it; undefined if it is refused, which is recorded as a failed login. */
  check(answer: Answer): Promise<RightAnswer | undefined>;
  /** Records as a failed login that an answer was refused although `check` has accepted it. */
  recordRefusal(answer: Answer, right: RightAnswer, reason: Refusal): Promise<void>;
}

interface ChallengeParts {
  readonly db: Database;
  readonly app: AppConfig;
  readonly secrets: SecretBox | undefined;
  /** Asks the directory for a user who logs in without a password; false if it refuses. */
  readonly confirm: (username: string) => Promise<boolean>;
}

/** Creates the challenges of a database. */
export function createChallenges({ db, app, secrets, confirm }: ChallengeParts): Challenges {
  const { passkeys: party } = app;

  const verifyPasskey = async (
    answer: AuthenticationResponseJSON,
    { username, challenge, isAlone }: { username: string; challenge: string; isAlone: boolean },
  ): Promise<FactorUse | undefined> => {
    const row = party && (await findPasskey(db, digestOfCredential(answer.id)));
    if (party === undefined || row?.username !== username) return undefined;
    const verified = await verifyRequest(party, answer, row, { challenge, isAlone });
    return verified && { type: "passkey", row, signCount: verified.signCount };
  };

  const verifyTotp = async (code: string, username: string): Promise<FactorUse | undefined> => {
    const totp = secrets && (await findTotp(db, username));
    if (secrets === undefined || totp === undefined) return undefined;
    const secret = await secrets.open(totp.keyId, totp.sealed, totpPurpose(totp.id));
    const step = findTotpStep(secret, code);
    return step === undefined ? undefined : { type: "totp", id: totp.id, step };
  };

  const verifyAnswer = async (
    { challenge, totp, recovery_code, passkey }: Answer,
    username: string,
    isAlone: boolean,
  ): Promise<FactorUse | undefined> => {
    if (passkey !== undefined) return verifyPasskey(passkey, { username, challenge, isAlone });
    if (isAlone) return undefined;
    if (totp !== undefined) return verifyTotp(totp, username);
    return recovery_code === undefined
      ? undefined
      : { type: "recovery_code", hash: digestOfRecoveryCode(recovery_code) };
  };

  /** The account of an answer; a login without a username is by the owner of the passkey. */
  const usernameOf = async (
    login: ChallengeRow,
    { passkey }: Pick<Answer, "passkey">,
  ): Promise<string | undefined> => {
    if (login.purpose === "login") return login.username ?? undefined;
    if (login.purpose !== "passkey_login" || passkey === undefined) return undefined;
    return (await findPasskey(db, digestOfCredential(passkey.id)))?.username;
  };

  /** Whether the login source still accepts a user: without a password, nothing has asked it yet. */
  const isConfirmed = async ({ auth_type, username }: UserRow): Promise<boolean> =>
    auth_type === "LOCAL" || (auth_type === "LDAP" && (await confirm(username)));

  const verify = async (
    answer: Answer,
    login: ChallengeRow,
    hash: Uint8Array,
  ): Promise<RightAnswer | undefined> => {
    const username = await usernameOf(login, answer);
    const user = username === undefined ? undefined : await findUser(db, username);
    if (user === undefined || user.username !== username || user.auth_type === "SERVICE") return undefined;
    const isAlone = login.purpose === "passkey_login";
    if (!isAlone && user.modified_at !== login.accountModifiedAt) return undefined;
    const use = await verifyAnswer(answer, username, isAlone);
    if (use === undefined) return undefined;
    if (isAlone && !(await isConfirmed(user))) return undefined;
    return { user, use, login, challengeHash: hash, amr: [...login.amr, ...amrOf(use, isAlone)] };
  };

  /** An answer that could not be checked does not count: retries would use up the challenge. */
  const orUncounted = <T>(hash: Uint8Array, verified: Promise<T>): Promise<T> =>
    verified.catch(async (error: unknown) => {
      await withRetry(() => uncountAnswer(db, hash)).catch(() => undefined); // the first error says more
      throw error;
    });

  return {
    async issue(verified, login, factors) {
      const challenge = createChallenge();
      const methods = methodsOf(app, factors);
      const [purpose, lifetime] =
        factors.length === 0
          ? (["setup", SETUP_LIFETIME] as const)
          : (["login", CHALLENGE_LIFETIME] as const);
      const row = { hash: digestOfChallenge(challenge), purpose, expiresAt: new Date(Date.now() + lifetime) };
      const isRecorded = await inTransaction(db, (trx) =>
        challengeLogin({ trx, actor: null }, verified, { ...login, methods }, row),
      );
      if (!isRecorded) return undefined;
      const known = factors.flatMap(({ passkey }) => passkey ?? []);
      if (party === undefined || known.length === 0) return { challenge, methods };
      return { challenge, methods, passkey_options: await requestOptions(party, challenge, known) };
    },
    async accountOf({ challenge, passkey }) {
      const login = await findChallenge(db, digestOfChallenge(challenge));
      return login && usernameOf(login, { passkey });
    },
    async check(answer) {
      const hash = digestOfChallenge(answer.challenge);
      const login = await findChallenge(db, hash);
      if (login === undefined || !LOGINS.includes(login.purpose)) return undefined;
      // Counted first: of parallel guesses, none may be checked beyond the limit.
      const isCounted =
        isUsableFrom(login, answer.ip) && (await withRetry(() => countAnswer(db, hash, MAX_ANSWERS)));
      const right = isCounted ? await orUncounted(hash, verify(answer, login, hash)) : undefined;
      // If the challenge is gone, it was answered meanwhile, perhaps by another delivery of this request.
      if (right === undefined && (await findChallenge(db, hash)) !== undefined) {
        const username = (await usernameOf(login, answer)) ?? null;
        await recordFailedLogin(db, { reason: "second-factor", username, ip: answer.ip, vhost: login.vhost });
      }
      return right;
    },
    recordRefusal: ({ ip }, { login: { vhost }, user: { username } }, reason) =>
      recordFailedLogin(db, { reason, username, ip, vhost }),
  };
}

/** How a factor authenticates (RFC 8176), after what came before it. */
export function amrOf({ type }: Pick<FactorUse, "type">, isAlone = false): readonly string[] {
  if (type !== "passkey") return ["otp", "mfa"];
  return isAlone ? ["hwk", "user", "mfa"] : ["hwk", "mfa"];
}
