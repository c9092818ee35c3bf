import { setTimeout as sleep } from "node:timers/promises";
import { waitUntil } from "../../support/servers/scratch.ts";
import { CallerLink } from "../link.ts";
import { VANISHING } from "../request-history.ts";
import { createRandom } from "../random.ts";
import type { InjectedFault, ScenarioContext } from "../scenario.ts";
import { Sender } from "../sender.ts";

const BOTH = ["mysql", "sqlite"] as const;
const REQUESTS_AT_ONCE = 6;

/** Behaviour of callers that workers must tolerate. */
export const CALLER_FAULTS: readonly InjectedFault[] = [
  { name: "callers vanish", databases: BOTH, unnoticed: true, inject: vanish },
  {
    name: "every request sent twice at once",
    databases: BOTH,
    copies: 2,
    unnoticed: true,
    inject: ({ duration }) => sleep(duration),
  },
];

/** Callers that send requests, and disconnect with their reply queues before or while they get replies. */
async function vanish({ setup, history, intents, duration }: ScenarioContext): Promise<void> {
  const { access, servers, vhost, bystander } = setup;
  const random = createRandom(1);
  const end = Date.now() + duration;
  for (let round = 0; Date.now() < end; round++) {
    const sender = new Sender({ history, random, copies: 1, limit: 1000, deadline: () => 0 });
    const replyQueue = round % 2 === 0 ? undefined : `replies.vanishing-${round}`;
    const link = new CallerLink({
      name: `vanishing-${round}`,
      access,
      replyQueue,
      onReply: sender.receiveReply,
    });
    link.open();
    await waitUntil("a caller's connection", () => link.isOpen, { seconds: 10 });
    sender.use([link]);
    const requests = Array.from({ length: REQUESTS_AT_ONCE }, (_, index) =>
      sender.send(
        index % 2 === 0 ? intents.getUser(bystander) : intents.createGroup(`vanished-${round}-${index}`),
        { caller: VANISHING },
      ),
    );
    await sleep(random.between(0, 15));
    await link.close({ abruptly: true });
    await Promise.all(requests);
    if (replyQueue !== undefined) {
      await servers.broker.withChannel(vhost, (channel) => channel.deleteQueue(replyQueue));
    }
  }
}
