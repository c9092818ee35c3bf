import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { missingForBrowser, startBrowser } from "../support/servers/browser.ts";
import { Scratch } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { startWebExample } from "./web-client.ts";

const skip = missingForBrowser() ?? false;
const TIMEOUT = 20_000;

test("a person logs in and out on the page of the browser gateway in Chromium", { skip }, async () => {
  await using worker = await startWorker();
  await worker.addUser("alice", "staple battery horse", { groups: ["reporters"] });
  await using gateway = await startWebExample(worker, "browser-gateway/server.ts");
  await using scratch = new Scratch();
  await using browser = await startBrowser(scratch.subfolder("browser"));
  const context = await browser.newContext({ viewport: { width: 800, height: 600 } });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    // Chromium reports each response of 4xx. A person without a login gets 401.
    if (!message.text().includes("status of 401")) troubles.push(message.text());
  });
  const logIn = async (password: string): Promise<void> => {
    await page.getByLabel("Username").fill("alice");
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
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

  // A page of another origin that sends what its scripts and forms can.
  await logIn("staple battery horse");
  await page.getByRole("heading", { name: "Hello, alice" }).waitFor();
  const other = await context.newPage();
  await other.goto(gateway.origin.replace("localhost", "127.0.0.1"));
  const sent = await other.evaluate(
    `fetch("${gateway.origin}/logout", { method: "POST", mode: "no-cors", credentials: "include", body: "{}" })
      .then(() => "sent", (error) => error.message)`,
  );
  assert.equal(sent, "Failed to fetch", "the content security policy lets the page send requests elsewhere");
  await page.reload();
  await page.getByRole("heading", { name: "Hello, alice" }).waitFor();
});
