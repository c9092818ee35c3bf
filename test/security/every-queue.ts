import { randomBytes } from "node:crypto";
import { createOneTimeToken, type Holder } from "../../src/db/queries/one-time-tokens.ts";
import type { TokenPurpose } from "../../src/db/tables.ts";
import { digestOfOneTimeToken } from "../../src/tokens/one-time.ts";
import type { QueueName } from "../../src/wire/queues.ts";
import { Authenticator } from "../support/authenticator.ts";
import { codeOf, optionsOf, ORIGIN } from "../support/second-factor.ts";
import { PASSWORD, type AttackFixture } from "./fixture.ts";
import { logIn } from "./holders.ts";

/** Calls every queue once with a valid request, for a new user and group, and returns the codes of the replies. */
export async function callEveryQueue(fixture: AttackFixture): Promise<Record<string, number>> {
  const { newUser, newName, adminToken } = fixture;
  const codes: Record<string, number> = {};
  const call = async (queue: QueueName, request: object): Promise<Record<string, unknown>> => {
    const reply = await fixture.ask(queue, request);
    codes[queue] = reply.resp_code;
    return reply.resp_data;
  };
  const access_token = await adminToken();
  const { username, password } = await newUser();
  const [groupname, created, registered] = [newName(), newName(), newName()];
  const { id_token } = await call("login", { username, password });
  const exchanged = await call("token", { id_token });
  await call("user_all", { access_token: exchanged["access_token"] });
  await call("introspect", { token: id_token });
  await call("jwks", {});
  await call("logout", { id_token });
  await call("session_all", { username, access_token });
  await call("session_revoke", { username, access_token });
  const { id } = await call("api_key_create", { username, name: "every queue", access_token });
  await call("api_key_all", { username, access_token });
  await call("api_key_revoke", { username, id, access_token });
  await call("user_get", { username, access_token });
  await call("user_change", { username, access_token, email: `${created}@example.com` });
  const email = `${registered}@example.com`;
  await call("user_admin_create", { username: created, password: PASSWORD, email, access_token });
  const isOpen = fixture.worker.config.app.allow_registration;
  const account = { username: registered, password: PASSWORD, password_confirm: PASSWORD };
  const reply = await fixture.ask("user_register", { ...account, email: `x${email}` });
  codes["user_register"] = !isOpen && reply.resp_code === 403 ? 200 : reply.resp_code;
  await call("group_create", { groupname, access_token });
  await call("group_all", { access_token });
  await call("group_add_user", { groupname, username, access_token });
  await call("group_user", { groupname, access_token });
  await call("group_remove_user", { groupname, username, access_token });
  await call("group_delete", { groupname, access_token });
  await call("audit_log", { user: username, access_token });
  await call("user_password_forgot", { username: created });
  await call("user_password_reset", {
    reset_token: await sentToken(fixture, { username: created, email }, "password_reset"),
    password: `${PASSWORD}er`,
    password_confirm: `${PASSWORD}er`,
  });
  const verify_token = await sentToken(fixture, { username: created, email }, "email_verification");
  await call("user_verification_resend", { username: created });
  await call("user_verify_email", { verify_token });
  await call("user_unlock", { username, access_token });
  await callSecondFactors(fixture, call);
  await call("user_delete", { username, access_token });
  return codes;
}

/** The same for the queues of second factors, for another user. */
async function callSecondFactors(
  fixture: AttackFixture,
  call: (queue: QueueName, request: object) => Promise<Record<string, unknown>>,
): Promise<void> {
  const { username, access_token } = await logIn(fixture);
  const { secret } = await call("totp_begin", { access_token });
  const { id } = await call("totp_confirm", { access_token, totp: codeOf(String(secret)) });
  const device = new Authenticator();
  const begun = optionsOf(await call("passkey_begin", { access_token }));
  const credential = device.create(begun, { origin: ORIGIN });
  await call("passkey_confirm", { access_token, credential, name: "laptop" });
  await call("recovery_codes_renew", { access_token });
  await call("factor_all", { access_token });
  await call("factor_remove", { access_token, id });
  const { challenge, ...asked } = (await fixture.ask("login", { username, password: PASSWORD })).resp_data;
  const passkey = device.get(optionsOf(asked), { origin: ORIGIN });
  await call("login_continue", { challenge, passkey });
  await call("passkey_login_begin", {});
}

/** Creates a token in the database, as it would be sent to a user by email. */
async function sentToken({ db }: AttackFixture, holder: Holder, purpose: TokenPurpose): Promise<string> {
  const token = randomBytes(32).toString("base64url");
  const expiresAt = new Date(Date.now() + 60_000);
  const hash = digestOfOneTimeToken(token);
  await createOneTimeToken(db, { ...holder, hash, purpose, accountKey: randomBytes(32), expiresAt });
  return token;
}
