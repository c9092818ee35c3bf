import { medianOf, type Point } from "./findings.ts";
import type { Sample } from "./setup.ts";

interface Panel {
  readonly title: string;
  readonly metric: (sample: Sample) => number;
  /** An optional second, dashed line for each workload. */
  readonly dashed?: (sample: Sample) => number;
}

const COLOURS = ["#64748b", "#2563eb", "#059669", "#d97706", "#9333ea"];
const [WIDTH, HEIGHT, LEFT, TOP, BOTTOM] = [380, 260, 60, 50, 40];

const PANELS: readonly Panel[] = [
  { title: "requests per second", metric: ({ perSecond }) => perSecond },
  {
    title: "latency in ms: p50, and p99 dashed",
    metric: ({ p50 }) => p50,
    dashed: ({ p99 }) => p99,
  },
];

/** Throughput and latency of each workload by requests in flight, as SVG that is readable on light and dark. */
export function pictureOf(points: readonly Point[], caption: string): string {
  const workloads = [...new Set(points.map(({ workload }) => workload))];
  const legend = workloads.map((workload, index) => {
    const x = LEFT + index * 130;
    return `<rect x="${x}" y="14" width="18" height="4" fill="${COLOURS[index]}"/>${text(x + 24, 20, workload)}`;
  });
  const panels = PANELS.map(
    (panel, index) =>
      `<g transform="translate(${index * (WIDTH + 40)},0)">${panelOf(panel, points, workloads)}</g>`,
  );
  const [width, height] = [2 * WIDTH + 60, HEIGHT + TOP + BOTTOM + 30];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...legend,
    ...panels,
    text(LEFT, height - 10, caption, 'font-size="10" fill="#64748b"'),
    "</svg>",
    "",
  ].join("\n");
}

function panelOf(
  { title, metric, dashed }: Panel,
  points: readonly Point[],
  workloads: readonly string[],
): string {
  const loads = [...new Set(points.map(({ inFlight }) => inFlight))].sort((a, b) => a - b);
  const metrics = dashed === undefined ? [metric] : [metric, dashed];
  const values = points.flatMap((point) => metrics.map((one) => medianOf(point, one) ?? 0));
  const top = niceCeiling(Math.max(...values));
  const x = (load: number): number =>
    LEFT + (loads.indexOf(load) / Math.max(1, loads.length - 1)) * (WIDTH - LEFT - 10);
  const y = (value: number): number => TOP + HEIGHT - (value / top) * HEIGHT;
  const grid = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const at = y(part * top);
    return `<line x1="${LEFT}" x2="${WIDTH}" y1="${at}" y2="${at}" stroke="#e2e8f0"/>${text(LEFT - 6, at + 4, label(part * top), 'text-anchor="end"')}`;
  });
  const ticks = loads.map((load) => text(x(load), TOP + HEIGHT + 18, String(load), 'text-anchor="middle"'));
  const lines = workloads.flatMap((workload, index) =>
    metrics.map((one, order) => {
      const own = points.filter((point) => point.workload === workload);
      const path = own.map((point) => `${x(point.inFlight)},${y(medianOf(point, one) ?? 0).toFixed(1)}`);
      const dashes = order === 0 ? "" : ' stroke-dasharray="4 4"';
      return `<polyline points="${path.join(" ")}" fill="none" stroke="${COLOURS[index]}" stroke-width="2"${dashes}/>`;
    }),
  );
  const axis = text((LEFT + WIDTH) / 2, TOP + HEIGHT + 36, "requests in flight", 'text-anchor="middle"');
  return [text(LEFT, TOP - 12, title, 'font-weight="bold"'), ...grid, ...ticks, axis, ...lines].join("\n");
}

function text(x: number, y: number, content: string, more = ""): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x="${x.toFixed(0)}" y="${y.toFixed(0)}" ${more.includes("fill") ? more : `fill="#0f172a" ${more}`}>${escaped}</text>`;
}

function niceCeiling(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return Math.ceil(value / magnitude) * magnitude;
}

function label(value: number): string {
  return value >= 1000 ? `${value / 1000}k` : String(value);
}
