import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../../src/client/index.ts";
import { startExample } from "../support/example.ts";
import { waitUntil } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";

test("the mailer example prints emails with valid reset and verification tokens", async () => {
  await using worker = await startWorker({ config: { app_config: { allow_registration: true } } });
  await using mailer = await startExample(worker, "mailer/mailer.ts", { AMQP_URL: worker.url });
  await waitUntil("the mailer", () => mailer.output.includes("waiting for events"));
  await using auth = await connect({ url: worker.url });
  const password = "correct horse";
  const account = { username: "alice", email: "alice@example.com" };
  await auth.user.register({ ...account, password, password_confirm: password });
  const tokenIn = async (link: string): Promise<string> =>
    waitUntil(link, () => new RegExp(`${link}#([\\w-]{43})`).exec(mailer.output)?.[1]);
  await auth.user.verifyEmail({ verify_token: await tokenIn("confirm") });
  await auth.user.forgotPassword({ username: "alice" });
  const reset_token = await tokenIn("new-password");
  await auth.user.resetPassword({
    reset_token,
    password: "staple battery",
    password_confirm: "staple battery",
  });
  await auth.session.login({ username: "alice", password: "staple battery" });
  assert.match(mailer.output, /^To: alice@example\.com\nHello alice,\nset a new password until 2/m);
});
