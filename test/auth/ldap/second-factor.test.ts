import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { decodeJwt } from "jose";
import type { Authenticator } from "../../support/authenticator.ts";
import { DIRECTORY_PASSWORD, LOGIN_GROUP, useDirectory } from "../../support/directory.ts";
import { assertRefused, dataOf } from "../../support/replies.ts";
import {
  accessTokenOf,
  enrolPasskey,
  enrolTotp,
  nextCodeOf,
  optionsOf,
  ORIGIN,
  secondFactors,
} from "../../support/second-factor.ts";
import { missingFor } from "../../support/servers/directories.ts";
import { DATABASES, startWorker, type TestWorker } from "../../support/worker.ts";

const skip = missingFor("openldap") ?? false;

for (const database of DATABASES) {
  describe(`a directory user with a second factor on ${database}`, { skip }, () => {
    const directory = useDirectory();
    const startWith = (ldap: object, app: object = {}): Promise<TestWorker> => {
      const { app_config, encryption_keys } = secondFactors({ bcrypt_cost: 4, ...app });
      const bind = `cn={username},${directory.ldap.baseDn}`;
      return startWorker({
        database,
        config: {
          ldap_settings: { address: directory.ldap.url, bind, ...ldap },
          app_config,
          encryption_keys,
        },
      });
    };
    let worker: TestWorker;
    before(async () => {
      worker = await startWith(directory.service, { second_factor_groups: ["sensitive"] });
    });
    after(() => worker[Symbol.asyncDispose]());

    const passkeyLogin = async (on: TestWorker, device: Authenticator) => {
      const begun = dataOf(await on.call("passkey_login_begin", {}));
      const passkey = device.get(optionsOf(begun), { origin: ORIGIN });
      return on.call("login_continue", { challenge: begun["challenge"], passkey });
    };
    const enrolled = async (on: TestWorker, username: string) => {
      const access_token = await accessTokenOf(on, await on.login(username, DIRECTORY_PASSWORD));
      return enrolPasskey(on, { access_token });
    };

    test("logs in with password and TOTP, and gets the groups of the directory", async () => {
      await directory.add("with-totp", ["API_PERMbilling"]);
      const access_token = await accessTokenOf(worker, await worker.login("with-totp", DIRECTORY_PASSWORD));
      const { secret } = await enrolTotp(worker, { access_token });
      const challenged = await worker.call("login", { username: "with-totp", password: DIRECTORY_PASSWORD });
      const { challenge, error } = challenged.resp_data;
      assert.deepEqual([challenged.resp_code, error], [401, "SECOND_FACTOR_REQUIRED"]);
      const reply = await worker.call("login_continue", { challenge, totp: nextCodeOf(secret) });
      const { amr, groups } = decodeJwt(await accessTokenOf(worker, dataOf(reply)["id_token"]));
      assert.deepEqual([amr, groups], [["pwd", "otp", "mfa"], ["billing"]]);
    });

    test("must enrol one where a group of the directory requires it", async () => {
      await directory.add("must-enrol", ["API_PERMsensitive"]);
      const refused = await worker.call("login", { username: "must-enrol", password: DIRECTORY_PASSWORD });
      const { error, setup_token } = refused.resp_data;
      assert.deepEqual([refused.resp_code, error], [401, "SECOND_FACTOR_SETUP_REQUIRED"]);
      const { id_token } = await enrolTotp(worker, { setup_token: String(setup_token) });
      assert.deepEqual(decodeJwt(String(id_token))["amr"], ["pwd", "otp", "mfa"]);
    });

    test("logs in with a passkey alone while the directory confirms the account", async () => {
      const dn = await directory.add("with-passkey", ["API_PERMbefore"]);
      const { device } = await enrolled(worker, "with-passkey");
      await directory.ldap.removeMember("API_PERMbefore", dn);
      await directory.ldap.addGroup("API_PERMafter", [dn]);
      const { id_token } = dataOf(await passkeyLogin(worker, device));
      const { amr, groups } = decodeJwt(await accessTokenOf(worker, id_token));
      assert.deepEqual([amr, groups], [["hwk", "user", "mfa"], ["after"]], "the groups are those of now");
      await directory.ldap.removeMember(LOGIN_GROUP, dn);
      assertRefused(await passkeyLogin(worker, device), 401, "INVALID_CREDENTIALS");
    });

    test("cannot log in with a passkey alone without a service account", async () => {
      await using alone = await startWith({});
      await directory.add("unconfirmed");
      const { device } = await enrolled(alone, "unconfirmed");
      assertRefused(await passkeyLogin(alone, device), 401, "INVALID_CREDENTIALS");
    });
  });
}
