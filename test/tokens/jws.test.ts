import assert from "node:assert/strict";
import { createPublicKey, type KeyObject } from "node:crypto";
import { describe, test } from "node:test";
import { CompactSign, compactVerify } from "jose";
import { generateSecret } from "../../src/config/generate-key.ts";
import { readSigningKey } from "../../src/config/keys.ts";
import { SIGN_METHODS, type SignMethod } from "../../src/config/sections/jwt.ts";
import { encodePart, isSignedBy, signCompact } from "../../src/tokens/jws.ts";

const CLAIMS = { sub: "Änne", groups: ["dev"] };

function keysFor(method: SignMethod): { own: KeyObject; verification: KeyObject } {
  const own = readSigningKey({ type: "plain", value: generateSecret(method).secret }, method, ".");
  return { own, verification: own.type === "secret" ? own : createPublicKey(own) };
}

for (const method of SIGN_METHODS) {
  describe(method, () => {
    const { own, verification } = keysFor(method);
    const compact = signCompact(encodePart({ alg: method }), encodePart(CLAIMS), method, own);

    test("jose verifies a signature of authmq", async () => {
      const { payload, protectedHeader } = await compactVerify(compact, verification, {
        algorithms: [method],
      });
      assert.deepEqual(JSON.parse(new TextDecoder().decode(payload)), CLAIMS);
      assert.deepEqual(protectedHeader, { alg: method });
    });

    test("authmq verifies a signature of jose", async () => {
      const payload = new TextEncoder().encode(JSON.stringify(CLAIMS));
      const foreign = await new CompactSign(payload).setProtectedHeader({ alg: method }).sign(own);
      assert.equal(isSignedBy(foreign, method, verification), true);
      assert.equal(isSignedBy(compact, method, verification), true);
    });

    test("a changed, shortened, doubled or foreign signature is rejected", () => {
      const [header = "", payload = "", signature = ""] = compact.split(".");
      const bytes = Buffer.from(signature, "base64url");
      const rejected: string[] = [
        `${header}.${encodePart({ ...CLAIMS, groups: ["admin"] })}.${signature}`,
        `${encodePart({ alg: method, typ: "x" })}.${payload}.${signature}`,
        `${header}.${payload}.`,
        `${header}.${payload}.${bytes.subarray(0, -1).toString("base64url")}`,
        `${header}.${payload}.${Buffer.concat([bytes, bytes]).toString("base64url")}`,
        `${header}.${payload}.${Buffer.alloc(bytes.length).toString("base64url")}`,
        `${header}.${payload}.${Buffer.alloc(bytes.length, 0xff).toString("base64url")}`,
        signCompact(header, payload, method, keysFor(method).own),
      ];
      for (const index of [0, bytes.length >> 1, bytes.length - 1]) {
        const changed = Buffer.from(bytes);
        changed[index] = (changed[index] ?? 0) ^ 1;
        rejected.push(`${header}.${payload}.${changed.toString("base64url")}`);
      }
      for (const text of rejected) assert.equal(isSignedBy(text, method, verification), false, text);
    });

    test("a signature is invalid under another algorithm of the same key type", () => {
      const kind = method.slice(0, 2);
      const others = SIGN_METHODS.filter((other) =>
        kind === "RS" || kind === "PS" ? /^[RP]S/.test(other) : other.startsWith(kind),
      );
      for (const other of others)
        assert.equal(isSignedBy(compact, other, verification), other === method, `${method} as ${other}`);
    });
  });
}
