import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { codeOf, freeSteps, nextCodeOf, PASSWORD, wrongCodeOf } from "../support/second-factor.ts";
import { missingForBrowser, startBrowser } from "../support/servers/browser.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { CODE, enrolTotp, openLoginPage, readAmr, readCodes, readOnlyCookie } from "./login-page.ts";

const skip = missingForBrowser() ?? false;
const scratch = new Scratch();
let browser: Browser;

// One browser for the file: startBrowser moves the folder for temporary files into the scratch folder.
before(async () => {
  if (skip === false) browser = await startBrowser(scratch.subfolder("browser"));
});
after(async () => {
  if (skip === false) await browser.close();
  await scratch.close();
});

test("a person sets up the first factor during the login where one is required", { skip }, async () => {
  await using login = await openLoginPage(browser, scratch, { second_factor: "required" });
  const { context, page, click, logIn, waitFor, waitForMessage, take, worker } = login;
  await login.addAuthenticator();
  await worker.addUser("robert", PASSWORD);
  await logIn();
  await waitFor("Set up a second step");
  await take("setup");
  await readOnlyCookie(login, "__Host-setup_token");
  await click("Use a passkey");
  await click("Cancel");
  await waitFor("Set up a second step");
  await enrolTotp(login, "Use an authenticator app");
  await readCodes(login);
  await click("I have saved the codes");
  await waitFor("Hello, alice");
  assert.deepEqual(await readAmr(login), ["pwd", "otp", "mfa"]);

  // Another person logs in in another tab: the passkey must not go to alice's account, whose page is still open.
  await page.evaluate(
    `fetch("/login", { method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ username: "robert", password: "${PASSWORD}" }) }).then(() => true)`,
  );
  await click("Add a passkey");
  await click("Create the passkey");
  await readCodes(login);
  await click("I have saved the codes");
  await waitFor("Hello, robert");
  assert.deepEqual(await readAmr(login), ["pwd", "hwk", "mfa"]);
  const factors = await worker.db.selectFrom("factor").select("type").execute();
  assert.deepEqual(factors.map(({ type }) => type).toSorted(), [
    "passkey",
    "recovery_codes",
    "recovery_codes",
    "totp",
  ]);

  await click("Remove Passkey");
  await waitForMessage('"Passkey" is removed.');
  await click("Log out");
  await logIn("robert");
  await waitFor("Set up a second step");
  await click("Back to the login");
  await waitForMessage("You are logged out.");
  assert.deepEqual(await context.cookies(), []);
  login.assertNoTroubles();
});

test("after five wrong codes, and after five minutes, the person starts again", { skip }, async () => {
  await using login = await openLoginPage(browser, scratch);
  const { context, click, send, logIn, waitFor, waitForMessage, take, worker } = login;
  await logIn();
  const secret = await enrolTotp(login, "Add an authenticator app");
  await click("I have saved the codes");
  await click("Log out");
  await logIn();
  for (let index = 0; index < 5; index++) {
    await waitFor("Second step", CODE);
    await send(CODE, wrongCodeOf(secret, index), "Continue");
    await waitForMessage(index < 4 ? "Wrong code." : "Too many wrong answers. Log in again.");
  }
  await take("login-too-many-wrong-answers");
  await logIn();
  await waitFor("Second step", CODE);
  await context.clearCookies({ name: "__Host-challenge" }); // as when it has expired
  await send(CODE, nextCodeOf(secret), "Continue");
  await waitForMessage("The login took too long. Log in again.");
  await logIn();
  await waitFor("Second step", CODE);
  const [{ factor_id: id } = { factor_id: 0n }] = await worker.db
    .selectFrom("factor")
    .select("factor_id")
    .where("type", "=", "totp")
    .execute();
  await freeSteps(worker, { id: String(id) });
  await send(CODE, codeOf(secret), "Continue");
  await waitFor("Hello, alice");
  login.assertNoTroubles();
});

test("a change of factors after a while needs a new login", { skip }, async () => {
  await using login = await openLoginPage(browser, scratch, { reauthentication_time: 1 / 60 });
  const { page, click, send, logIn, waitFor, waitForMessage, take } = login;
  await logIn();
  await waitFor("Hello, alice");
  await page.waitForTimeout(2000); // the time after which authmq wants a new login
  await click("Add an authenticator app");
  await waitForMessage("Your login is too old for this change. Log in again.");
  await waitFor("Log in", "Password");
  assert.equal(await page.getByLabel("Username").inputValue(), "alice");
  await take("login-again");
  await send("Password", PASSWORD, "Log in");
  await waitFor("Hello, alice");
  assert.deepEqual(await readAmr(login), ["pwd"]);
  login.assertNoTroubles();
});

test("the page works without second factors and without passkeys", { skip }, async () => {
  await using login = await openLoginPage(browser, scratch, { passkeys: undefined });
  const { page, click, logIn, waitFor, waitForMessage } = login;
  await click("Log in with a passkey");
  await waitForMessage("Passkeys are not available here.");
  assert.ok(await page.getByRole("button", { name: "Log in with a passkey" }).isHidden());
  await logIn();
  await waitFor("Hello, alice");

  await using off = await openLoginPage(browser, scratch, { second_factor: "off", passkeys: undefined });
  await off.logIn();
  await off.waitFor("Hello, alice");
  assert.ok(await off.page.getByRole("button", { name: "Add an authenticator app" }).isHidden());
});
