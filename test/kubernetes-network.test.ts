import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { findKind, manifestsIn } from "./support/manifests.ts";

type Labels = Readonly<Record<string, string>>;

interface Port {
  readonly protocol: string;
  readonly port: number | string;
}

interface Peer {
  readonly podSelector?: { readonly matchLabels: Labels };
  readonly namespaceSelector?: { readonly matchLabels: Labels };
  readonly ipBlock?: { readonly cidr: string };
}

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec: {
    readonly selector: Labels & { readonly matchLabels: Labels };
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly containers: readonly [
          { readonly ports?: readonly { readonly name: string; readonly containerPort: number }[] },
        ];
      };
    };
    readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
    readonly podMetricsEndpoints: readonly { readonly port: string; readonly path: string }[];
    readonly podSelector: { readonly matchLabels: Labels };
    readonly policyTypes: readonly string[];
    readonly ingress: readonly { readonly from: readonly Peer[]; readonly ports: readonly Port[] }[];
    readonly egress: readonly { readonly to: readonly Peer[]; readonly ports: readonly Port[] }[];
  };
}

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

const manifests = load("authmq.yaml");
const deployment = findKind(manifests, "Deployment").spec;
const { labels } = deployment.template.metadata;
const [{ ports: open = [] }] = deployment.template.spec.containers;
const policies = load("network-policy.yaml");
const [policy, migration] = policies;
assert.ok(policy !== undefined && migration !== undefined);

test("the Service leads to the workers' health port", () => {
  const { selector, ports } = findKind(manifests, "Service").spec;
  assert.deepEqual(selector, labels);
  assert.deepEqual(
    ports.map(({ port, targetPort }) => ({ name: targetPort, containerPort: port })),
    open,
  );
});

test("the PodMonitor selects the workers, and a path that they serve on an open port", () => {
  const [{ kind, spec } = assert.fail("no manifest"), ...others] = load("monitoring.yaml");
  assert.deepEqual([kind, others], ["PodMonitor", []]);
  assert.deepEqual(spec.selector.matchLabels, labels);
  for (const { port, path } of spec.podMetricsEndpoints) {
    assert.ok(
      open.some(({ name }) => name === port),
      port,
    );
    assert.ok(read("../src/observability/health.ts").includes(`["${path}"`), path);
  }
});

test("each pod has a network policy, which restricts both directions", () => {
  const pods = manifests.filter(({ kind }) => kind === "Deployment" || kind === "Job");
  assert.deepEqual(
    policies.map(({ spec }) => spec.podSelector.matchLabels).toSorted(byText),
    pods.map(({ spec }) => spec.template.metadata.labels).toSorted(byText),
  );
  for (const { kind, spec, metadata } of policies) {
    assert.equal(kind, "NetworkPolicy");
    assert.equal(metadata.namespace, undefined);
    assert.deepEqual(spec.policyTypes, ["Ingress", "Egress"]);
    for (const { ports } of [...spec.ingress, ...spec.egress]) assert.ok(ports.length > 0);
  }
});

test("workers are reached on the health port only, and a migration not at all", () => {
  for (const { from, ports } of policy.spec.ingress) {
    assert.ok(from.length > 0, "a rule without peers admits everyone");
    assert.deepEqual(ports, [{ protocol: "TCP", port: "health" }]);
  }
  assert.deepEqual(migration.spec.ingress, []);
});

test("workers reach DNS, the broker, the database and directories, and a migration what it needs of them", () => {
  const config = JSON.parse(findKind(manifests, "ConfigMap").data?.["config.json"] ?? "") as {
    amqp_settings: { host: string };
    db_settings: { host: string };
  };
  const { amqp_settings: amqp, db_settings: db } = config;
  assert.deepEqual(reachedBy(policy), {
    "kube-dns": ["UDP 53", "TCP 53"],
    [amqp.host]: ["TCP 5672", "TCP 5671"],
    [db.host]: ["TCP 3306"],
    // RFC 5737: an address that nobody has, until it is replaced.
    "192.0.2.10/32": ["TCP 389", "TCP 636", "TCP 88", "UDP 88"],
  });
  assert.deepEqual(reachedBy(migration), { "kube-dns": ["UDP 53", "TCP 53"], [db.host]: ["TCP 3306"] });
});

/** The ports that pods may connect to, by the names of their peers. */
function reachedBy({ spec }: Manifest): Record<string, string[]> {
  return Object.fromEntries(
    spec.egress.flatMap(({ to, ports }) =>
      to.map((peer) => [nameOf(peer), ports.map(({ protocol, port }) => `${protocol} ${port}`)]),
    ),
  );
}

function nameOf({ podSelector, ipBlock }: Peer): string {
  const name = podSelector?.matchLabels["app.kubernetes.io/name"] ?? podSelector?.matchLabels["k8s-app"];
  return name ?? ipBlock?.cidr ?? "everything";
}

function byText(a: Labels, b: Labels): number {
  return JSON.stringify(a).localeCompare(JSON.stringify(b));
}

/** The manifests in a file. The tests check the members that they read. */
function load(file: string): readonly Manifest[] {
  return manifestsIn(file) as readonly Manifest[]; // as said above
}
