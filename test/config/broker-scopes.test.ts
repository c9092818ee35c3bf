import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type BrokerTokenConfig, brokerScopes } from "../../src/config/broker-scopes.ts";
import { newKey, type RingKey } from "../support/key-ring.ts";
import { faultsOf, parse } from "./faults-of.ts";

function withScopes(scopes: unknown, more: object = {}, others: object = {}): object {
  const key: RingKey = newKey();
  const jwt_creation = { issuer: "authmq", signmethod: "EdDSA", keys: { active: key } };
  return { jwt_creation, broker_settings: { scopes, ...more }, ...others };
}

function configOf(scopes: object, more: object = {}, others: object = {}): BrokerTokenConfig {
  const { brokerTokens } = parse(withScopes(scopes, more, others), { keys: true }).app;
  assert.ok(brokerTokens !== undefined, "there are no broker tokens");
  return brokerTokens;
}

describe("broker_settings", () => {
  test("has the default vhost and the lifetime of access tokens as defaults", () => {
    const scopes = { "*": ["read:*"] };
    const { resourceServerId, vhosts, lifetime } = configOf(scopes);
    assert.deepEqual([resourceServerId, vhosts, lifetime], ["rabbitmq", ["prod"], 300]);
    const app_config = { vhosts: ["prod", "test"], access_token_valid_time: 1 };
    assert.deepEqual(configOf(scopes, {}, { app_config }).vhosts, ["prod", "test"]);
    const own = configOf(
      scopes,
      { vhosts: ["test"], token_valid_time: 60, resource_server_id: "r1" },
      { app_config },
    );
    assert.deepEqual([own.resourceServerId, own.vhosts, own.lifetime], ["r1", ["test"], 3600]);
  });

  for (const [entry, msg] of [
    ["", /must begin with read:, write:, configure: or tag:/],
    ["delete:orders", /must begin with/],
    ["READ:orders", /must begin with/],
    ["read", /must begin with|must have a name pattern/],
    ["read:", /must have a name pattern/],
    ["read:a/", /must have a name pattern/],
    ["read:/a", /must have a name pattern/],
    ["read:prod/orders/new", /authmq adds the vhost/],
    ["read:a b", /must have a name pattern/],
    ["read:a+b", /%2B/],
    ["read:orders.#", /%23/],
    ["read:100%", /%25/],
    ["read:%zz", /%25/],
    ["read:a\u00a0b", /must have a name pattern/],
    ["read:a\nb", /must have a name pattern/],
    ["read:\ud800", /must have a name pattern/],
    ["tag:root", /management, monitoring/],
    ["tag:management administrator", /management, monitoring/],
    ["rabbitmq.read:prod/*", /must begin with/],
  ] as const) {
    test(`rejects the scope ${JSON.stringify(entry)}`, () => {
      const found = faultsOf(withScopes({ staff: ["read:*", entry] }), { keys: true });
      assert.deepEqual(Object.keys(found), ["broker_settings.scopes.staff.1"]);
      assert.match(found["broker_settings.scopes.staff.1"] ?? "", msg);
    });
  }

  test("accepts scopes of each kind", () => {
    const all = [
      "read:*",
      "write:amq.topic/orders.*",
      "configure:a%2Fb",
      "read:\u00fc!~'()",
      "tag:monitoring",
    ];
    assert.deepEqual(configOf({ staff: all }).scopes.get("staff"), all);
  });

  test("must contain at least one permission", () => {
    for (const [raw, path] of [
      [withScopes({}), "broker_settings.scopes"],
      [withScopes({ staff: [] }), "broker_settings.scopes.staff"],
      [withScopes({ "*": ["read:*"] }, { vhosts: [] }), "broker_settings.vhosts"],
      [withScopes({ "*": ["read:*"] }, { resource_server_id: "" }), "broker_settings.resource_server_id"],
      [withScopes({ "*": ["read:*"] }, { resource_server_id: "a b" }), "broker_settings.resource_server_id"],
      [withScopes({ "*": ["read:*"] }, { token_valid_time: 0 }), "broker_settings.token_valid_time"],
      [withScopes(undefined), "broker_settings.scopes"],
      [
        withScopes(
          { "*": ["read:*"] },
          { vhosts: ["other"] },
          { app_config: { vhosts: ["prod"], default_vhost: "prod" } },
        ),
        "broker_settings.vhosts",
      ],
    ] as const)
      assert.deepEqual(Object.keys(faultsOf(raw, { keys: true })), [path]);
  });

  test("rejects a shared secret that signs or will sign, but not a retiring one", () => {
    const broker_settings = { scopes: { "*": ["read:*"] } };
    const creation = (keys: object): object => ({
      jwt_creation: { issuer: "authmq", signmethod: "EdDSA", keys },
      broker_settings,
    });
    const [good, shared] = [newKey(), newKey("HS256")];
    const until = "2199-01-01T00:00:00Z";
    for (const keys of [{ active: shared }, { active: good, next: shared }]) {
      const found = faultsOf(creation(keys), { keys: true });
      assert.deepEqual(Object.keys(found), ["broker_settings"]);
      assert.match(found["broker_settings"] ?? "", /HS256.*keys rotate --alg/);
    }
    assert.deepEqual(
      faultsOf(creation({ active: good, retiring: [{ ...shared, until }] }), { keys: true }),
      {},
    );
  });
});

