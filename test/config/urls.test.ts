import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { rootCertificates } from "node:tls";
import fc from "fast-check";
import { newFolder } from "../support/cli.ts";
import { faultsOf, faultyPaths, parse } from "./faults-of.ts";

const folder = newFolder();
const [CA = ""] = rootCertificates;
writeFileSync(join(folder, "ca.pem"), CA);

const BROKER = ["host", "port", "username", "password", "vhost", "tls"] as const;

function broker(amqp_settings: object, env: Record<string, string> = {}): unknown[] {
  const { nodes, username, password, vhost, tls } = parse({ amqp_settings }, { env, folder }).amqp;
  return [nodes[0].host, nodes[0].port, username, password, vhost, tls];
}

function database(db_settings: object, env: Record<string, string> = {}): object {
  const { db } = parse({ db_settings }, { env, folder: "/srv" });
  if (db.dialect === "sqlite") return { file: db.file };
  const { host, port, user, password, database: name, tls } = db;
  return { host, port, user, password, name, tls };
}

describe("AMQP_URL", () => {
  for (const [url, expected] of [
    ["amqp://rabbit", ["rabbit", 5672, "guest", "guest", "/", false]],
    ["amqp://rabbit/", ["rabbit", 5672, "guest", "guest", "/", false]],
    ["amqp://alice:s3cret@rabbit:5673/orders", ["rabbit", 5673, "alice", "s3cret", "orders", false]],
    ["amqp://a%40b:p%2F%3A%23%25@rabbit/%2F", ["rabbit", 5672, "a@b", "p/:#%", "/", false]],
    ["amqp://a:b@rabbit/x%2fy%20z%C3%A9", ["rabbit", 5672, "a", "b", "x/y zé", false]],
    ["amqp://a:b@[::1]:5673/v", ["::1", 5673, "a", "b", "v", false]],
    ["amqps://a:b@rabbit.example.com/v", ["rabbit.example.com", 5671, "a", "b", "v", true]],
    ["amqps://rabbit:5700", ["rabbit", 5700, "guest", "guest", "/", true]],
    ["AMQP://rabbit", ["rabbit", 5672, "guest", "guest", "/", false]],
    ["amqps://rabbit?verify=verify_peer", ["rabbit", 5671, "guest", "guest", "/", true]],
    ["", ["127.0.0.1", 5672, "guest", "guest", "/", false]],
  ] as const)
    test(`${url === "" ? "that is empty" : url} is read`, () =>
      assert.deepEqual(broker({}, { AMQP_URL: url }), expected));

  test("sets options that have keys", () => {
    const { amqp } = parse(
      {},
      { env: { AMQP_URL: "amqps://rabbit?heartbeat=30&cacertfile=ca.pem" }, folder },
    );
    assert.deepEqual([amqp.heartbeat, amqp.ca?.toString(), amqp.tls], [30, CA, true]);
  });

  test("decodes all characters", () => {
    const text = fc
      .string({ unit: "binary", minLength: 1, maxLength: 12 })
      .filter((one) => one.isWellFormed());
    fc.assert(
      fc.property(text, text, text, (user, password, vhost) => {
        const [u, p, v] = [user, password, vhost].map(encodeURIComponent);
        if (v === "." || v === "..") return; // URLs cannot have such a path segment
        const read = broker({}, { AMQP_URL: `amqp://${u}:${p}@rabbit/${v}` });
        assert.deepEqual(read.slice(2, 5), [user, password, vhost]);
      }),
    );
  });

  test("is replaced by a url of the settings as a whole, and overridden by single keys", () => {
    const env = { AMQP_URL: "amqps://env:env@env:1/env" };
    assert.deepEqual(broker({ url: "amqp://file/one" }, env), ["file", 5672, "guest", "guest", "one", false]);
    const explicit = { host: "own", port: 2, username: "me", password: "mine", vhost: "here", tls: false };
    const fromUrl = ["env", 1, "env", "env", "env", true];
    for (const [index, key] of BROKER.entries()) {
      const expected = fromUrl.with(index, explicit[key]);
      assert.deepEqual(broker({ [key]: explicit[key] }, env), expected, key);
      const variable = { [`AUTHMQ__AMQP_SETTINGS__${key.toUpperCase()}`]: String(explicit[key]) };
      assert.deepEqual(broker({}, { ...env, ...variable }), expected, key);
      assert.deepEqual(broker({ url: env.AMQP_URL, [key]: explicit[key] }), expected, key);
    }
    assert.deepEqual(broker({}, { AMQP_URL: "amqp://a", AUTHMQ__AMQP_SETTINGS__URL: "amqp://b" })[0], "b");
  });

  test("is ignored if the settings set all of it", () => {
    const all = { host: "own", port: 2, username: "me", password: "mine", vhost: "here" };
    for (const AMQP_URL of ["amqps://env", "nonsense"])
      assert.deepEqual(broker(all, { AMQP_URL }), ["own", 2, "me", "mine", "here", false]);
  });
});

