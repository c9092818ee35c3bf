import { type AuthClient, connect } from "../../src/client/index.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

/** The user of the tests of sessions. */
export const alice = { username: "alice", password: "correct horse" };

/** Starts a worker with alice and these settings of `app_config`, and a client. */
export async function startWith(
  app: object = {},
): Promise<{ worker: TestWorker; auth: AuthClient } & AsyncDisposable> {
  const worker = await startWorker({ config: { app_config: { ...app } } });
  await worker.addUser(alice.username, alice.password, { groups: ["dev"] });
  const auth = await connect({ url: worker.url });
  return {
    worker,
    auth,
    async [Symbol.asyncDispose]() {
      await auth.close();
      await worker[Symbol.asyncDispose]();
    },
  };
}
