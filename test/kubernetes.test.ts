import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { generateSecret } from "../src/config/generate-key.ts";
import { type Config, parseConfig } from "../src/config/load.ts";
import { isQueueName } from "../src/config/queues.ts";
import { constantIn } from "./support/constant.ts";
import { findKind, manifestsIn } from "./support/manifests.ts";

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}

interface Container {
  readonly command: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: true;
  }[];
}

interface PodSpec {
  readonly terminationGracePeriodSeconds?: number;
  readonly automountServiceAccountToken?: boolean;
  readonly securityContext: { readonly runAsNonRoot?: boolean; readonly runAsUser?: number };
  readonly containers: readonly [Container];
  readonly volumes: readonly {
    readonly name: string;
    readonly secret?: { readonly secretName: string; readonly items: readonly { readonly path: string }[] };
  }[];
}

interface Trigger {
  readonly type: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly authenticationRef?: { readonly name: string };
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
    readonly scaleTargetRef: { readonly name: string };
    readonly minReplicaCount: number;
    readonly triggers: readonly Trigger[];
    readonly secretTargetRef: readonly { readonly name: string }[];
  };
}

const manifests = load("authmq.yaml");
const autoscaling = load("autoscaling.yaml");
const configText = findKind(manifests, "ConfigMap").data?.["config.json"] ?? "";
const deployment = findKind(manifests, "Deployment");
const job = findKind(manifests, "Job");
const pods = [job, deployment].map(({ spec }) => spec.template.spec);
const worker = deployment.spec.template.spec;

/** All mounts of the pods, in one folder. */
const folder = mkdtempSync(join(tmpdir(), "authmq-kubernetes-"));
after(() => rmSync(folder, { recursive: true }));
for (const [file, content] of Object.entries({
  "signing-key.pem": generateSecret("EdDSA").secret,
  "amqp-password": "amqp secret\n",
  "db-password": "db secret\n",
  "common-passwords.txt": "password1234\n",
}))
  writeFileSync(join(folder, file), content);

test("the manifests are a configuration, a one-time migration, workers, a disruption budget and a Service", () => {
  assert.deepEqual(
    manifests.map(({ kind }) => kind),
    ["ConfigMap", "Job", "Deployment", "PodDisruptionBudget", "Service"],
  );
  assert.deepEqual(
    autoscaling.map(({ kind }) => kind),
    ["TriggerAuthentication", "ScaledObject"],
  );
  for (const { metadata } of [...manifests, ...autoscaling]) assert.equal(metadata.namespace, undefined);
  assert.deepEqual(
    pods.map(({ containers: [{ command }] }) => command),
    [
      ["authmq", "migrate"],
      ["authmq", "serve"],
    ],
  );
});

