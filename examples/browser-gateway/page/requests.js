// The tokens are in cookies that no script can read. This script knows only what the gateway replies.

/** Sends a request; resolves with the status, the reply's JSON and the seconds to wait. */
export async function send(method, path, body) {
  const json = { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, { method, ...(body === undefined ? {} : json) });
  const data = await response.json().catch(() => ({})); // 204, or a page of a proxy
  return { ok: response.ok, status: response.status, data, wait: response.headers.get("retry-after") };
}

/** Sends a request with an access token: with a new one if there is none or it has expired. */
export async function call(method, path, body) {
  const first = await send(method, path, body);
  if (!needsLogin(first)) return first;
  const refresh = await send("POST", "/refresh", {});
  return refresh.ok ? send(method, path, body) : refresh;
}

/** Whether a request failed because nobody is logged in. */
export const needsLogin = ({ data }) => data.error === "INVALID_TOKEN";

const MESSAGES = {
  ACCOUNT_NOT_ACTIVATED: "Your account is not active. Ask your administrator.",
  FACTOR_NOT_FOUND: "It was removed already.",
  INVALID_TOKEN: "Your login has ended. Log in again.",
  LOGIN_EXPIRED: "The login took too long. Log in again.",
  NO_PENDING_FACTOR: "That took too long. Start again.",
  PASSKEYS_OFF: "Passkeys are not available here.",
  SECOND_FACTOR_OFF: "A second step is not available here.",
  TOO_MANY_FACTORS: "You have 20 passkeys. Remove one that you do not use.",
};

/** The message for a failed request; `wrong` is the text for wrong credentials. */
export function explain({ status, data, wait }, wrong) {
  if (data.error === "INVALID_CREDENTIALS") return wrong;
  if (Object.hasOwn(MESSAGES, data.error)) return MESSAGES[data.error];
  if (status === 429) return `Too many attempts. Try again in ${wait} seconds.`;
  if (status >= 500) return "The login service does not reply. Try again later.";
  return data.fields?.map(({ path, msg }) => `${path} ${msg}`).join(", ") ?? data.msg ?? "Try again later.";
}
