import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { codeOf, nextCodeOf, wrongCodeOf } from "../support/second-factor.ts";
import { missingForBrowser, startBrowser } from "../support/servers/browser.ts";
import { Scratch } from "../support/servers/scratch.ts";
import {
  CODE,
  NEW_CODE,
  openLoginPage,
  readAmr,
  readCodes,
  readOnlyCookie,
  readSecret,
} from "./login-page.ts";

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

test("a person adds an authenticator app, and logs in with its code or a recovery code", {
  skip,
}, async () => {
  await using login = await openLoginPage(browser, scratch);
  const { page, click, send, logIn, waitFor, waitForMessage, take } = login;
  await waitFor("Log in", "Username");
  await take("login");
  await logIn();
  await waitFor("Hello, alice");
  assert.deepEqual(await readAmr(login), ["pwd"]);
  assert.ok(await page.getByText("You log in with your password alone.").isVisible());
  await take("account-without-factors");

  await click("Add an authenticator app");
  await waitFor("Add an authenticator app", NEW_CODE);
  const secret = await readSecret(login);
  const uri = (await page.locator("#uri").getAttribute("href")) ?? "";
  assert.match(uri, new RegExp(`^otpauth://totp/Example:alice\\?.*secret=${secret}&`));
  assert.ok(await page.getByRole("img", { name: "QR code for your authenticator app" }).isVisible());
  await take("add-authenticator-app");
  await send(NEW_CODE, wrongCodeOf(secret), "Add");
  await waitForMessage("Wrong code.");
  await take("add-authenticator-app-wrong-code");
  await send(NEW_CODE, codeOf(secret), "Add");
  const [recoveryCode = ""] = await readCodes(login);
  await take("recovery-codes");
  await click("I have saved the codes");
  await waitFor("Hello, alice");
  assert.deepEqual(await page.locator("#factors strong").allTextContents(), [
    "Authenticator app",
    "Recovery codes",
  ]);
  assert.ok(!(await page.content()).includes(recoveryCode), "the page still has the recovery codes");
  await take("account-with-authenticator-app");

  await click("Log out");
  await waitForMessage("You are logged out.");
  await logIn();
  await waitFor("Second step", CODE);
  const field = page.getByLabel(CODE);
  assert.equal(await field.getAttribute("autocomplete"), "one-time-code");
  assert.equal(await field.getAttribute("inputmode"), "numeric");
  const challenge = await readOnlyCookie(login, "__Host-challenge");
  assert.ok(!(await page.content()).includes(challenge), "the page has the challenge");
  await take("second-step-code");
  await send(CODE, wrongCodeOf(secret), "Continue");
  await waitForMessage("Wrong code.");
  await waitFor("Second step", CODE);
  await take("second-step-wrong-code");
  await send(CODE, nextCodeOf(secret), "Continue");
  await waitFor("Hello, alice");
  assert.deepEqual(await readAmr(login), ["pwd", "otp", "mfa"]);

  await click("Log out");
  await logIn();
  await click("Use a recovery code instead");
  await waitFor("Second step", "Recovery code");
  await take("second-step-recovery-code");
  await send("Recovery code", recoveryCode, "Continue");
  await waitFor("Hello, alice");
  assert.ok(await page.getByText("9 left").isVisible());
  await click("Get new recovery codes");
  assert.ok(!(await readCodes(login)).includes(recoveryCode));
  login.assertNoTroubles();
});

test("a person adds a passkey, and logs in with it as second factor and alone", { skip }, async () => {
  await using login = await openLoginPage(browser, scratch);
  const { page, click, send, logIn, waitFor, waitForMessage, take } = login;
  await page.setViewportSize({ width: 360, height: 740 }); // a phone
  const authenticator = await login.addAuthenticator();
  await logIn();
  await waitFor("Hello, alice");
  await click("Add a passkey");
  await waitFor("Add a passkey", "Name in your list");
  await take("add-passkey");
  await send("Name in your list", "laptop", "Create the passkey");
  const [recoveryCode = ""] = await readCodes(login);
  await click("I have saved the codes");
  await waitFor("Hello, alice");
  assert.equal(await authenticator.credentials(), 1);
  await take("account-with-passkey");
  await click("Add a passkey");
  await send("Name in your list", "again", "Create the passkey");
  await waitForMessage("This device already has a passkey of your account.");
  await click("Cancel");

  await click("Log out");
  await logIn();
  await waitFor("Second step");
  await take("second-step-passkey");
  await click("Use a passkey");
  await waitFor("Hello, alice");
  assert.deepEqual(await readAmr(login), ["pwd", "hwk", "mfa"]);

  await click("Log out");
  await click("Log in with a passkey");
  await waitFor("Hello, alice");
  assert.deepEqual(await readAmr(login), ["hwk", "user", "mfa"]);

  await click("Log out");
  await authenticator.recognize(false);
  await click("Log in with a passkey");
  await waitForMessage("No passkey was used.");
  await take("login-passkey-not-used");
  await authenticator.recognize(true);
  await authenticator.clear();
  await logIn();
  await click("Use a passkey");
  await waitForMessage("No passkey was used.");
  await take("second-step-passkey-not-used");
  await click("Use a recovery code instead");
  await send("Recovery code", recoveryCode, "Continue");
  await waitFor("Hello, alice");

  await click("Remove laptop");
  await waitForMessage('"laptop" is removed.');
  assert.ok(await page.getByText("You log in with your password alone.").isVisible());
  await take("account-factor-removed");
  await click("Log out");
  await logIn();
  await waitFor("Hello, alice");
  login.assertNoTroubles();
});

test("a passkey that was removed from the account gives a plain message", { skip }, async () => {
  await using login = await openLoginPage(browser, scratch);
  const { click, logIn, waitFor, waitForMessage } = login;
  await login.addAuthenticator();
  await logIn();
  await click("Add a passkey");
  await click("Create the passkey");
  await click("I have saved the codes");
  await click("Remove Passkey");
  await waitForMessage('"Passkey" is removed.');
  await click("Log out");
  await click("Log in with a passkey");
  await waitForMessage("This passkey is not known here.");
  await logIn();
  await waitFor("Hello, alice");
  login.assertNoTroubles();
});
