import assert from "node:assert/strict";
import { test } from "node:test";
import { neutralEnvironment } from "./neutral-environment.ts";

test("a test run does not use the broker, database and settings of the developer's own installation", () => {
  const own = {
    AMQP_URL: "amqp://own",
    DATABASE_URL: "mysql://own",
    AUTHMQ_CONFIG: "/own",
    AUTHMQ__AMQP_SETTINGS__HOST: "own",
    authmq__db_settings__file: "own",
  };
  const others = { PATH: "/bin", AUTHMQ_TEST_AMQP_URL: "amqp://test", AMQP_URLS: "other" };
  assert.deepEqual(neutralEnvironment({ ...own, ...others }), others);
  for (const name of Object.keys(own)) assert.equal(process.env[name], undefined, name);
});
