import { assertInvalid, assertRefused } from "./replies.ts";
import type { TestWorker } from "./worker.ts";

/** Asserts that a valid request fails without a valid access token: missing, malformed, forged or of another type. */
export async function assertNeedsAccessToken(
  worker: TestWorker,
  queue: string,
  request: object,
): Promise<void> {
  const good = await worker.accessToken("nobody-at-all", ["admin"]);
  const bad = [undefined, null, "", "no token", `${good}x`, good.slice(0, -4), await idToken(worker)];
  for (const access_token of bad) {
    assertRefused(await worker.call(queue, { ...request, access_token }), 401, "INVALID_TOKEN");
  }
  for (const access_token of [1, true, {}, [good]]) {
    assertInvalid(await worker.call(queue, { ...request, access_token }), "access_token");
  }
}

/** Asserts that a valid token is not enough: its groups must contain the exact name of the admin group. */
export async function assertNeedsAdmin(worker: TestWorker, queue: string, request: object): Promise<void> {
  await assertNeedsAccessToken(worker, queue, request);
  for (const groups of [[], ["dev"], ["Admin"], ["admin "], ["admins", "adm"]]) {
    const access_token = await worker.accessToken("plain", groups);
    assertRefused(await worker.call(queue, { ...request, access_token }), 403, "FORBIDDEN");
  }
}

async function idToken(worker: TestWorker): Promise<string> {
  const name = `holder-${Math.random().toString(36).slice(2, 12)}`;
  await worker.addUser(name, "holder of a token");
  return worker.login(name, "holder of a token");
}
