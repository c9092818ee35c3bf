import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { generateSecret } from "../../../src/config/generate-key.ts";
import { createIssuer } from "../../../src/tokens/issuer.ts";
import { toSqlTime } from "../../../src/db/time.ts";
import { latestSessionOf } from "../../support/session-row.ts";
import { assertInvalid, dataOf } from "../../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";
import { accessClaims, craft, decodePart, secondsFromNow, withSpareBits } from "../../tokens/craft.ts";

const PASSWORD = "correct horse battery";
const partner = generateSecret("ES256");
const partnerKey = createPrivateKey(partner.secret);

const jwt_validation = [
  {
    name: "partner",
    secret: { type: "plain", value: partner.publicKey },
    methods: ["ES256"],
    audience: "us",
  },
] as unknown as Record<string, unknown>; // a list, although the options type it as an object

for (const database of DATABASES) {
  describe(`introspect on ${database}`, () => {
    let worker: TestWorker;
    before(async () => {
      worker = await startWorker({
        database,
        config: { jwt_validation, broker_settings: { scopes: { "*": ["read:*"] } } },
      });
    });
    after(() => worker[Symbol.asyncDispose]());

    const introspect = async (token: unknown, more: object = {}): Promise<Record<string, unknown>> =>
      dataOf(await worker.call("introspect", { token, ...more }));
    const assertDead = async (token: string, more: object = {}): Promise<void> =>
      assert.deepEqual(await introspect(token, more), { active: false });
    const session = async (username: string, more: object = {}, groups: string[] = []) => {
      await worker.addUser(username, PASSWORD, { groups });
      const id_token = await worker.login(username, PASSWORD, more);
      const { access_token } = dataOf(await worker.call("token", { id_token, ...more }));
      return { id_token, access_token: access_token as string };
    };
    /** The id of a user's session. */
    const sidOf = async (username: string): Promise<string> =>
      String((await latestSessionOf(worker.db, username))?.token_id);
    /** An access token that is signed by this installation. */
    const own = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) => {
      const { key, method } = worker.config.signing!;
      return craft({ alg: method, typ: "at+jwt", ...header }, accessClaims(claims), key);
    };

    test("returns the claims of an access token", async () => {
      const { access_token } = await session("Carrier", { vhost: "test" }, ["ops", "dev"]);
      const { iat, nbf, exp, jti, auth_time } = decodePart(access_token, 1);
      assert.deepEqual(await introspect(access_token), {
        ...{ active: true, typ: "at+jwt", token_type: "Bearer", iss: "authmq" },
        ...{ sub: "Carrier", username: "Carrier", groups: ["dev", "ops"], vhost: "test" },
        ...{ sid: await sidOf("Carrier"), iat, nbf, exp, jti, amr: ["pwd"], auth_time },
      });
    });

    test("returns the claims of an ID token and the data of its session", async () => {
      const { id_token } = await session("Holder", { vhost: "test" }, ["ops"]);
      const { iat, nbf, exp, auth_time } = decodePart(id_token, 1);
      assert.deepEqual(await introspect(id_token), {
        ...{ active: true, typ: "id+jwt", iss: "authmq", sub: "Holder", username: "Holder" },
        ...{ groups: ["ops"], vhost: "test", sid: await sidOf("Holder"), iat, nbf, exp },
        ...{ amr: ["pwd"], auth_time },
      });
    });

    test("does not count as a use of an ID token", async () => {
      await worker.addUser("idle", PASSWORD);
      await introspect(await worker.login("idle", PASSWORD));
      const { last_use } = await worker.db
        .selectFrom("token")
        .select("last_use")
        .where("user_id", "=", "idle")
        .executeTakeFirstOrThrow();
      assert.equal(last_use, null);
    });

    test("accepts a bound token only from its address", async () => {
      const { id_token } = await session("bound", { ip: "192.0.2.7" });
      assert.equal((await introspect(id_token, { ip: "::ffff:192.0.2.7" }))["active"], true);
      for (const ip of ["192.0.2.8", "*", null, undefined]) await assertDead(id_token, { ip });
    });

    test("returns only active: false for invalid tokens and tokens of other installations", async () => {
      const { id_token, access_token } = await session("owner");
      const stranger = createPrivateKey(generateSecret("EdDSA").secret);
      const broker = dataOf(await worker.call("token", { id_token, broker: true }))["broker_token"];
      const [header = "", payload = "", signature = ""] = access_token.split(".");
      // Everything but the fault is right.
      const owner = { sub: "owner", user: "owner", sid: await sidOf("owner") };
      for (const token of [
        ...["", " ", "garbage", "a.b.c", "...", "null", "\ud800", `${id_token}x`, access_token.slice(0, -4)],
        `${header}.${payload}.${withSpareBits(signature)}`,
        `${header}.${payload}.`,
        ` ${access_token}`,
        `${access_token}=`,
        "x".repeat(33 * 1024),
        await own({ ...owner, padding: "x".repeat(33 * 1024) }),
        await craft({ alg: "EdDSA", typ: "at+jwt" }, accessClaims(owner), stranger),
        await own(owner, { typ: "JWT" }),
        await own({ ...owner, exp: secondsFromNow(-60) }),
        await own({ ...owner, nbf: secondsFromNow(60) }),
        await own({ ...owner, user: "root" }),
        await own({ ...owner, sub: "root", user: "root" }),
        await own({ ...owner, sid: undefined }),
        await own({ ...owner, sid: "1" }),
        await own({ ...owner, api_key_id: owner.sid }),
        String(broker),
      ])
        await assertDead(token);
      assert.equal((await introspect(access_token))["active"], true);
      assert.equal((await introspect(await own(owner)))["active"], true);
    });

    test("returns false for both tokens of a revoked, replaced or expired session", async () => {
      const revoked = await session("leaver");
      dataOf(await worker.call("logout", { id_token: revoked.id_token }));
      for (const token of Object.values(revoked)) await assertDead(token);
      const replaced = await session("returner");
      const newer = await worker.login("returner", PASSWORD);
      for (const token of Object.values(replaced)) await assertDead(token);
      assert.equal((await introspect(newer))["active"], true);
      const late = await session("late");
      await worker.db
        .updateTable("token")
        .set({ valid_until: toSqlTime(new Date(Date.now() - 1000)) })
        .where("user_id", "=", "late")
        .execute();
      for (const token of Object.values(late)) await assertDead(token);
    });

    test("returns false for both tokens of a deactivated user, until the user is reactivated", async () => {
      const { id_token, access_token } = await session("switched");
      for (const activated of [0, 1]) {
        await worker.db.updateTable("user").set({ activated }).where("username", "=", "switched").execute();
        for (const token of [id_token, access_token])
          assert.equal((await introspect(token))["active"], activated === 1);
      }
    });

    test("returns false for both tokens of a deleted user, also if the name is used again", async () => {
      const { id_token, access_token } = await session("phoenix");
      const sid = await sidOf("phoenix");
      await worker.db.deleteFrom("user").where("username", "=", "phoenix").execute();
      for (const token of [id_token, access_token]) await assertDead(token);
      const older = await own({ sub: "phoenix", user: "phoenix", sid, iat: secondsFromNow(-60) });
      await session("phoenix");
      for (const token of [id_token, access_token, older]) await assertDead(token);
    });

    test("accepts access tokens of other issuers, but not their ID tokens", async () => {
      const claims = {
        iss: "partner",
        sub: "stranger",
        user: "stranger",
        groups: ["x"],
        aud: ["us", "them"],
      };
      const header = { alg: "ES256", typ: "at+jwt" };
      const good = await craft(header, accessClaims(claims), partnerKey);
      const { iat, nbf, exp, jti } = decodePart(good, 1);
      assert.deepEqual(await introspect(good), {
        ...{ active: true, typ: "at+jwt", token_type: "Bearer", iss: "partner", sub: "stranger" },
        ...{ username: "stranger", groups: ["x"], vhost: "prod", aud: ["us", "them"], iat, nbf, exp, jti },
      });
      await assertDead(await craft(header, accessClaims({ ...claims, aud: "them" }), partnerKey));
      await assertDead(await craft(header, accessClaims({ ...claims, iss: "nobody" }), partnerKey));
      await assertDead(await craft(header, accessClaims({ ...claims, iss: "authmq" }), partnerKey));
      const idClaims = { ...accessClaims(claims), ip: "*" };
      await assertDead(await craft({ ...header, typ: "id+jwt", kid: "1" }, idClaims, partnerKey));
      const issuer = await createIssuer({
        ...worker.config.signing!,
        ...{ issuer: "partner", method: "ES256", key: partnerKey },
      });
      const times = { issuedAt: new Date(), validUntil: new Date(Date.now() + 60_000) };
      const subject = { username: "stranger", groups: [] };
      await assertDead(issuer.signIdToken(subject, { tokenId: 1n, ip: "*", ...times }).text);
    });

    test("requires a token that is a string, and a valid address", async () => {
      for (const token of [undefined, null, 1, true, ["x"], { token: "x" }])
        assertInvalid(await worker.call("introspect", { token }), "token");
      assertInvalid(await worker.call("introspect", {}), "token");
      assertInvalid(await worker.call("introspect", { token: "x", ip: "here" }), "ip");
      assertInvalid(await worker.call("introspect", { ip: 1 }), "ip", "token");
    });
  });
}
