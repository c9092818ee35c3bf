import { decodePart, secondsFromNow } from "../../tokens/craft.ts";
import { attack, type Attack, attacks } from "../attack.ts";
import { INACTIVE, invalid, NOT_A_STRING, MISSING } from "../envelopes.ts";
import { assemble, hmac, idClaims, pemOf, unsigned } from "../forge.ts";
import { legacySecret, partner, untrusted, type AttackFixture } from "../fixture.ts";

/** Access tokens that this installation has not issued, of existing and unknown users. */
const FORGERIES: Readonly<Record<string, (fixture: AttackFixture) => string | Promise<string>>> = {
  "without a signature": ({ ownClaims }) => assemble({ alg: "none", typ: "at+jwt" }, ownClaims(), unsigned),
  "of an unknown key": ({ own: { alg }, ownClaims }) =>
    assemble({ alg, typ: "at+jwt" }, ownClaims(), untrusted.ed25519.sign),
  "of an unknown key, of an unknown user": ({ own: { alg }, ownClaims }) =>
    assemble(
      { alg, typ: "at+jwt" },
      ownClaims({ sub: "nobody-here", user: "nobody-here" }),
      untrusted.ed25519.sign,
    ),
  "of an unknown key that it contains": ({ own: { alg }, ownClaims }) =>
    assemble(
      { alg, typ: "at+jwt", jwk: untrusted.ed25519.publicKey.export({ format: "jwk" }) },
      ownClaims(),
      untrusted.ed25519.sign,
    ),
  "with the public key as the secret": ({ own: { publicKey }, ownClaims }) =>
    assemble({ alg: "HS256", typ: "at+jwt" }, ownClaims(), hmac("sha256", pemOf(publicKey))),
  "of a partner in our name": ({ ownClaims }) =>
    assemble({ alg: "RS256", typ: "at+jwt" }, ownClaims({ iss: "authmq" }), partner.sign),
  "of an issuer with a secret, in our name": ({ ownClaims }) =>
    assemble({ alg: "HS256", typ: "at+jwt" }, ownClaims(), hmac("sha256", legacySecret)),
  "of ours that has expired": ({ signedAccess }) => signedAccess({ exp: secondsFromNow(-60) }),
  "of ours without exp": ({ signedAccess }) => signedAccess({ exp: undefined }),
  "of ours that is for the broker": ({ signedAccess }) => signedAccess({}, { typ: "rabbitmq+jwt" }),
  "of ours without typ": ({ signedAccess }) => signedAccess({}, { typ: undefined }),
  "of ours of an unknown user": ({ signedAccess }) =>
    signedAccess({ sub: "nobody-here", user: "nobody-here" }),
  "of ours of a deactivated user": async ({ sessionOf, signedAccess }) =>
    signedAccess(await sessionOf("carol")),
  "of ours with a name that is SQL": ({ signedAccess }) => {
    const sub = "' or '1'='1";
    return signedAccess({ sub, user: sub });
  },
  "of ours of 33,000 characters": ({ signedAccess }) => signedAccess({ padding: "x".repeat(33_000) }),
};

const forgeries = attacks("an introspection of a token", "introspect", FORGERIES, async (forge, fixture) => ({
  request: { token: await forge(fixture) },
  reply: INACTIVE,
}));

/** Attempts with an observed ID token, without its session. */
const sessions = attacks(
  "an introspection of an ID token",
  "introspect",
  {
    "with another session's id": { kid: "1" },
    "with a kid that is SQL": { kid: "1 or 1=1" },
  },
  async (header, fixture) => ({
    request: { token: fixture.resigned(await fixture.liveSession(), {}, header) },
    reply: INACTIVE,
  }),
);

const others = [
  attack(
    "an introspection of an ID token with the header of an access token",
    "introspect",
    async (fixture) => {
      const [header] = (await fixture.accessToken("root")).split(".");
      const [, ...rest] = (await fixture.liveSession()).split(".");
      return { request: { token: [header, ...rest].join(".") }, reply: INACTIVE };
    },
  ),
  attack("an introspection of a partner's ID token", "introspect", async (fixture) => {
    const kid = decodePart(await fixture.liveSession(), 0)["kid"];
    const token = assemble({ alg: "RS256", typ: "id+jwt", kid }, idClaims({ iss: "partner" }), partner.sign);
    return { request: { token }, reply: INACTIVE };
  }),
  attack("an introspection with ip set to any address", "introspect", async (fixture) => {
    const token = await fixture.idToken(await fixture.newUser(), { ip: "192.0.2.7" });
    return { request: { token, ip: "*" }, reply: INACTIVE };
  }),
  attack("an introspection whose request claims that the token is active", "introspect", {
    request: { token: "a.b.c", active: true, sub: "root", groups: ["admin"] },
    reply: INACTIVE,
  }),
  attack("an introspection of several tokens at once", "introspect", async ({ liveSession }) => ({
    request: { token: [await liveSession(), await liveSession()] },
    reply: invalid(["token", NOT_A_STRING]),
  })),
  attack("an introspection in the field of another token", "introspect", async ({ adminToken }) => ({
    request: { access_token: await adminToken() },
    reply: invalid(["token", MISSING]),
  })),
];

/** The attacker introspects tokens to find users and sessions, or to have a forged token accepted. */
export const introspection: Attack[] = [...forgeries, ...sessions, ...others];