describe("DATABASE_URL", () => {
  const server = { host: "db", port: 3306, user: "u", password: "p", name: "auth", tls: false };
  for (const [url, expected] of [
    ["mysql://u:p@db/auth", server],
    ["mariadb://u:p@db:3307/auth", { ...server, port: 3307 }],
    ["mysql://u%40x:p%2F@db/a%2Fb", { ...server, user: "u@x", password: "p/", name: "a/b" }],
    ["mysql://u@[::1]/auth", { ...server, host: "::1", password: "" }],
    ["mysql://u:p@db/auth?ssl-mode=VERIFY_IDENTITY", { ...server, tls: true }],
    ["mysql://u:p@db/auth?ssl-mode=REQUIRED", { ...server, tls: true }],
    ["mysql://u:p@db/auth?ssl-mode=DISABLED", server],
    ["sqlite:users.db", { file: "/srv/users.db" }],
    ["sqlite://data/users.db", { file: "/srv/data/users.db" }],
    ["sqlite:./users.db", { file: "/srv/users.db" }],
    ["sqlite:/var/lib/users.db", { file: "/var/lib/users.db" }],
    ["sqlite:///var/lib/users.db", { file: "/var/lib/users.db" }],
    ["sqlite:////var/lib/users.db", { file: "/var/lib/users.db" }],
    ["file:my%20users.db", { file: "/srv/my users.db" }],
    ["", { file: "/srv/authmq.db" }],
  ] as const)
    test(`${url === "" ? "that is empty" : url} is read`, () =>
      assert.deepEqual(database({}, { DATABASE_URL: url }), expected));

  test("is replaced by a url of the settings, and overridden by single keys", () => {
    const env = { DATABASE_URL: "mysql://u:p@db:3307/auth" };
    const read = { ...server, port: 3307 };
    assert.deepEqual(database({ url: "sqlite:a.db" }, env), { file: "/srv/a.db" });
    assert.deepEqual(database({ host: "own", user: "me" }, env), { ...read, host: "own", user: "me" });
    const secret = { AUTHMQ__DB_SETTINGS__PASSWORD: "own" };
    assert.deepEqual(database({}, { DATABASE_URL: "mysql://u@db/auth", ...secret }), {
      ...server,
      password: "own",
    });
  });

  test("for another database than the settings is ignored", () => {
    for (const DATABASE_URL of ["mysql://u:p@db/auth", "postgres://u:p@db/auth"]) {
      assert.deepEqual(database({ dialect: "sqlite" }, { DATABASE_URL }), { file: "/srv/authmq.db" });
      assert.deepEqual(database({ file: "a.db" }, { DATABASE_URL }), { file: "/srv/a.db" });
    }
    const own = { database: "auth", user: "u", password: "p", host: "db" };
    for (const DATABASE_URL of ["sqlite:x.db", "postgres://u:p@h/x"])
      assert.deepEqual(database(own, { DATABASE_URL }), server);
    assert.deepEqual(faultyPaths({ db_settings: { file: "a.db", url: "mysql://u:p@db/auth" } }), [
      "db_settings.url",
    ]);
  });
});

