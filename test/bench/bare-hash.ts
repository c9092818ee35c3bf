/** The bare cost of a password check: compares a password with its hash, with fixed concurrency, for every task. */
import { hash, verify } from "@node-rs/bcrypt";
import { closedLoop } from "./load.ts";
import { serveTasks } from "./loop.ts";

/** Concurrency and duration in milliseconds. */
export interface BareHashTask {
  readonly inFlight: number;
  readonly ms: number;
}

const { cost } = JSON.parse(process.argv[2] ?? "{}") as { cost: number };
const stored = await hash("correct horse", { cost });

await serveTasks((task) => {
  const { inFlight, ms } = task as BareHashTask;
  return closedLoop(inFlight, ms, async () => {
    if (!(await verify("correct horse", stored))) throw new Error("the password does not fit its own hash");
  });
});
