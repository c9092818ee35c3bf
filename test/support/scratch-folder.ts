import { readRunVariable } from "./run-environment.ts";

/** A folder that is deleted after the run. */
export const scratchFolder = readRunVariable("AUTHMQ_TEST_SCRATCH");
