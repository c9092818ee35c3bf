// The account's second factors: the list, enrolment, removal, recovery codes.
import { createPasskey, hidePasskeys } from "./passkeys.js";
import { call, explain, needsLogin } from "./requests.js";
import { find, onClick, onSubmit, say, show, step } from "./view.js";

const KINDS = { totp: "Authenticator app", passkey: "Passkey" };

let pages;
/** Whether a login waits for the first factor: the account is not open yet. */
let isSetup = false;

/** Shows the choice of a first factor, after authmq has asked for it. */
export function askForSetup() {
  isSetup = true;
  show("setup");
}

/** Lists the factors in the account section; hides that part if the installation has no second factors. */
export async function listFactors() {
  isSetup = false;
  const list = await call("GET", "/factors");
  find("second-factors").hidden = !list.ok;
  if (!list.ok) return;
  const { factors } = list.data;
  find("factors").replaceChildren(...factors.map(itemOf));
  find("no-factors").hidden = factors.length > 0;
  find("renew-codes").hidden = factors.length === 0;
  const hasApp = factors.some(({ type }) => type === "totp");
  document.querySelector("#account [data-add=totp]").textContent = hasApp
    ? "Replace the authenticator app"
    : "Add an authenticator app";
}

/** Sets up enrolment and removal. `account` and `login` show these sections, with a message. */
export function addFactors(account, login) {
  pages = { account, login };
  onClick("[data-add=totp]", beginTotp);
  onSubmit(find("totp-form"), confirmTotp);
  onClick("[data-add=passkey]", () => {
    find("passkey-form").reset();
    show("add-passkey");
  });
  onSubmit(find("passkey-form"), addPasskey);
  onClick("[data-cancel]", () => (isSetup ? show("setup") : pages.account()));
  onClick("#renew-codes", async () => {
    if (!confirm("Get new recovery codes? The ones that you have stop working.")) return;
    const renewed = await change("/factors/recovery-codes");
    if (renewed !== undefined) showCodes(renewed.recovery_codes);
  });
  onClick("#copy-codes", copyCodes);
  onClick("#codes-saved", () => {
    find("codes").replaceChildren();
    return pages.account();
  });
}

/** Sends a change; resolves with the reply's data, or undefined after an error, which it shows. */
async function change(path, body = {}, wrong = "") {
  const reply = await call("POST", path, body);
  if (reply.ok) return reply.data;
  const { error } = reply.data;
  if (error === "REAUTHENTICATION_REQUIRED") {
    find("username").value = find("user").textContent;
    pages.login({ info: "Your login is too old for this change. Log in again." });
  } else if (needsLogin(reply)) pages.login({ error: explain(reply) });
  else say({ error: explain(reply, wrong) });
  if (error === "PASSKEYS_OFF") hidePasskeys();
}

function drawQrCode(element, { path: dark, size }) {
  const [svg, path] = ["svg", "path"].map((name) =>
    document.createElementNS("http://www.w3.org/2000/svg", name),
  );
  svg.setAttribute("viewBox", `0 0 ${size} ${size}`);
  path.setAttribute("d", dark);
  svg.append(path);
  element.replaceChildren(svg);
}

async function beginTotp() {
  const totp = await change("/factors/totp");
  if (totp === undefined) return;
  find("secret").textContent = totp.secret.match(/.{1,4}/g).join(" ");
  find("uri").href = totp.uri;
  find("uri-text").textContent = totp.uri;
  drawQrCode(find("qr-code"), totp.qr_code);
  find("totp-form").reset();
  show("add-totp");
}

async function confirmTotp({ totp, name }, form) {
  form.elements.totp.value = "";
  form.elements.totp.focus();
  const wrong = "Wrong code. Wait for the next one, and check the clock of your device.";
  const added = await change("/factors/totp/confirm", { totp, name }, wrong);
  if (added === undefined) return;
  for (const id of ["secret", "uri-text", "qr-code"]) find(id).replaceChildren();
  find("uri").removeAttribute("href");
  await finish(added, "The authenticator app is added.");
}

async function addPasskey({ name }) {
  const begun = await change("/factors/passkey");
  if (begun === undefined) return;
  const { credential, error } = await createPasskey(begun.passkey_options);
  if (error !== undefined) return say({ error });
  const wrong = "The passkey was not accepted. Try again.";
  const added = await change("/factors/passkey/confirm", { credential, name }, wrong);
  if (added !== undefined) await finish(added, "The passkey is added.");
}

/** Shows the recovery codes after the first factor, else the account. */
async function finish({ recovery_codes: codes }, info) {
  if (codes === undefined) await pages.account({ info });
  else showCodes(codes, info);
}

function showCodes(codes, info) {
  const items = codes.map((code) => {
    const item = document.createElement("li");
    item.textContent = code;
    return item;
  });
  find("codes").replaceChildren(...items);
  show("recovery-codes", { info });
}

async function copyCodes() {
  const codes = [...find("codes").children].map(({ textContent }) => textContent);
  await navigator.clipboard.writeText(codes.join("\n")).then(
    () => say({ info: "Copied." }),
    () => say({ error: "This browser does not copy. Select the codes and copy them, or write them down." }),
  );
}

/** A factor in the list. */
function itemOf({ id, type, name, created_at, last_use, remaining }) {
  const item = find("factor").content.cloneNode(true);
  const date = (text) => new Date(text).toLocaleDateString();
  const button = item.querySelector("button");
  if (type === "recovery_codes") {
    item.querySelector("strong").textContent = "Recovery codes";
    item.querySelector("small").textContent = `${remaining} left, from ${date(created_at)}`;
    button.remove();
  } else {
    const kind = name === KINDS[type] ? "" : `${KINDS[type]}, `;
    const use = last_use === null ? "not used yet" : `last used ${date(last_use)}`;
    item.querySelector("strong").textContent = name;
    item.querySelector("small").textContent = `${kind}added ${date(created_at)}, ${use}`;
    button.ariaLabel = `Remove ${name}`;
    button.addEventListener("click", () => step(() => remove(id, name)));
  }
  return item;
}

async function remove(id, name) {
  if (!confirm(`Remove "${name}"? You cannot log in with it any more.`)) return;
  if ((await change("/factors/remove", { id })) !== undefined)
    await pages.account({ info: `"${name}" is removed.` });
}
