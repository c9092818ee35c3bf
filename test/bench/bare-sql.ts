/** The bare cost of the database: one prepared statement at a time on each connection, for every task. */
import { createPool } from "mysql2/promise";
import { closedLoop } from "./load.ts";
import { serveTasks } from "./loop.ts";

/** Options of the process, as JSON on its command line. */
export interface BareSqlOptions {
  readonly server: { host: string; port: number; user: string; password: string; database: string };
  readonly connections: number;
}

/** A statement with its values. */
export interface Statement {
  readonly text: string;
  readonly values: readonly (string | number)[];
}

/** A measurement to run. */
export interface BareSqlTask {
  /** Run in turn. */
  readonly statements: readonly Statement[];
  readonly inFlight: number;
  readonly ms: number;
}

const { server, connections } = JSON.parse(process.argv[2] ?? "{}") as BareSqlOptions;
const pool = createPool({ ...server, connectionLimit: connections, queueLimit: 0 });

await serveTasks((task) => {
  const { statements, inFlight, ms } = task as BareSqlTask;
  return closedLoop(inFlight, ms, async (round) => {
    const { text, values } = statements[round % statements.length]!;
    await pool.execute(text, [...values]);
  });
});
await pool.end();
