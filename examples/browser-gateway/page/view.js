// What the page shows: one section, and a message below it.

export const find = (id) => document.getElementById(id);

const main = document.querySelector("main");

/** Shows one section with a message below it, and moves the focus to its next empty field, else to its heading. */
export function show(id, message = {}) {
  for (const section of document.querySelectorAll("section")) section.hidden = section.id !== id;
  const section = find(id);
  const heading = section.querySelector("h1");
  document.title = heading.textContent;
  const fields = [...section.querySelectorAll("input")].filter((field) => field.checkVisibility());
  (fields.find(({ value }) => value === "") ?? fields[0] ?? heading).focus();
  say(message);
}

/** Shows a message: what went wrong (`error`), or what was done (`info`). */
export function say({ error = "", info = "" }) {
  const message = find("message");
  message.textContent = error || info;
  message.classList.toggle("error", error !== "");
}

/**
 * Runs a step of the page, one at a time, so that a second click sends nothing. The message of the step before goes, so
 * that people see (and screen readers say) the same message again. A network error is a message, too.
 */
export async function step(action) {
  if (main.ariaBusy === "true") return;
  main.ariaBusy = "true";
  say({});
  try {
    await action();
  } catch {
    say({ error: "No connection. Try again later." });
  } finally {
    main.ariaBusy = "false";
  }
}

/** Runs a step for each click on the elements. */
export function onClick(selector, action) {
  for (const element of document.querySelectorAll(selector))
    element.addEventListener("click", () => step(() => action(element)));
}

/** Runs a step with the fields of a form when it is submitted. */
export function onSubmit(form, action) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    step(() => action(Object.fromEntries(new FormData(form)), form));
  });
}
