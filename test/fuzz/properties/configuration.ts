import assert from "node:assert/strict";
import fc from "fast-check";
import { ConfigError } from "../../../src/config/fault.ts";
import { parseConfig } from "../../../src/config/load.ts";
import { SECTIONS } from "../../../src/config/schema.ts";
import { hostileText, PROTOTYPE_KEYS } from "../texts.ts";
import { holds, type Property } from "./property.ts";

type Json = Record<string, unknown>;

/** Secrets in the configuration, which no error message may contain. */
const SECRETS = [
  "Rz8~sumac~60-of-the-database",
  "Qd5~nigella~22-of-the-broker",
  "Lp1~mahlab~77-of-the-key-00000000",
];

const secretText = fc.constantFrom(...SECRETS);

const secretSetting = fc.record(
  {
    type: fc.constantFrom("plain", "base64plain", "base64key", "Plain", 1),
    value: secretText,
    secret: secretText,
  },
  { requiredKeys: ["value"] },
);

const scalar = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1e9,
    0.5,
    65_536,
    "127.0.0.1",
    "ldap://x",
    "/nowhere",
    "*",
    "",
    "(a+)+",
  ),
);

const anything: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: scalar },
  { weight: 1, arbitrary: fc.array(scalar, { maxLength: 3 }) },
  {
    weight: 1,
    arbitrary: fc.dictionary(fc.oneof(fc.constantFrom(...PROTOTYPE_KEYS), hostileText), scalar, {
      maxKeys: 3,
    }),
  },
  { weight: 1, arbitrary: fc.jsonValue({ stringUnit: "binary" }) },
);

const key = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...keysOfSections()) },
  { weight: 1, arbitrary: fc.constantFrom(...PROTOTYPE_KEYS) },
  { weight: 1, arbitrary: hostileText },
);

const section = fc
  .tuple(
    fc.array(fc.tuple(key, anything), { maxLength: 6 }),
    fc.record(
      { password: secretText, bind_password: secretText, secret: secretSetting },
      { requiredKeys: [] },
    ),
  )
  .map(([members, secrets]): Json => ({ ...Object.fromEntries(members), ...secrets }));

const sectionName = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...Object.keys(SECTIONS)) },
  { weight: 1, arbitrary: fc.constantFrom(...PROTOTYPE_KEYS) },
  { weight: 1, arbitrary: hostileText },
);

const file = fc
  .array(
    fc.tuple(
      sectionName,
      fc.oneof(
        { weight: 6, arbitrary: section },
        { weight: 1, arbitrary: fc.array(section, { maxLength: 2 }) },
        { weight: 1, arbitrary: anything },
      ),
    ),
    { maxLength: 5 },
  )
  .map((members): Json => Object.fromEntries(members));

const path = fc.array(fc.oneof(fc.constantFrom(...Object.keys(SECTIONS), "0", "1", ""), key), {
  maxLength: 4,
});

/** A variable of the environment. If its name ends with _FILE, it contains a path, which may be printed. */
const variable = fc
  .tuple(path, fc.constantFrom("", "_FILE"), fc.oneof(secretText, hostileText, fc.json()))
  .map(([names, end, value]) => {
    const name = `AUTHMQ__${names.join("__").toUpperCase()}${end}`;
    return [name, name.endsWith("_FILE") ? "/nowhere/secret" : value];
  });

const env = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc
      .array(variable, { maxLength: 3 })
      .map((variables) => Object.fromEntries(variables) as Record<string, string>),
  },
);

/** Properties of reading a configuration. */
export const CONFIGURATION: readonly Property[] = [
  holds(
    "a configuration is read, or rejected with errors that contain no secret",
    250,
    fc.tuple(file, env, fc.boolean()),
    (given) => {
      const [raw, variables, keys] = given;
      try {
        parseConfig(raw, { env: variables, keys, folder: "/nowhere" });
      } catch (error) {
        assert.ok(error instanceof ConfigError, error instanceof Error ? (error.stack ?? "") : "no error");
        assert.notEqual(error.faults.length, 0);
        const printed = [error.message, ...error.faults.flatMap(({ path, msg }) => [path, msg])];
        for (const secret of SECRETS)
          assert.ok(!printed.some((text) => text.includes(secret)), error.message.replaceAll(secret, "..."));
      }
    },
  ),
];

/** Every key of every section. */
function keysOfSections(): string[] {
  const names = Object.values(SECTIONS).flatMap((schema) => {
    let inner: unknown = schema;
    while (typeof inner === "object" && inner !== null && "unwrap" in inner)
      inner = (inner.unwrap as () => unknown)();
    return typeof inner === "object" && inner !== null && "shape" in inner
      ? Object.keys(inner.shape as object)
      : [];
  });
  return [...new Set(names)].filter((name) => !name.includes("password") && name !== "secret");
}