describe("an invalid url is one fault, with the name of its source and without the url:", () => {
  const SECRET = "hunter2";
  for (const url of [
    SECRET,
    `amqp:${SECRET}`,
    `amqp://${SECRET}`.replace("://", ":/"),
    `http://u:${SECRET}@h`,
    `amqp://u:${SECRET}#x@h/v`,
    `amqp://u:${SECRET}/x@h/v`,
    `amqp://u:1/${SECRET}@h/v`,
    `amqp://u:1?${SECRET}@h/v`,
    `amqp://u:1?x&${SECRET}@h/v`,
    `amqp://u:%zz${SECRET}@h/v`,
    `amqp://u:${SECRET}@/v`,
    `amqp://u:${SECRET}@h:70000/v`,
    `amqp://u:${SECRET}@h1:1,h2:2/v`,
    `amqp://u:${SECRET}@h/a/b`,
    `amqp://u:${SECRET}@h/v\n`,
    `amqp://u:${SECRET}@h/v?channel_max=1`,
    `amqp://u:${SECRET}@h/v?heartbeat=x`,
    `amqp://u:${SECRET}@h/v?heartbeat=1&heartbeat=2`,
    `amqps://u:${SECRET}@h/v?verify=verify_none`,
  ])
    test(JSON.stringify(url.replaceAll(SECRET, "...")), () => {
      for (const [name, raw, env] of [
        ["AMQP_URL", {}, { AMQP_URL: url }],
        ["amqp_settings.url", { amqp_settings: { url } }, {}],
        ["AUTHMQ__AMQP_SETTINGS__URL", {}, { AUTHMQ__AMQP_SETTINGS__URL: url }],
      ] as const) {
        const faults = faultsOf(raw, { env });
        assert.deepEqual(Object.keys(faults), [name]);
        assert.match(faults[name] ?? "", /must|unknown option|option heartbeat/);
        assert.ok(!JSON.stringify(faults).includes(SECRET), "the password is in the faults");
      }
    });

  for (const url of [
    "postgres://u:hunter2@db/auth",
    "postgresql://db",
    "mongodb+srv://u:hunter2@db/auth",
    "mysql+pymysql://u:hunter2@db/auth",
    "jdbc:mysql://db/auth",
    "/var/lib/users.db",
    "sqlite:",
    "sqlite://",
    "sqlite::memory:",
    "sqlite:a%00.db",
    "sqlite:a.db?mode=ro",
    "mysql://u:hunter2@db/a/b",
    "mysql://u:hunter2@db/auth?ssl-mode=PREFERRED",
    "mysql://u:hunter2@db/auth?charset=utf8",
  ])
    test(url.replace("hunter2", "..."), () => {
      const faults = faultsOf({}, { env: { DATABASE_URL: url } });
      assert.deepEqual(Object.keys(faults), ["DATABASE_URL"]);
      assert.match(faults["DATABASE_URL"] ?? "", /must|unknown option/);
      assert.ok(!JSON.stringify(faults).includes(SECRET), "the password is in the faults");
    });

  test("a fault in a part of it is named by source and key", () => {
    const env = { AMQP_URL: "amqp://rabbit?heartbeat=0&cacertfile=none.pem" };
    assert.deepEqual(faultyPaths({}, { env }), ["AMQP_URL.ca_file", "AMQP_URL.heartbeat"]);
    assert.deepEqual(faultyPaths({}, { env: { DATABASE_URL: "mysql://u:p@db" } }), ["db_settings.database"]);
  });

  test("together with other faults of its section", () => {
    const raw = { amqp_settings: { url: 5, prefetch: 0 }, db_settings: { url: "x", user: "u", port: 0 } };
    assert.deepEqual(faultyPaths(raw), [
      "amqp_settings.prefetch",
      "amqp_settings.url",
      "db_settings.port",
      "db_settings.url",
    ]);
    const env = { AUTHMQ__DB_SETTINGS__URL_FILE: "/nowhere/url" };
    assert.deepEqual(faultyPaths({ db_settings: { user: "u" } }, { env }), Object.keys(env));
  });

  test("tls false with a CA is a contradiction", () => {
    const env = { AMQP_URL: "amqp://rabbit?cacertfile=ca.pem" };
    assert.deepEqual(faultyPaths({ amqp_settings: { tls: false } }, { env, folder }), ["amqp_settings.tls"]);
  });
});

test("a url can be read from a file like other keys", () => {
  writeFileSync(join(folder, "url"), "amqp://alice:s3cret@rabbit/v\n");
  const env = { AUTHMQ__AMQP_SETTINGS__URL_FILE: join(folder, "url") };
  assert.deepEqual(broker({}, env), ["rabbit", 5672, "alice", "s3cret", "v", false]);
  const config = parse({}, { env });
  assert.equal("url" in config.amqp, false);
});
