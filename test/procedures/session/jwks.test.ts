import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createLocalJWKSet, jwtVerify } from "jose";
import { parse } from "../../config/faults-of.ts";
import { timeFromNow, newKey } from "../../support/key-ring.ts";
import { dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker } from "../../support/worker.ts";

type JwkSet = Parameters<typeof createLocalJWKSet>[0];

for (const database of DATABASES) {
  describe(`jwks on ${database}`, () => {
    test("returns the keys that verify access tokens, to any caller", async () => {
      await using worker = await startWorker({ database });
      const { keys, ...rest } = dataOf(await worker.call("jwks", {}));
      assert.deepEqual(rest, {});
      const [key, ...others] = keys as Record<string, unknown>[];
      assert.deepEqual(others, []);
      assert.deepEqual(Object.keys(key ?? {}).toSorted(), ["alg", "crv", "kid", "kty", "use", "x"]);
      await worker.addUser("alice", "correct horse");
      const token = await worker.ownToken("alice", "correct horse");
      const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet({ keys } as JwkSet), {
        typ: "at+jwt",
      });
      assert.deepEqual([payload.sub, protectedHeader.kid], ["alice", key?.["kid"]]);
    });

    test("returns all keys of a key ring, and the new ones after a rotation", async () => {
      const [first, second, third] = [newKey(), newKey("ES256"), newKey("RS256")];
      await using worker = await startWorker({
        database,
        config: { jwt_creation: { secret: undefined, keys: { active: first, next: second } } },
      });
      const kids = async (): Promise<unknown[]> => {
        const { keys } = dataOf(await worker.call("jwks", {}));
        return (keys as { kid: string }[]).map(({ kid }) => kid);
      };
      const before = await kids();
      assert.equal(before.length, 2);
      const retiring = [{ ...first, until: timeFromNow(60_000) }];
      const keys = { active: second, next: third, retiring };
      await worker.worker.useKeys(
        parse({ jwt_creation: { issuer: "authmq", signmethod: "ES256", keys } }, { keys: true }),
      );
      const after = await kids();
      assert.deepEqual([after[0], after[2], after.length], [before[1], before[0], 3]);
    });

    test("returns no keys for a shared secret", async () => {
      await using worker = await startWorker({
        database,
        config: { jwt_creation: { signmethod: "HS256", secret: { type: "plain", value: "k".repeat(32) } } },
      });
      assert.deepEqual(dataOf(await worker.call("jwks", {})), { keys: [] });
    });

    test("ignores unknown fields", async () => {
      await using worker = await startWorker({ database });
      const good = dataOf(await worker.call("jwks", {}));
      for (const request of [{ kid: "other" }, { access_token: "garbage" }, { id_token: 1, keys: [] }])
        assert.deepEqual(dataOf(await worker.call("jwks", request)), good);
      assert.equal((await worker.call("jwks", [])).resp_code, 400);
    });
  });
}
