import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import { Scratch } from "../support/servers/scratch.ts";
import { startWorker } from "../support/worker.ts";
import { scrape } from "./endpoints.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

interface Dashboard {
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
  readonly panels: readonly Panel[];
}

interface AlertFile {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: { readonly severity: string };
      readonly annotations: { readonly summary: string };
    }[];
  }[];
}

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const dashboard = JSON.parse(read("docs/grafana-dashboard.json")) as Dashboard;
const reference = read("docs/observability.md");
const guide = read("docs/guides/monitor.md");
const rules = read("docs/prometheus-alerts.yaml");
const panels = dashboard.panels.filter(({ type }) => type !== "row");
const targets = panels.flatMap(({ targets: own = [] }) => own);

/** The metric of a series; a histogram has three series. */
const metricOf = (name: string, names: readonly string[]): string =>
  names.includes(name) ? name : name.replace(/_(bucket|sum|count)$/, "");

const scratch = new Scratch();
let names: readonly string[];
before(async () => {
  const port = await scratch.freePort();
  await using worker = await startWorker({ config: { health_settings: { port } } });
  ({ names } = await scrape(port));
  await worker.worker.stop();
});
after(() => scratch.close());

describe("the Grafana dashboard", () => {
  test("queries only metrics that a worker exports", () => {
    for (const { expr } of targets) {
      const queried = Array.from(expr.matchAll(/([a-z_][a-z0-9_]*)\{/g), ([, name = ""]) => name);
      assert.ok(queried.length > 0, expr);
      for (const name of queried) assert.ok(names.includes(metricOf(name, names)), `${name} in ${expr}`);
    }
  });

  test("queries every metric of this project", () => {
    const all = targets.map(({ expr }) => expr).join("\n");
    for (const name of names.filter((one) => one.startsWith("authmq_"))) assert.ok(all.includes(name), name);
  });

  test("queries the selected data source and workers", () => {
    const { list } = dashboard.templating;
    assert.deepEqual(
      list.map(({ name, type }) => [name, type]),
      [
        ["datasource", "datasource"],
        ["instance", "query"],
      ],
    );
    for (const { title, datasource } of panels) assert.equal(datasource?.uid, "${datasource}", title);
    for (const { expr } of targets)
      for (const [, selector = ""] of expr.matchAll(/\{([^}]*)\}/g))
        assert.ok(selector.includes('instance=~"$instance"'), expr);
  });

  test("uses only labels of the query's result in legends", () => {
    for (const { expr, legendFormat } of targets) {
      const kept = Array.from(expr.matchAll(/by \(([^)]*)\)/g), ([, labels = ""]) =>
        labels.split(", "),
      ).flat();
      if (!/\b(sum|max|count)\b/.test(expr)) kept.push("instance", "purpose");
      for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        assert.ok(kept.includes(label), `${label} of ${expr}`);
    }
  });

  test("has a unit and a one-sentence description on every panel, and no overlapping panels", () => {
    assert.ok(dashboard.schemaVersion >= 39, String(dashboard.schemaVersion));
    const taken = new Set<string>();
    for (const { id, title, type, description = "", fieldConfig, gridPos } of dashboard.panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(x < 24 && !taken.has(`${x}/${y}`), title);
          taken.add(`${x}/${y}`);
        }
      assert.equal(dashboard.panels.filter((other) => other.id === id).length, 1, `id ${id}`);
      if (type === "row") continue;
      assert.match(description, /^[A-Z0-9][^.]*\.$/, title);
      assert.ok(fieldConfig?.defaults.unit, title);
    }
  });
});

describe("observability.md", () => {
  test("has a row for every metric of this project", () => {
    for (const name of names.filter((one) => one.startsWith("authmq_")))
      assert.match(reference, new RegExp(`^\\| \`${name}(\\{[a-z,]+\\})?\` \\|`, "m"), name);
  });

  test("names only metrics that a worker exports, and so do the guide and the alerts", () => {
    for (const document of [reference, guide, rules])
      for (const [, name = ""] of document.matchAll(/\b((?:authmq|nodejs|process)_[a-z0-9_]+)\b/g))
        assert.ok(names.includes(metricOf(name, names)), name);
  });
});

test("monitor.md has a row with the severity of every alert", () => {
  const { groups } = parse(rules) as AlertFile;
  const alerts = groups.flatMap((group) => group.rules);
  assert.ok(alerts.length > 10, `${alerts.length} alerts`);
  for (const { alert, expr, labels, annotations } of alerts) {
    assert.ok(expr.length > 0 && annotations.summary.length > 0, alert);
    assert.match(guide, new RegExp(`^\\| \`${alert}\` \\| ${labels.severity} \\| .+ \\|$`, "m"), alert);
  }
});
