import assert from "node:assert/strict";
import { join } from "node:path";
import { decodeJwt } from "jose";
import type { Browser, BrowserContext, CDPSession, Locator, Page } from "playwright-core";
import { Scratch } from "../support/servers/scratch.ts";
import { codeOf, PASSWORD, secondFactors } from "../support/second-factor.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";
import { startWebExample } from "./web-client.ts";

const TIMEOUT = 10_000;

/** The page of the browser gateway in Chromium, with a worker behind it. */
export interface LoginPage extends AsyncDisposable {
  readonly worker: TestWorker;
  readonly context: BrowserContext;
  readonly page: Page;
  /** Adds a virtual authenticator to the page; it confirms without a person. */
  readonly addAuthenticator: () => Promise<Authenticator>;
  /** Fills in the login form and sends it. */
  readonly logIn: (username?: string, password?: string) => Promise<void>;
  readonly click: (button: string) => Promise<void>;
  /** Fills in a field by its label, and sends the form. */
  readonly send: (label: string, value: string, button: string) => Promise<void>;
  /** Waits for a heading, and asserts where the focus is: in a field by its label, or at the heading. */
  readonly waitFor: (heading: string, focus?: string) => Promise<void>;
  /** Waits for a message. */
  readonly waitForMessage: (text: string) => Promise<void>;
  /** For a person who looks at the pages: AUTHMQ_SCREENSHOTS is a folder. */
  readonly take: (name: string) => Promise<void>;
  /** Asserts that the page had no error besides refused requests, and that the gateway has logged none. */
  readonly assertNoTroubles: () => void;
}

/** A virtual authenticator. */
export interface Authenticator {
  readonly credentials: () => Promise<number>;
  /** Whether it recognizes the person from now on. */
  readonly recognize: (isVerified: boolean) => Promise<void>;
  /** Forgets its passkeys. */
  readonly clear: () => Promise<void>;
}

/**
 * Starts a worker with second factors, the user alice, the gateway and its page; `app` overrides parts of `app_config`.
 *  */
export async function openLoginPage(
  browser: Browser,
  scratch: Scratch,
  app: Readonly<Record<string, unknown>> = {},
): Promise<LoginPage> {
  const port = await scratch.freePort();
  const passkeys = { rp_id: "localhost", rp_name: "Example", origins: [`http://localhost:${port}`] };
  const worker = await startWorker({ config: secondFactors({ passkeys, ...app }) });
  await worker.addUser("alice", PASSWORD, { groups: ["reporters"] });
  const gateway = await startWebExample(worker, "browser-gateway/server.ts", { PORT: String(port) });
  const context = await browser.newContext({ viewport: { width: 800, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    // Chromium reports each response of 4xx. A person without a login gets 401, for example.
    if (!/status of 4\d\d/.test(message.text())) troubles.push(message.text());
  });
  page.on("dialog", (dialog) => void dialog.accept());
  await page.goto(gateway.origin);
  /** Waits, and reports what the page says instead. */
  const waitForText = async (locator: Locator): Promise<void> => {
    await locator.waitFor().catch(async (cause: unknown) => {
      throw new Error(`the page says: ${await page.locator("main").innerText()}`, { cause });
    });
  };
  const click = (name: string) => page.getByRole("button", { name, exact: true }).click();
  return {
    ...{ worker, context, page, click },
    async addAuthenticator() {
      const session = await context.newCDPSession(page);
      await session.send("WebAuthn.enable");
      return virtualAuthenticator(session);
    },
    async logIn(username = "alice", password = PASSWORD) {
      await page.getByLabel("Username").fill(username);
      await page.getByLabel("Password").fill(password);
      await click("Log in");
    },
    click,
    async send(label, value, button) {
      await page.getByLabel(label, { exact: true }).filter({ visible: true }).fill(value);
      await click(button);
    },
    async waitFor(heading, focus = heading) {
      await waitForText(page.getByRole("heading", { name: heading, exact: true }));
      const focused = await page.evaluate(
        "document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent",
      );
      assert.equal(focused, focus);
    },
    waitForMessage: (text) => waitForText(page.getByRole("status").getByText(text)),
    async take(name) {
      const folder = process.env["AUTHMQ_SCREENSHOTS"] ?? scratch.folder;
      await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
    },
    assertNoTroubles() {
      assert.deepEqual(troubles, []);
      assert.equal(gateway.example.output, `listening on ${gateway.origin}\n`);
    },
    async [Symbol.asyncDispose]() {
      await context.close();
      await gateway[Symbol.asyncDispose]();
      await worker[Symbol.asyncDispose]();
    },
  };
}

async function virtualAuthenticator(session: CDPSession): Promise<Authenticator> {
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return {
    async credentials() {
      return (await session.send("WebAuthn.getCredentials", { authenticatorId })).credentials.length;
    },
    async recognize(isUserVerified) {
      await session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
    },
    async clear() {
      await session.send("WebAuthn.clearCredentials", { authenticatorId });
    },
  };
}

export const CODE = "Code from your authenticator app";
export const NEW_CODE = "Code that the app shows";

/** Reads the secret of a new TOTP from the page. */
export async function readSecret({ page }: LoginPage): Promise<string> {
  return ((await page.locator("#secret").textContent()) ?? "").replaceAll(" ", "");
}

/** Enrols a TOTP with the button that offers it, up to the recovery codes; returns its secret. */
export async function enrolTotp(login: LoginPage, button: string): Promise<string> {
  await login.click(button);
  await login.waitFor("Add an authenticator app", NEW_CODE);
  const secret = await readSecret(login);
  await login.send(NEW_CODE, codeOf(secret), "Add");
  return secret;
}

/** Reads the recovery codes from the page. */
export async function readCodes({ page, waitFor }: LoginPage): Promise<string[]> {
  await waitFor("Save your recovery codes");
  const codes = await page.locator("#codes li").allTextContents();
  assert.equal(codes.length, 10);
  return codes;
}

/** How the person of the browser's session has logged in; asserts that only this session has cookies. */
export async function readAmr({ context }: LoginPage): Promise<unknown> {
  const cookies = await context.cookies();
  assert.deepEqual(
    cookies.map(({ name }) => name).toSorted(),
    ["__Host-access_token", "__Host-id_token"],
    "cookies after a login",
  );
  return decodeJwt(cookies.find(({ name }) => name === "__Host-id_token")?.value ?? "")["amr"];
}

/** Asserts that the browser has one cookie, which no script can read; returns its value. */
export async function readOnlyCookie({ context }: LoginPage, expected: string): Promise<string> {
  const cookies = await context.cookies();
  assert.deepEqual(
    cookies.map(({ name, httpOnly, secure, sameSite }) => [name, httpOnly, secure, sameSite]),
    [[expected, true, true, "Strict"]],
  );
  return cookies[0]?.value ?? "";
}
