import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { queueNames } from "../../src/config/queues.ts";
import { faultsOf, faultyPaths, parse } from "./faults-of.ts";

function nodesOf(amqp_settings: object, env: Record<string, string> = {}): string[] {
  return parse({ amqp_settings }, { env }).amqp.nodes.map(({ host, port }) => `${host} ${port}`);
}

describe("the broker's host", () => {
  test("may be one or several, each with a port or the common port", () => {
    assert.deepEqual(nodesOf({ host: "rabbit" }), ["rabbit 5672"]);
    assert.deepEqual(nodesOf({ host: "rabbit:5671", port: 1 }), ["rabbit 5671"]);
    assert.deepEqual(nodesOf({ host: ["rabbit_1", "10.0.0.2:65535", "rabbit-3.example.com"], port: 5671 }), [
      "rabbit_1 5671",
      "10.0.0.2 65535",
      "rabbit-3.example.com 5671",
    ]);
  });

  test("may be an IPv6 address in brackets", () => {
    assert.deepEqual(nodesOf({ host: ["[::1]", "[fe80::1%eth0]:5671"] }), ["::1 5672", "fe80::1%eth0 5671"]);
  });

  test("can be a string, a list or a list item in the environment", () => {
    const name = "AUTHMQ__AMQP_SETTINGS__HOST";
    assert.deepEqual(nodesOf({}, { [name]: "rabbit:1" }), ["rabbit 1"]);
    assert.deepEqual(nodesOf({}, { [name]: "[::1]:1" }), ["::1 1"]);
    assert.deepEqual(nodesOf({}, { [name]: '["a", "[::1]:1"]' }), ["a 5672", "::1 1"]);
    assert.deepEqual(nodesOf({ host: ["a", "b"] }, { [`${name}__1`]: "c:1" }), ["a 5672", "c 1"]);
  });

  test("that is not valid is a fault with its index in the list, together with other faults", () => {
    for (const host of [
      "",
      " ",
      "::1",
      "a:b",
      "a:0",
      "a:65536",
      "a:",
      ":5672",
      "a,b",
      "a b",
      "amqp://a",
      "a/vhost",
      "user@a",
      "[::1",
      "[a]",
      "[::1]5672",
    ]) {
      assert.deepEqual(faultyPaths({ amqp_settings: { host } }), ["amqp_settings.host"], host);
      const raw = { amqp_settings: { host: ["a", host], port: 0, prot: 1 } };
      const paths = ["amqp_settings.host.1", "amqp_settings.port", "amqp_settings.prot"];
      assert.deepEqual(faultyPaths(raw), paths, host);
    }
    assert.match(
      faultsOf({ amqp_settings: { host: "::1" } })["amqp_settings.host"] ?? "",
      /\[IPv6 address\]/,
    );
    assert.deepEqual(faultyPaths({ amqp_settings: { host: [] } }), ["amqp_settings.host"]);
    assert.deepEqual(faultyPaths({ amqp_settings: { host: ["a", 1] } }), ["amqp_settings.host.1"]);
  });
});

describe("the queues", () => {
  test("have one of three profiles", () => {
    for (const queues of ["durable", "quorum", "transient"]) {
      assert.equal(parse({ amqp_settings: { queues } }).amqp.queues, queues);
    }
    for (const queues of ["classic", "", true]) {
      assert.deepEqual(faultyPaths({ amqp_settings: { queues } }), ["amqp_settings.queues"]);
    }
  });

  test("may each have their own prefetch, also from the environment", () => {
    const prefetch_by_queue = Object.fromEntries(queueNames().map((name, index) => [name, index + 1]));
    const { amqp } = parse({ amqp_settings: { prefetch_by_queue } });
    assert.deepEqual(amqp.prefetch_by_queue, prefetch_by_queue);
    const env = { AUTHMQ__AMQP_SETTINGS__PREFETCH_BY_QUEUE__LOGIN: "65535" };
    assert.deepEqual(parse({}, { env }).amqp.prefetch_by_queue, { login: 65_535 });
    const json = { AUTHMQ__AMQP_SETTINGS__PREFETCH_BY_QUEUE: '{"token": 8}' };
    assert.deepEqual(parse({}, { env: json }).amqp.prefetch_by_queue, { token: 8 });
  });

  test("have no prefetch out of range or for an unknown queue", () => {
    const raw = {
      amqp_settings: {
        prefetch_by_queue: { login: 0, token: 65_536, user_all: 1.5, user_get: "1", auth: 1 },
      },
    };
    assert.deepEqual(
      faultyPaths(raw),
      ["auth", "login", "token", "user_all", "user_get"].map(
        (name) => `amqp_settings.prefetch_by_queue.${name}`,
      ),
    );
    const env = { AUTHMQ__AMQP_SETTINGS__PREFETCH_BY_QUEUE__AUTH: "1" };
    assert.deepEqual(faultyPaths({}, { env }), Object.keys(env));
  });
});
