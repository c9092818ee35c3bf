import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { Faults } from "../src/config/fault.ts";
import { overlayEnvironment } from "../src/config/environment.ts";

interface Service {
  image?: string;
  logging?: { driver: string; options: Record<string, string> };
  command?: string[];
  container_name?: string;
  deploy?: { resources: { limits: { memory: string; pids?: number; cpus?: string } } };
  environment?: Record<string, string>;
  healthcheck?: { test: string[] };
  network_mode?: string;
  ports?: string[];
  profiles?: string[];
  read_only?: boolean;
  restart?: string;
  secrets?: string[];
  security_opt?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
}

interface ComposeFile {
  services: Record<string, Service>;
  secrets: Record<string, { file: string }>;
}

const text = readFileSync(new URL("../docker-compose.yml", import.meta.url), "utf8");
const { services, secrets } = parse(text, { merge: true }) as ComposeFile;

test("docker-compose.yml has a broker, a database, three one-time services, and workers", () => {
  assert.deepEqual(Object.keys(services), ["rabbitmq", "mysql", "init", "keys", "migrate", "worker"]);
  assert.match(services["rabbitmq"]?.image ?? "", /^rabbitmq:4/);
  assert.match(services["mysql"]?.image ?? "", /^mysql:8/);
  for (const name of ["init", "keys", "migrate"]) assert.equal(services[name]?.restart, "no");
});

test("keys can write the configuration and reach the database, and does not start with the others", () => {
  const { profiles, network_mode, volumes = [], depends_on } = services["keys"] ?? {};
  assert.deepEqual([profiles, network_mode, volumes], [["keys"], undefined, ["config:/config"]]);
  assert.equal(depends_on?.["migrate"]?.condition, "service_completed_successfully");
});

test("long-running services restart, have a health check, and start after their dependencies", () => {
  for (const name of ["rabbitmq", "mysql", "worker"]) {
    assert.equal(services[name]?.restart, "unless-stopped", name);
    assert.ok(services[name].healthcheck, name);
  }
  assert.equal(services["worker"]?.depends_on?.["migrate"]?.condition, "service_completed_successfully");
  assert.equal(services["worker"].depends_on["rabbitmq"]?.condition, "service_healthy");
  assert.equal(services["migrate"]?.depends_on?.["mysql"]?.condition, "service_healthy");
});

test("no service can write to its root file system, gain privileges, or be reached from outside", () => {
  for (const [name, { read_only, security_opt, ports = [] }] of Object.entries(services)) {
    assert.equal(read_only, true, name);
    assert.deepEqual(security_opt, ["no-new-privileges:true"], name);
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:/);
  }
});

test("every service has a memory limit, and log files of a limited size and number", () => {
  for (const [name, { deploy, logging }] of Object.entries(services)) {
    assert.match(deploy?.resources.limits.memory ?? "", /^\d+[MG]$/, name);
    assert.equal(logging?.driver, "json-file", name);
    assert.match(logging.options["max-size"] ?? "", /^\d+m$/, name);
    assert.match(logging.options["max-file"] ?? "", /^\d+$/, name);
  }
  const limits = services["worker"]?.deploy?.resources.limits;
  assert.ok((limits?.pids ?? 0) > 0, String(limits?.pids));
  // At a limit of processors, tokens would wait for hashes.
  assert.equal(limits?.cpus, undefined);
});

test("the health port of a worker is open to other containers, and not published", () => {
  const { environment = {}, ports } = services["worker"] ?? {};
  assert.equal(environment["AUTHMQ__HEALTH_SETTINGS__HOST"], "0.0.0.0");
  assert.match(environment["AUTHMQ__HEALTH_SETTINGS__PORT"] ?? "", /^\d+$/);
  assert.equal(ports, undefined);
});

test("passwords are only in files that git ignores and make secrets writes", () => {
  const ignored = readFileSync(new URL("../.gitignore", import.meta.url), "utf8").split("\n");
  const makefile = readFileSync(new URL("../Makefile", import.meta.url), "utf8");
  assert.ok(ignored.includes("/secrets/"), ignored.join("\n"));
  for (const [name, { file }] of Object.entries(secrets)) {
    assert.equal(file, `\${AUTHMQ_SECRETS:-./secrets}/${name}`);
    assert.match(makefile, new RegExp(`for name in .*\\b${name}\\b`));
  }
  for (const { secrets: used = [], environment = {} } of Object.values(services)) {
    for (const name of used) assert.ok(secrets[name], name);
    for (const [key, value] of Object.entries(environment)) {
      if (/password/i.test(key)) assert.match(`${key}=${value}`, /_FILE=\/run\/secrets\//);
    }
  }
});

test("the variables of the workers name settings of the configuration", () => {
  const variables = Object.entries(services["worker"]?.environment ?? {})
    .filter(([name]) => name !== "AUTHMQ_CONFIG")
    .map(([name, value]) => [name.replace(/_FILE$/, ""), value]);
  const errors = new Faults();
  overlayEnvironment({}, Object.fromEntries(variables) as Record<string, string>, errors);
  assert.deepEqual(errors.list(), []);
});

test("workers can be scaled: they have no fixed name or port", () => {
  const { container_name, ports } = services["worker"] ?? {};
  assert.deepEqual([container_name, ports], [undefined, undefined]);
  assert.match(text, /docker compose up .*--scale worker=3/);
});
