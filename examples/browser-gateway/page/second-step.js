// The second step of a login: a passkey, a code of an authenticator app, or a recovery code.
import { hasPasskeys, usePasskey } from "./passkeys.js";
import { explain, send } from "./requests.js";
import { find, onClick, onSubmit, say, show } from "./view.js";

/** authmq ends a challenge after as many wrong answers. */
const MAX_ANSWERS = 5;

/** For an account whose factors were passkeys only, where these are not available any more. */
const UNUSABLE = "Your second step is not available any more. Ask your administrator to reset it.";

const WRONG = {
  passkey: "This passkey was not accepted.",
  totp: "Wrong code. Wait for the next one, and check the clock of your device.",
  recovery_code: "Wrong recovery code, or it was used already.",
};

let methods = [];
let options;
let wrongAnswers = 0;

/** Shows the second step, after authmq has asked for it. */
export function askForFactor(data) {
  methods = ["passkey", "totp", "recovery_code"].filter(
    (method) => data.methods.includes(method) && (method !== "passkey" || hasPasskeys),
  );
  options = data.passkey_options;
  wrongAnswers = 0;
  if (methods.length > 0) choose(methods[0]);
  else show("login", { error: data.methods.length === 0 ? UNUSABLE : "This browser cannot use passkeys." });
}

/** Sets up the second step; `done` runs after a login. */
export function addSecondStep(done) {
  const answer = async (method, value) => {
    const login = await send("POST", "/login/continue", { [method]: value });
    if (login.ok) return done();
    const error = explain(login, WRONG[method]);
    if (login.data.error === "LOGIN_EXPIRED") return show("login", { error });
    if (login.data.error === "INVALID_CREDENTIALS") wrongAnswers += 1;
    if (wrongAnswers < MAX_ANSWERS) show("second-step", { error });
    else show("login", { error: "Too many wrong answers. Log in again." });
  };
  for (const form of find("second-step").querySelectorAll("form"))
    onSubmit(form, (fields) => {
      form.reset();
      const { method } = form.dataset;
      return answer(method, fields[method]);
    });
  onClick("#passkey-answer", async () => {
    const { credential, error } = await usePasskey(options);
    if (error === undefined) await answer("passkey", credential);
    else say({ error });
  });
  onClick("[data-choose]", ({ dataset }) => choose(dataset.choose));
  onClick("#start-again", () => show("login"));
}

/** Shows one way to answer, and buttons for the others. */
function choose(method) {
  for (const part of document.querySelectorAll("[data-method]")) part.hidden = part.dataset.method !== method;
  for (const button of document.querySelectorAll("[data-choose]")) {
    const other = button.dataset.choose;
    button.hidden = other === method || !methods.includes(other);
  }
  show("second-step");
}
