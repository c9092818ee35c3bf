import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AppError } from "../../src/errors.ts";
import { emptyNotes } from "../../src/observability/request-line.ts";
import { login } from "../../src/procedures/session/login.ts";
import { userRegister } from "../../src/procedures/user/register.ts";
import { validate } from "../../src/rpc/validate.ts";
import { parse } from "../config/faults-of.ts";

const { app } = parse({ app_config: { password_regex: "[a-z]{8,}" } });
const SECRET = "sesame, open";

/** The log's reason for a rejected request. */
function reasonOf(
  procedure: typeof login | typeof userRegister,
  request: Readonly<Record<string, unknown>>,
  showsNames: boolean,
): string | undefined {
  const notes = emptyNotes();
  try {
    validate(procedure, procedure.input(app), request, { services: { app, showsNames }, notes });
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === "INVALID_INPUT", String(error));
    const { reason } = notes;
    assert.doesNotMatch(String(reason), /sesame/, "no password");
    return reason;
  }
  return assert.fail("the request is valid");
}

describe("a request with a field that a pattern of app_config rejects", () => {
  test("names the field and the key, and the username where a directory is configured", () => {
    const request = { username: "j.doe", password: SECRET };
    assert.equal(reasonOf(login, request, true), 'username "j.doe" does not match app_config.username_regex');
    assert.equal(reasonOf(login, request, false), "username does not match app_config.username_regex");
  });

  test("names every such field, and only the username's value", () => {
    const request = { username: "jo", password: SECRET, email: "sesame" };
    const reason = reasonOf(userRegister, request, true) ?? "";
    assert.deepEqual(reason.split("; ").toSorted(), [
      "email does not match app_config.email_regex",
      "password does not match app_config.password_regex",
      'username "jo" does not match app_config.username_regex',
    ]);
  });

  test("shows control characters of a name as JSON does", () => {
    const reason = reasonOf(login, { username: "a\n\u001b[2J", password: SECRET }, true);
    assert.equal(reason, 'username "a\\n\\u001b[2J" does not match app_config.username_regex');
  });

  test("has no such reason for other violations", () => {
    assert.equal(reasonOf(login, { username: 5, password: SECRET }, true), undefined);
    assert.equal(reasonOf(login, { username: "x".repeat(101), password: SECRET }, true), undefined);
  });
});
