// The tokens are in cookies that no script can read. This script knows only what the gateway replies.

const find = (id) => document.getElementById(id);
const form = document.forms[0];

/** Shows one section, and a message below it. */
function show(id, message = "") {
  for (const section of document.querySelectorAll("section")) section.hidden = section.id !== id;
  find("message").textContent = message;
}

/** Sends a request; resolves with the status, the reply's JSON and the seconds to wait. */
async function send(method, path, body) {
  const json = { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(path, { method, ...(body === undefined ? {} : json) });
  const data = await response.json().catch(() => ({})); // 204, or a page of a proxy
  return { ok: response.ok, status: response.status, data, wait: response.headers.get("retry-after") };
}

/** Gets a protected path, with a new access token if there is none or it has expired. */
async function get(path) {
  const first = await send("GET", path);
  if (first.status !== 401) return first;
  const refresh = await send("POST", "/refresh", {});
  return refresh.ok ? send("GET", path) : refresh;
}

/** The message for a failed request. */
function explain({ status, data, wait }) {
  if (data.error === "INVALID_CREDENTIALS") return "Wrong username or password.";
  if (status === 429) return `Too many attempts. Try again in ${wait} seconds.`;
  if (status >= 500) return "The login service does not reply. Try again later.";
  return data.fields?.map(({ path, msg }) => `${path} ${msg}`).join(", ") ?? data.msg ?? "Try again later.";
}

async function showAccount() {
  const me = await get("/api/me");
  if (!me.ok) return show("login", me.status === 401 ? "" : explain(me));
  find("user").textContent = me.data.user;
  find("groups").textContent = me.data.groups.join(", ") || "none";
  show("account");
}

/** Runs a step of the page; a network error is a message, too. */
const step = (action) => action().catch(() => show("login", "No connection. Try again later."));

form.addEventListener("submit", (event) => {
  event.preventDefault();
  step(async () => {
    const { username, password } = Object.fromEntries(new FormData(form));
    const login = await send("POST", "/login", { username, password });
    form.elements.password.value = "";
    if (login.ok) await showAccount();
    else show("login", explain(login));
  });
});

find("logout").addEventListener("click", () =>
  step(async () => {
    const logout = await send("POST", "/logout", {});
    show(
      "login",
      logout.ok ? "You are logged out." : "This browser is logged out. The session may still exist.",
    );
  }),
);

await step(showAccount);
