import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { missingForBrowser, startBrowser } from "../support/servers/browser.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { startWebExample } from "./web-client.ts";

const skip = missingForBrowser() ?? false;
const TIMEOUT = 20_000;
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

test("a person logs in and out on the page of the browser gateway in Chromium", { skip }, async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "staple battery horse", { groups: ["reporters"] });
  await using gateway = await startWebExample(worker, "browser-gateway/server.ts");
  const context = await browser.newContext({ viewport: { width: 800, height: 600 } });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    // Chromium reports each response of 4xx: 401 without a login, 403 for the list of second factors, which are off.
    if (!/status of 40[13]/.test(message.text())) troubles.push(message.text());
  });
  const logIn = async (password: string): Promise<void> => {
    await page.getByLabel("Username").fill("alice");
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in", exact: true }).click();
  };
  // For a person who looks at the pages: AUTHMQ_SCREENSHOTS is a folder.
  const folder = process.env["AUTHMQ_SCREENSHOTS"] ?? scratch.folder;
  const take = (name: string) => page.screenshot({ path: join(folder, `${name}.png`) });

  await page.goto(gateway.origin);
  await logIn("wrong");
  await page.getByText("Wrong username or password.").waitFor();
  await take("refused");
  await logIn("staple battery horse");
  await page.getByRole("heading", { name: "Hello, alice" }).waitFor();
  assert.ok(await page.getByText("reporters").isVisible());
  await take("account");

  const readable = await page.evaluate(
    "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)",
  );
  assert.equal(readable, "{}{}");
  const cookies = await context.cookies();
  assert.deepEqual(cookies.map(({ name }) => name).toSorted(), ["__Host-access_token", "__Host-id_token"]);
  for (const { name, httpOnly, secure, sameSite } of cookies)
    assert.deepEqual([httpOnly, secure, sameSite], [true, true, "Strict"], name);

  await context.clearCookies({ name: "__Host-access_token" }); // as when it has expired
  await page.reload();
  await page.getByRole("heading", { name: "Hello, alice" }).waitFor();
  assert.equal((await context.cookies()).length, 2);

  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByText("You are logged out.").waitFor();
  assert.deepEqual(await context.cookies(), []);
  await take("logged-out");
  assert.deepEqual(troubles, []);
  await context.close();
});

test("a page at another port of the same host cannot log the person out", { skip }, async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "staple battery horse");
  await using gateway = await startWebExample(worker, "browser-gateway/server.ts");
  const port = await scratch.freePort();
  await using attacker = createServer((_, response) => {
    response.setHeader("content-type", "text/html").end("<title>prizes</title>");
  });
  await once(attacker.listen(port, "127.0.0.1"), "listening");
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  await page.goto(gateway.origin);
  await page.getByLabel("Username").fill("alice");
  await page.getByLabel("Password").fill("staple battery horse");
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await page.getByRole("heading", { name: "Hello, alice" }).waitFor();

  const other = await context.newPage();
  await other.goto(`http://localhost:${port}`);
  // Ports do not count for SameSite, so the browser sends the cookies. It keeps the response from the page.
  await other.evaluate(
    `fetch("${gateway.origin}/logout", { method: "POST", mode: "no-cors", credentials: "include", body: "{}" })
      .catch(() => undefined).then(() => true)`,
  );
  await page.reload();
  await page.getByRole("heading", { name: "Hello, alice" }).waitFor();
  await context.close();
});
