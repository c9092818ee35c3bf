import assert from "node:assert/strict";
import { createHash, createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import fc from "fast-check";
import type { SigningConfig } from "../../../src/config/issuers.ts";
import { generateSecret } from "../../../src/config/generate-key.ts";
import type { SignMethod } from "../../../src/config/sections/jwt.ts";
import { createIssuer } from "../../../src/tokens/issuer.ts";
import { createValidator, type TokenValidator } from "../../../src/tokens/validator.ts";
import { hostileText } from "../texts.ts";
import { holds, type Property } from "./property.ts";

interface Signed {
  readonly method: SignMethod;
  readonly validator: TokenValidator;
  readonly access: string;
  readonly id: string;
}

const METHODS: readonly SignMethod[] = ["EdDSA", "HS256", "ES256", "RS256"];

const part = fc.oneof(
  fc.json().map((text) => Buffer.from(text).toString("base64url")),
  hostileText.map((text) => Buffer.from(text).toString("base64url")),
  fc.base64String(),
  hostileText,
);

const anyText = fc.oneof(
  fc.array(part, { maxLength: 5 }).map((parts) => parts.join(".")),
  hostileText,
  fc.string({ unit: "binary", maxLength: 300 }),
);

const place = fc.nat(9999);
const character = fc.oneof(
  fc.constantFrom("A", "Q", "g", "w", "-", "_", "+", "/", "=", ".", " ", "\n", "\0", "\u0430", ""),
  fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
);

/** Properties of the token check. Its keys are new in each run; results do not depend on them. */
export async function tokenProperties(): Promise<Property[]> {
  const signed = await Promise.all(METHODS.map(sign));
  const one = fc.constantFrom(...signed);
  const named = one.map((value) => Object.assign(value, { [fc.toStringMethod]: () => value.method }));
  return [
    holds(
      "only issued texts are valid tokens, and no text makes the check throw",
      400,
      fc.tuple(named, anyText),
      check,
    ),
    holds(
      "a token with one changed character is invalid",
      600,
      fc.tuple(named, place, character),
      async (change) => {
        const [{ validator, access, id }, at, by] = change;
        for (const token of [access, id]) {
          const index = at % token.length;
          const changed = token.slice(0, index) + by + token.slice(index + 1);
          const isSame = changed === token;
          assert.equal(validator.verifyAccessToken(changed) !== undefined, isSame && token === access);
          assert.equal(validator.verifyIdToken(changed) !== undefined, isSame && token === id);
        }
      },
    ),
    holds(
      "a token with parts of another token is invalid",
      200,
      fc.tuple(named, named, fc.nat(2)),
      async (mix) => {
        const [a, b, index] = mix;
        for (const [from, to] of [
          [a.access, b.id],
          [a.id, b.access],
        ] as const) {
          const mixed = from
            .split(".")
            .with(index, to.split(".")[index] ?? "")
            .join(".");
          assert.equal(a.validator.verifyAccessToken(mixed), undefined);
          assert.equal(a.validator.verifyIdToken(mixed), undefined);
        }
      },
    ),
  ];
}

async function check([{ validator }, text]: [Signed, string]): Promise<void> {
  assert.equal(validator.verifyAccessToken(text), undefined);
  assert.equal(validator.verifyIdToken(text), undefined);
}

async function sign(method: SignMethod): Promise<Signed> {
  const key = keyFor(method);
  const own: SigningConfig = {
    issuer: "authmq",
    method,
    key,
    audience: undefined,
    reserve: [],
    fingerprintKey: undefined,
  };
  const verification = key.type === "private" ? createPublicKey(key) : key;
  const issuer = await createIssuer(own);
  const subject = { username: "alice", groups: ["admin"] };
  const issuedAt = new Date();
  return {
    method,
    validator: createValidator(own, [
      {
        name: "authmq",
        keys: [{ key: verification, methods: [method], until: undefined }],
        audience: undefined,
      },
    ]),
    access: issuer.signAccessToken(subject, { grant: { sid: 1n }, vhost: "prod", lifetime: 3600 }),
    id: issuer.signIdToken(subject, {
      tokenId: 1n,
      ip: "*",
      issuedAt,
      validUntil: new Date(issuedAt.getTime() + 3_600_000),
    }).text,
  };
}

function keyFor(method: SignMethod): KeyObject {
  if (method.startsWith("HS")) return createSecretKey(createHash("sha256").update(method).digest());
  return createPrivateKey(generateSecret(method).secret);
}
