import assert from "node:assert/strict";
import { test } from "node:test";
import { connect, createSession } from "../../src/client/index.ts";
import { startExample } from "../support/example.ts";
import { startWorker } from "../support/worker.ts";
import { accessClaims, craft } from "../tokens/craft.ts";

for (const framework of ["fastify", "express"]) {
  test(`the ${framework} example accepts valid tokens with the right groups, and explains rejections`, async () => {
    await using worker = await startWorker();
    await worker.addUser("alice", "correct horse", { groups: ["reporters"] });
    await worker.addUser("bobby", "correct horse");
    await using auth = await connect({ url: worker.url });
    await using alice = createSession(auth, { username: "alice", password: "correct horse" });
    await using bobby = createSession(auth, { username: "bobby", password: "correct horse" });
    await using example = await startExample(worker, `${framework}/server.ts`, { PORT: "0" });
    const [origin] = /http:\/\/127\.0\.0\.1:\d+/.exec(example.output) ?? [example.output];

    const ask = async (path: string, authorization?: string) => {
      const response = await fetch(`${origin}${path}`, {
        headers: authorization === undefined ? {} : { authorization },
      });
      const { status, headers } = response;
      return { status, challenge: headers.get("www-authenticate"), body: (await response.json()) as object };
    };
    const [tokenOfAlice, tokenOfBobby] = [await alice.accessToken(), await bobby.accessToken()];
    assert.deepEqual(await ask("/me", `Bearer ${tokenOfAlice}`), {
      status: 200,
      challenge: null,
      body: { user: "alice", groups: ["reporters"] },
    });
    assert.deepEqual(await ask("/reports", `bearer ${tokenOfAlice}`), {
      status: 200,
      challenge: null,
      body: { reports: [], for: "alice" },
    });
    assert.deepEqual(await ask("/reports", `Bearer ${tokenOfBobby}`), {
      status: 403,
      challenge: 'Bearer error="insufficient_scope"',
      body: { error: "FORBIDDEN", msg: "the user is not in the required groups" },
    });
    const groups = [
      "reporters",
      ...Array.from({ length: 400 }, (_, index) => `a-long-name-of-a-group-with-the-number-${index}`),
    ];
    await worker.addUser("longest", "correct horse", { groups });
    const longest = await worker.ownToken("longest", "correct horse");
    assert.ok(longest.length > 24_000, `${longest.length} characters`);
    assert.equal((await ask("/reports", `Bearer ${longest}`)).status, 200);
    const { id_token } = await auth.session.login({ username: "bobby", password: "correct horse" });
    const { key } = worker.config.signing!;
    const expired = await craft({ alg: "EdDSA", typ: "at+jwt" }, accessClaims({ exp: 1 }), key);
    for (const token of [id_token, expired, `${tokenOfAlice.slice(0, -4)}AAAA`, "nonsense"]) {
      const { status, challenge, body } = await ask("/me", `Bearer ${token}`);
      assert.deepEqual([status, challenge], [401, 'Bearer error="invalid_token"']);
      assert.ok(!JSON.stringify(body).includes(token), "the response contains the token");
    }
    for (const authorization of [undefined, "Basic YTpi", tokenOfAlice, "Bearer"]) {
      const { status, challenge } = await ask("/reports", authorization);
      assert.deepEqual([status, challenge], [401, "Bearer"], authorization);
    }
  });
}
