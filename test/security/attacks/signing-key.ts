import { toSqlTime } from "../../../src/db/time.ts";
import { decodePart, secondsFromNow } from "../../tokens/craft.ts";
import { attack, type Attack, attacks, type AttackContext } from "../attack.ts";
import { INVALID_TOKEN } from "../envelopes.ts";
import { assemble, idClaims } from "../forge.ts";
import type { AttackFixture } from "../fixture.ts";

function kidOf(idToken: string): string {
  return String(decodePart(idToken, 0)["kid"]);
}

/** Asserts that the attacked session is still valid. */
function assertSessionValid({ ask }: AttackFixture, id_token: string): () => Promise<void> {
  return async () => {
    const { resp_code } = await ask("token", { id_token });
    if (resp_code !== 200) throw new Error("the session was revoked");
  };
}

/** Session ids that resemble the right one, or are invalid. */
const IDS: Readonly<Record<string, (kid: string) => unknown>> = {
  "with a leading zero": (kid) => `0${kid}`,
  "with a plus": (kid) => `+${kid}`,
  "with a minus": (kid) => `-${kid}`,
  "with a trailing newline": (kid) => `${kid}\n`,
  "as a fraction": (kid) => `${kid}.0`,
  "in hexadecimal digits": (kid) => `0x${BigInt(kid).toString(16)}`,
  "in full-width digits": (kid) =>
    kid.replaceAll(/\d/g, (digit) => String.fromCharCode(0xff10 + Number(digit))),
  "plus 2 to the 64": (kid) => String(BigInt(kid) + 2n ** 64n),
  "as the nearest double": (kid) => BigInt(Math.trunc(Number(kid) * (1 + Number.EPSILON))).toString(),
  "2 to the 63": () => String(2n ** 63n),
  "2 to the 63 less one": () => String(2n ** 63n - 1n),
  zero: () => "0",
  "an empty string": () => "",
  "a path": () => "../../../../dev/null",
  "an SQL text": (kid) => `${kid} OR 1=1`,
  "a number instead of a string": (kid) => Number(kid),
  "a list": (kid) => [kid],
  null: () => null,
  "left out": () => undefined,
};

const ids = attacks(
  "an ID token signed by us whose kid is the right one",
  "token",
  IDS,
  async (change, fixture) => {
    const live = await fixture.liveSession();
    return {
      request: { id_token: fixture.resigned(live, {}, { kid: change(kidOf(live)) }) },
      reply: INVALID_TOKEN,
      after: assertSessionValid(fixture, live),
    };
  },
);

/** Claims that do not match the row. */
const CLAIMS: Readonly<Record<string, Record<string, unknown>>> = {
  "another user": { sub: "alice" },
  "an unknown user": { sub: "nobody-at-all" },
  "an issuer in another case": { iss: "AUTHMQ" },
  "no ip": { ip: undefined },
  "an ip of null": { ip: null },
  "an exp that is a string": { exp: "9999999999" },
  "an exp long ago": { exp: 1 },
  "an exp two minutes ago": { exp: secondsFromNow(-120) },
  "no end": { exp: undefined },
  "an nbf tomorrow": { nbf: secondsFromNow(86_400) },
  "an iat tomorrow": { iat: secondsFromNow(86_400) },
};

const claims = attacks(
  "an ID token signed by us, for a valid session, with",
  "token",
  CLAIMS,
  async (changes, fixture) => {
    const live = await fixture.liveSession();
    return {
      request: { id_token: fixture.resigned(live, changes) },
      reply: INVALID_TOKEN,
      after: assertSessionValid(fixture, live),
    };
  },
);

/** A user's own token, with the id of another user's session. */
async function withAnothersId(fixture: AttackFixture): Promise<AttackContext> {
  const [one, other] = [await fixture.newUser(), await fixture.newUser()];
  const mine = await fixture.idToken(one);
  const theirs = await fixture.idToken(other);
  return {
    request: { id_token: fixture.resigned(mine, {}, { kid: kidOf(theirs) }) },
    reply: INVALID_TOKEN,
    after: assertSessionValid(fixture, theirs),
  };
}

const rows = [
  attack("an ID token signed by us whose id has no row", "token", ({ own }) => ({
    request: {
      id_token: assemble({ alg: own.alg, typ: "id+jwt", kid: "4611686018427387904" }, idClaims(), own.sign),
    },
    reply: INVALID_TOKEN,
  })),
  attack("alice's name with the id of bobby's session", "token", withAnothersId),
  attack("alice's name with the id of bobby's session, to log it out", "logout", withAnothersId),
  attack("the user of the row in capitals", "token", async (fixture) => {
    const person = await fixture.newUser();
    const live = await fixture.idToken(person);
    return {
      request: { id_token: fixture.resigned(live, { sub: person.username.toUpperCase() }) },
      reply: INVALID_TOKEN,
      after: assertSessionValid(fixture, live),
    };
  }),
  attack("a token for any ip, for a row that is bound to an ip", "token", async (fixture) => {
    const live = await fixture.idToken(await fixture.newUser(), { ip: "10.0.0.1" });
    return { request: { id_token: fixture.resigned(live, { ip: "*" }) }, reply: INVALID_TOKEN };
  }),
  attack(
    "a token with the attacker's ip, for a row that is bound to another ip",
    "token",
    async (fixture) => {
      const live = await fixture.idToken(await fixture.newUser(), { ip: "10.0.0.1" });
      return {
        request: { id_token: fixture.resigned(live, { ip: "10.0.0.2" }), ip: "10.0.0.2" },
        reply: INVALID_TOKEN,
      };
    },
  ),
  attack("a token with a later exp than its row, which has expired", "token", async (fixture) => {
    const person = await fixture.newUser();
    const live = await fixture.idToken(person);
    const valid_until = toSqlTime(new Date(Date.now() - 1000));
    await fixture.db
      .updateTable("token")
      .set({ valid_until })
      .where("user_id", "=", person.username)
      .execute();
    return {
      request: { id_token: fixture.resigned(live, { exp: secondsFromNow(99_999) }) },
      reply: INVALID_TOKEN,
    };
  }),
  attack("an older ID token's id in a newer one", "token", async (fixture) => {
    const person = await fixture.newUser();
    const older = await fixture.idToken(person);
    const newer = await fixture.idToken(person);
    return {
      request: { id_token: fixture.resigned(newer, {}, { kid: kidOf(older) }) },
      reply: INVALID_TOKEN,
      after: assertSessionValid(fixture, newer),
    };
  }),
  ...attacks(
    "an ID token for a user who cannot log in with a local password,",
    "token",
    { "a directory user": "lara", "a Kerberos user": "kurt", "a deactivated user": "carol" },
    (sub, { own }) => ({
      request: { id_token: assemble({ alg: own.alg, typ: "id+jwt", kid: "1" }, idClaims({ sub }), own.sign) },
      reply: INVALID_TOKEN,
    }),
  ),
];

/** The attacker has the signing key, and forges ID tokens: the session's row decides. */
export const signingKey: Attack[] = [...ids, ...claims, ...rows];
