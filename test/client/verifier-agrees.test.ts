import assert from "node:assert/strict";
import { test } from "node:test";
import { calculateJwkThumbprint, exportJWK } from "jose";
import { createVerifier, TokenError, type Verifier } from "../../src/client/index.ts";
import { accessTokens } from "../security/attacks/access-tokens.ts";
import { forgedAlgorithms } from "../security/attacks/forged-algorithms.ts";
import { forgedClaims } from "../security/attacks/forged-claims.ts";
import { forgedHeaders } from "../security/attacks/forged-headers.ts";
import { forgedSpellings } from "../security/attacks/forged-spellings.ts";
import { otherIssuers } from "../security/attacks/other-issuers.ts";
import { signingKey } from "../security/attacks/signing-key.ts";
import { pemOf } from "../security/forge.ts";
import { legacySecret, openFixture, partner, reseller, type AttackFixture } from "../security/fixture.ts";

const ATTACKS = [
  ...accessTokens,
  ...forgedAlgorithms,
  ...forgedClaims,
  ...forgedHeaders,
  ...forgedSpellings,
  ...otherIssuers,
  ...signingKey,
];

/** Every token of the attacks, including ID tokens, with the attack's name. */
async function forge(world: AttackFixture): Promise<Map<string, string>> {
  const tokens = new Map<string, string>();
  for (const attack of ATTACKS) {
    const { request } = await attack.stage(world);
    if (typeof request !== "object" || request instanceof Uint8Array) continue;
    for (const [field, token] of Object.entries(request))
      if (field.endsWith("_token") && typeof token === "string") tokens.set(token, attack.name);
  }
  return tokens;
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
    const counts = { accepted: 0, refused: 0 };
    for (const [token, name] of await forge(world)) {
      const good = await isGood(world, token);
      assert.equal(await accepts(verifiers, token), good, name);
      counts[good ? "accepted" : "refused"]++;
    }
    assert.ok(counts.accepted > 0 && counts.refused > 200, JSON.stringify(counts));
  });
}

test("a verifier with a JWK Set accepts no token that a worker rejects", async () => {
  await using world = await openFixture("sqlite", "usual");
  const jwk = await exportJWK(world.own.publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const jwks = { keys: [{ ...jwk, kid, alg: "EdDSA", use: "sig" }] };
  const verifiers = [createVerifier({ issuer: "authmq", jwks })];
  assert.equal(await accepts(verifiers, await world.accessToken("alice")), true);
  for (const [token, name] of await forge(world))
    if (!(await isGood(world, token))) assert.equal(await accepts(verifiers, token), false, name);
});
