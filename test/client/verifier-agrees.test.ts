import assert from "node:assert/strict";
import { test } from "node:test";
import { calculateJwkThumbprint, exportJWK } from "jose";
import { createVerifier, TokenError, type Verifier } from "../../src/client/index.ts";
import { findSessions } from "../../src/db/queries/id-tokens.ts";
import { accessTokens } from "../security/attacks/access-tokens.ts";
import { forgedAlgorithms } from "../security/attacks/forged-algorithms.ts";
import { forgedClaims } from "../security/attacks/forged-claims.ts";
import { forgedHeaders } from "../security/attacks/forged-headers.ts";
import { forgedSpellings } from "../security/attacks/forged-spellings.ts";
import { otherIssuers } from "../security/attacks/other-issuers.ts";
import { signingKey } from "../security/attacks/signing-key.ts";
import { pemOf } from "../security/forge.ts";
import {
  type AttackFixture,
  legacySecret,
  openFixture,
  partner,
  PASSWORD,
  reseller,
} from "../security/fixture.ts";
import { insertSession } from "../support/session-row.ts";

const ATTACKS = [
  ...accessTokens,
  ...forgedAlgorithms,
  ...forgedClaims,
  ...forgedHeaders,
  ...forgedSpellings,
  ...otherIssuers,
  ...signingKey,
];

/** Every token of the attacks, including ID tokens, with the attack's name; and one that nobody forged. */
async function forge(world: AttackFixture): Promise<Map<string, string>> {
  const tokens = new Map<string, string>();
  for (const attack of ATTACKS) {
    const { request } = await attack.stage(world);
    if (typeof request !== "object" || request instanceof Uint8Array) continue;
    for (const [field, token] of Object.entries(request))
      if (field.endsWith("_token") && typeof token === "string") tokens.set(token, attack.name);
  }
  // Last: an attack may end the sessions of alice.
  tokens.set(await world.worker.ownToken("alice", PASSWORD), "a token of a login");
  return tokens;
}

/** Whether this installation has signed a token. */
function isOwn({ own }: AttackFixture, token: string): boolean {
  const [header = "", payload = "", signature, ...more] = token.split(".");
  const expected = Buffer.from(own.sign(Buffer.from(`${header}.${payload}`))).toString("base64url");
  return signature === expected && more.length === 0;
}

/**
 * Makes a token that this installation has signed for a session that an attack has ended one of a live session, and
 * signs it again: a worker also looks the session up, and a verifier without a revocation list does not. Any other
 * token, and any other fault of it, stays as it is.
 */
async function withSession(world: AttackFixture, token: string): Promise<string> {
  if (!isOwn(world, token)) return token;
  const { db, own } = world;
  const [header = "", payload = ""] = token.split(".");
  const bytes = Buffer.from(payload, "base64url");
  const { sub, sid } = readObject(bytes) ?? {};
  if (typeof sub !== "string" || typeof sid !== "string") return token;
  if ((await findSessions(db, [BigInt(sid)])).size > 0) return token;
  const account = await db
    .selectFrom("user")
    .select("username")
    .where("username", "=", sub)
    .executeTakeFirst();
  if (account === undefined) return token;
  const session = await insertSession(db, account.username);
  // As text: parsing would repair the duplicate members and strange numbers of a forgery.
  const claims = bytes.toString("latin1").replace(`"sid":"${sid}"`, `"sid":"${session}"`);
  const signed = `${header}.${Buffer.from(claims, "latin1").toString("base64url")}`;
  return `${signed}.${Buffer.from(own.sign(Buffer.from(signed))).toString("base64url")}`;
}

function readObject(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a worker accepts a token. */
async function isGood(world: AttackFixture, token: string): Promise<boolean> {
  return (await world.ask("user_all", { access_token: token })).resp_code < 300;
}

/** One verifier for each trusted issuer; a service accepts a token that any of them accepts. */
function verifiersOf({ own, worker }: AttackFixture): Verifier[] {
  const { audience } = worker.config.signing!;
  return [
    createVerifier({ issuer: "authmq", keys: own.publicKey, algorithms: [own.alg], audience }),
    createVerifier({ issuer: "partner", keys: pemOf(partner.publicKey), algorithms: ["RS256"] }),
    createVerifier({ issuer: "reseller", keys: [reseller.publicKey] }),
    createVerifier({ issuer: "legacy", secret: legacySecret, algorithms: ["HS256"] }),
    createVerifier({
      issuer: "tests",
      keys: worker.config.issuers.find(({ name }) => name === "tests")!.keys[0]!.key,
    }),
  ];
}

async function accepts(verifiers: readonly Verifier[], token: string): Promise<boolean> {
  const results = verifiers.map((verifier) =>
    verifier.verify(token).then(
      () => true,
      (error: unknown) => {
        assert.ok(error instanceof TokenError && error.code === "INVALID_TOKEN", String(error));
        return false;
      },
    ),
  );
  return (await Promise.all(results)).includes(true);
}

for (const installation of ["usual", "closed"] as const) {
  test(`the verifier and a worker agree on every attack's token (${installation})`, async () => {
    await using world = await openFixture("sqlite", installation);
    const verifiers = verifiersOf(world);
    const counts = { accepted: 0, refused: 0, ownAccepted: 0, ownRefused: 0 };
    for (const [forged, name] of await forge(world)) {
      const token = await withSession(world, forged);
      const good = await isGood(world, token);
      assert.equal(await accepts(verifiers, token), good, name);
      counts[good ? "accepted" : "refused"]++;
      if (isOwn(world, token)) counts[good ? "ownAccepted" : "ownRefused"]++;
    }
    const { accepted, refused, ownAccepted, ownRefused } = counts;
    assert.ok(accepted > 20 && refused > 200, JSON.stringify(counts));
    assert.ok(ownAccepted > 0 && ownRefused > 100, JSON.stringify(counts));
  });
}

test("a verifier with a JWK Set accepts no token that a worker rejects", async () => {
  await using world = await openFixture("sqlite", "usual");
  const jwk = await exportJWK(world.own.publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const jwks = { keys: [{ ...jwk, kid, alg: "EdDSA", use: "sig" }] };
  const verifiers = [createVerifier({ issuer: "authmq", jwks })];
  const own = await world.worker.ownToken("alice", PASSWORD);
  assert.deepEqual([await isGood(world, own), await accepts(verifiers, own)], [true, true]);
  for (const [forged, name] of await forge(world)) {
    const token = await withSession(world, forged);
    if (!(await isGood(world, token))) assert.equal(await accepts(verifiers, token), false, name);
  }
});
