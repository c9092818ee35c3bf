import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { generateSecret } from "../../src/config/generate-key.ts";
import { SIGN_METHODS, type SignMethod } from "../../src/config/sections/jwt.ts";
import { type Auth, createAuth } from "../../src/create-auth.ts";
import { openDatabase } from "../../src/db/database.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { decodePart } from "./craft.ts";

const file = join(scratchFolder, `${randomBytes(6).toString("hex")}.db`);
const person = { username: "alice", password: "correct horse" };

/** One installation per algorithm, all on the same database. */
async function openAuth(method: SignMethod): Promise<Auth> {
  const value = Buffer.from(generateSecret(method).secret).toString("base64");
  const auth = await createAuth({
    config: {
      jwt_creation: { issuer: "authmq", signmethod: method, secret: { type: "base64key", value } },
      db_settings: { dialect: "sqlite", file },
      app_config: { bcrypt_cost: 4, allow_registration: true },
    },
  });
  await auth.migrate();
  await auth.user
    .register({ ...person, password_confirm: person.password, email: "alice@example.com" })
    .catch(() => undefined); // already registered by the first installation
  return auth;
}

for (const method of SIGN_METHODS) {
  describe(method, () => {
    let auth: Auth;
    after(() => auth.close());

    test("signs ID tokens and access tokens that this installation accepts", async () => {
      auth = await openAuth(method);
      const { id_token } = await auth.session.login(person);
      const { access_token } = await auth.session.getAccessToken({ id_token });
      assert.deepEqual(await auth.user.getAll({ access_token }), { users: ["alice"] });
      assert.equal(decodePart(id_token, 0)["alg"], method);
      assert.equal(decodePart(access_token, 0)["alg"], method);
      assert.equal(Object.hasOwn(decodePart(access_token, 0), "kid"), !method.startsWith("HS"));
    });

    test("rejects a token that another key of the same kind signed", async () => {
      await using other = await openAuth(method);
      const { id_token } = await other.session.login(person);
      await assert.rejects(auth.session.getAccessToken({ id_token }), { code: "INVALID_TOKEN" });
      const { access_token } = await other.session.getAccessToken({ id_token });
      await assert.rejects(auth.user.getAll({ access_token }), { code: "INVALID_TOKEN" });
    });
  });
}

test("an ID token with another algorithm than in its row is rejected", async () => {
  const key = generateSecret("RS256").secret;
  const secret = { type: "plain", value: key };
  const open = (signmethod: SignMethod): Promise<Auth> =>
    createAuth({
      config: {
        jwt_creation: { issuer: "authmq", signmethod, secret },
        jwt_validation: [{ name: "authmq", secret, methods: ["RS256", "RS512"] }],
        db_settings: { dialect: "sqlite", file },
        app_config: { bcrypt_cost: 4 },
      },
    });
  await using before = await open("RS256");
  await using later = await open("RS512");
  const { id_token } = await before.session.login(person);
  // A new algorithm does not end existing sessions ...
  await later.session.getAccessToken({ id_token });
  // ... and the row of a session decides its algorithm.
  await using db = openDatabase({ dialect: "sqlite", file });
  await db.updateTable("token").set({ sign_method: "RS512" }).where("user_id", "=", "alice").execute();
  await assert.rejects(later.session.getAccessToken({ id_token }), { code: "INVALID_TOKEN" });
});