test("the configuration of a worker is valid once its secrets exist, and no manifest contains a secret", () => {
  const { signing, amqp, db } = configOf(worker, { keys: true });
  assert.equal(signing?.method, "EdDSA");
  assert.equal(amqp.password, "amqp secret");
  assert.equal(db.dialect === "mysql" && db.password, "db secret");
  assert.doesNotMatch(configText, /password"|"value"/);
});

test("a migration needs the database's password and no other secret", () => {
  const { db } = configOf(job.spec.template.spec, { keys: false });
  assert.equal(db.dialect === "mysql" && db.password, "db secret");
  assert.deepEqual(secretsOf(job.spec.template.spec), ["db-password"]);
});

test("secrets and the configuration are mounted where the variables expect them", () => {
  for (const pod of pods) {
    const { env, volumeMounts } = pod.containers[0];
    const mounted = new Map(volumeMounts.map(({ name, mountPath }) => [name, mountPath]));
    const files = secretsOf(pod).map((path) => `${mounted.get("secrets") ?? ""}/${path}`);
    const named = env.filter(({ name }) => name.endsWith("_FILE")).map(({ value }) => value);
    assert.deepEqual(named.toSorted(), files.toSorted());
    const config = env.find(({ name }) => name === "AUTHMQ_CONFIG")?.value;
    assert.equal(config, `${mounted.get("config") ?? ""}/config.json`);
  }
});

test("probes use the worker's own endpoints, on its port, at an address that the kubelet reaches", () => {
  const { health } = configOf(worker, { keys: true });
  const { ports, livenessProbe, readinessProbe } = worker.containers[0];
  assert.deepEqual(ports, [{ name: "health", containerPort: health?.port }]);
  assert.equal(health?.host, "0.0.0.0");
  const server = read("../src/observability/health.ts");
  for (const [probe, path] of [
    [livenessProbe, "/livez"],
    [readinessProbe, "/readyz"],
  ] as const) {
    assert.deepEqual(probe?.httpGet, { path, port: "health" });
    assert.ok(server.includes(`"${path}"`), path);
  }
});

test("the grace period of a pod is longer than a worker takes to stop", () => {
  const grace = (worker.terminationGracePeriodSeconds ?? 0) * 1000;
  const drain = constantIn("src/worker.ts", "GRACE");
  assert.ok(drain < grace, `${drain}, ${grace}`);
});

test("no container runs as root, gains privileges, writes its root file system, or may call Kubernetes", () => {
  for (const { securityContext, automountServiceAccountToken, containers } of pods) {
    assert.equal(securityContext.runAsNonRoot, true);
    assert.ok((securityContext.runAsUser ?? 0) > 0, String(securityContext.runAsUser));
    assert.equal(automountServiceAccountToken, false);
    const [{ securityContext: own, volumeMounts }] = containers;
    assert.deepEqual(own, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    for (const { name, readOnly } of volumeMounts) assert.equal(readOnly ?? false, name !== "tmp", name);
  }
});

test("the budget counts the workers and not the migration", () => {
  const { matchLabels } = findKind(manifests, "PodDisruptionBudget").spec.selector;
  assert.deepEqual(deployment.spec.selector.matchLabels, matchLabels);
  assert.deepEqual(deployment.spec.template.metadata.labels, matchLabels);
  assert.notDeepEqual(job.spec.template.metadata.labels, matchLabels);
});

test("the autoscaler watches queues that the workers consume, and never removes the last worker", () => {
  const { scaleTargetRef, minReplicaCount, triggers } = findKind(autoscaling, "ScaledObject").spec;
  assert.equal(scaleTargetRef.name, deployment.metadata.name);
  assert.ok(minReplicaCount >= 1, String(minReplicaCount));
  const { queues } = configOf(worker, { keys: true });
  const watched = triggers.flatMap(({ type, metadata }) =>
    type === "rabbitmq" ? (metadata["queueName"] ?? "") : [],
  );
  assert.deepEqual(watched, ["token", "login"]);
  for (const name of watched) {
    assert.ok(isQueueName(name), name);
    assert.equal(queues.get(name), name);
  }
});

test("the autoscaler reads the broker's address from the workers' Secret", () => {
  const { metadata, spec } = findKind(autoscaling, "TriggerAuthentication");
  const triggers = findKind(autoscaling, "ScaledObject").spec.triggers.filter(
    ({ type }) => type === "rabbitmq",
  );
  for (const { authenticationRef } of triggers) assert.equal(authenticationRef?.name, metadata.name);
  const secrets = worker.volumes.flatMap(({ secret }) => secret?.secretName ?? []);
  assert.deepEqual(
    spec.secretTargetRef.map(({ name }) => name),
    secrets,
  );
});

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

/** The configuration as a pod's container reads it, with `folder` as the root of the mounts. */
function configOf(pod: PodSpec, { keys }: { keys: boolean }): Config {
  const env = pod.containers[0].env.map(({ name, value }) => [
    name,
    value.replace(/^\/secrets\//, `${folder}/`),
  ]);
  const raw = JSON.parse(configText) as Record<string, unknown>;
  return parseConfig(raw, { env: Object.fromEntries(env) as Record<string, string>, keys, folder });
}

function secretsOf({ volumes }: PodSpec): string[] {
  return volumes.flatMap(({ secret }) => secret?.items.map(({ path }) => path) ?? []);
}

/** The manifests in a file. The tests check the members that they read. */
function load(file: string): readonly Manifest[] {
  return manifestsIn(file) as readonly Manifest[]; // as said above
}
