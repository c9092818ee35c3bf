import { createAggregate } from "../../observability/aggregate.ts";
import type { Readiness } from "../../observability/health.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Keeper } from "./keeper.ts";

/** A process asks its database for a second before it answers, in milliseconds. */
const READINESS_LIMIT = 2000;

/** A process that is too busy for more is left out of a scrape, in milliseconds. */
const METRICS_LIMIT = 1000;

/** From best to worst. */
const STATUSES: readonly Readiness["status"][] = ["ready", "not ready", "starting", "stopping"];

/** What one of several processes says of itself. */
interface ProcessReadiness extends Readiness {
  /** Absent where no process runs just now. */
  readonly pid?: number | undefined;
}

/** Whether any of several processes takes requests, and what each says. */
interface Overview extends Readiness {
  readonly processes: readonly ProcessReadiness[];
}

/** What the process that is best off says, for all of them, and what each says for itself. */
export async function readinessOf(keepers: readonly Keeper[]): Promise<Overview> {
  const told = await Promise.all(
    keepers.map(async (keeper) => ({ pid: keeper.process?.pid, readiness: await askReadiness(keeper) })),
  );
  const [best = STARTING] = told
    .map(({ readiness }) => readiness)
    .sort((one, other) => STATUSES.indexOf(one.status) - STATUSES.indexOf(other.status));
  return { ...best, processes: told.map(({ pid, readiness }) => ({ pid, ...readiness })) };
}

/** The metrics of all processes as those of one. */
export function metricsOf(keepers: readonly Keeper[]): Pick<Metrics, "render" | "contentType"> {
  const running = () => keepers.flatMap(({ process }) => process ?? []);
  const aggregate = createAggregate(() => running().length);
  return {
    contentType: aggregate.contentType,
    render: async () => {
      const asked = running().map(
        async (process) => [process, await process.ask("metrics", METRICS_LIMIT)] as const,
      );
      return aggregate.render(new Map(await Promise.all(asked)));
    },
  };
}

const STARTING: Readiness = { status: "starting", reason: "the worker starts", dependencies: {} };

async function askReadiness({ process, absence }: Keeper): Promise<Readiness> {
  if (process === undefined) return { ...STARTING, reason: absence };
  const told = await process.ask("readiness", READINESS_LIMIT);
  if (told !== undefined) return told;
  if (!process.isReady) return STARTING;
  return {
    status: "not ready",
    reason: `it does not answer within ${READINESS_LIMIT} ms`,
    dependencies: {},
  };
}