describe("the scopes of a session", () => {
  const config = configOf({
    "*": ["read:news"],
    shop: ["write:amq.topic/orders.*", "read:news"],
    staff: ["tag:management"],
    constructor: ["read:built"],
  });

  test("are those of its groups and of all users, each once, on its vhost", () => {
    assert.deepEqual(brokerScopes(config, ["shop", "staff", "unknown"], "prod"), [
      "rabbitmq.read:prod/news/*",
      "rabbitmq.write:prod/amq.topic/orders.*",
      "rabbitmq.tag:management",
    ]);
    assert.deepEqual(brokerScopes(config, [], "prod"), ["rabbitmq.read:prod/news/*"]);
  });

  test("are empty on a vhost that is not listed", () => {
    for (const vhost of ["test", "Prod", "prod ", "*", ""])
      assert.deepEqual(brokerScopes(config, ["shop", "staff"], vhost), []);
  });

  test("come only from configured groups, even if a group is named like an object property", () => {
    for (const name of ["toString", "__proto__", "hasOwnProperty"])
      assert.deepEqual(brokerScopes(config, [name], "prod"), ["rabbitmq.read:prod/news/*"]);
    assert.deepEqual(brokerScopes(config, ["constructor"], "prod").at(-1), "rabbitmq.read:prod/built/*");
  });

  test("match only their own vhost, with any name", () => {
    const name = fc.oneof(
      fc.string({ unit: "binary", minLength: 1, maxLength: 20 }),
      fc.string({
        unit: fc.constantFrom("*", "%", "2", "A", "/", "+", " ", "a", ".", ":"),
        minLength: 1,
        maxLength: 8,
      }),
    );
    fc.assert(
      fc.property(name, name, (own, other) => {
        const one: BrokerTokenConfig = { ...config, vhosts: [own] };
        const [scope = ""] = brokerScopes(one, [], own);
        const [, rest = ""] = /^rabbitmq\.read:(\S*)$/.exec(scope) ?? [];
        const parts = rest.split("/");
        assert.equal(parts.length, 3);
        assert.equal(matches(own, parts[0] ?? ""), true);
        assert.equal(matches(other, parts[0] ?? ""), own === other);
      }),
    );
  });
});

/** Matches like the broker's plugin: the parts between asterisks, decoded like a query string, in this order. */
function matches(subject: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => decodeURIComponent(part.replaceAll("+", " ")));
  let place = 0;
  for (const [index, part] of parts.entries()) {
    const at = subject.indexOf(part, place);
    if (at < 0 || (index === 0 && at > 0)) return false;
    place = at + part.length;
  }
  return parts.at(-1) === "" || place === subject.length;
}
