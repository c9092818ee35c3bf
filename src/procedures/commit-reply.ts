import type { Writer } from "../accounts/writer.ts";
import type { Context } from "../rpc/context.ts";

/** A reply with a secret, and what is stored instead of it for an idempotent replay. */
interface ReplyAndRecord<Reply> {
  readonly reply: Reply;
  readonly stored: Readonly<Record<string, unknown>>;
}

/** Commits `work`, records what it returns as `stored`, and returns its reply. */
export async function commitReply<Reply>(
  { commit }: Pick<Context, "commit">,
  work: (writer: Writer) => Promise<ReplyAndRecord<Reply>>,
): Promise<Reply> {
  let result: ReplyAndRecord<Reply> | undefined;
  await commit(async (writer) => {
    result = await work(writer); // a retried transaction replaces it
    return result.stored;
  });
  if (result === undefined) throw new Error("the transaction did not run"); // unreachable
  return result.reply;
}
