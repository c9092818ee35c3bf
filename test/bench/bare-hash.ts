/** The bare cost of a password: compares one with its hash, so many at a time, for every question. */
import { hash, verify } from "@node-rs/bcrypt";
import { closedLoop } from "./load.ts";
import { answerQuestions } from "./loop.ts";

/** How many at a time, and for how long. */
export interface BareHashQuestion {
  readonly inFlight: number;
  readonly ms: number;
}

const { cost } = JSON.parse(process.argv[2] ?? "{}") as { cost: number };
const stored = await hash("correct horse", { cost });

await answerQuestions((question) => {
  const { inFlight, ms } = question as BareHashQuestion;
  return closedLoop(inFlight, ms, async () => {
    if (!(await verify("correct horse", stored))) throw new Error("the password does not fit its own hash");
  });
});
