// Login, account and logout. The other scripts have the second factor.
import { addFactors, askForSetup, listFactors } from "./factors.js";
import { hasPasskeys, hidePasskeys, usePasskey } from "./passkeys.js";
import { call, explain, needsLogin, send } from "./requests.js";
import { addSecondStep, askForFactor } from "./second-step.js";
import { find, onClick, onSubmit, say, show, step } from "./view.js";

const showLogin = (message) => show("login", message);

/** Shows the account, with a message; the login if nobody is logged in. */
async function showAccount(message) {
  const me = await call("GET", "/api/me");
  if (!me.ok) return showLogin(needsLogin(me) ? {} : { error: explain(me) });
  find("user").textContent = me.data.user;
  find("groups").textContent = me.data.groups.join(", ") || "none";
  await listFactors();
  show("account", message);
}

onSubmit(find("password-form"), async ({ username, password }, form) => {
  const login = await send("POST", "/login", { username, password });
  form.elements.password.value = "";
  if (login.ok) await showAccount();
  else if (login.data.error === "SECOND_FACTOR_REQUIRED") askForFactor(login.data);
  else if (login.data.error === "SECOND_FACTOR_SETUP_REQUIRED") askForSetup();
  else showLogin({ error: explain(login, "Wrong username or password.") });
});

onClick("#passkey-login", async () => {
  const begun = await send("POST", "/login/passkey", {});
  if (!begun.ok) {
    say({ error: explain(begun) });
    if (["PASSKEYS_OFF", "SECOND_FACTOR_OFF"].includes(begun.data.error)) hidePasskeys();
    return;
  }
  const { credential, error } = await usePasskey(begun.data.passkey_options);
  if (error !== undefined) return say({ error });
  const login = await send("POST", "/login/continue", { passkey: credential });
  if (login.ok) await showAccount();
  else say({ error: explain(login, "This passkey is not known here. Log in with your password.") });
});

onClick("[data-logout]", async () => {
  const logout = await send("POST", "/logout", {});
  if (logout.ok) showLogin({ info: "You are logged out." });
  else showLogin({ error: "This browser is logged out. The session may still exist." });
});

if (!hasPasskeys) hidePasskeys();
addSecondStep(showAccount);
addFactors(showAccount, showLogin);
await step(showAccount);
