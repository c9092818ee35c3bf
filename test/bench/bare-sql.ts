/** The bare cost of the database: one prepared statement at a time on each of some connections, for every question. */
import { createPool } from "mysql2/promise";
import { closedLoop } from "./load.ts";
import { answerQuestions } from "./loop.ts";

/** What the process is told on its command line, as JSON. */
export interface BareSqlOptions {
  readonly server: { host: string; port: number; user: string; password: string; database: string };
  readonly connections: number;
}

/** A statement with its values. */
export interface Statement {
  readonly text: string;
  readonly values: readonly (string | number)[];
}

/** What is to be measured. */
export interface BareSqlQuestion {
  /** Taken in turn. */
  readonly statements: readonly Statement[];
  readonly inFlight: number;
  readonly ms: number;
}

const { server, connections } = JSON.parse(process.argv[2] ?? "{}") as BareSqlOptions;
const pool = createPool({ ...server, connectionLimit: connections, queueLimit: 0 });

await answerQuestions((question) => {
  const { statements, inFlight, ms } = question as BareSqlQuestion;
  return closedLoop(inFlight, ms, async (round) => {
    const { text, values } = statements[round % statements.length]!;
    await pool.execute(text, [...values]);
  });
});
await pool.end();
