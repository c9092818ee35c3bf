import { removeAllFactors } from "../../accounts/factors.ts";
import { inTransaction } from "../../db/transaction.ts";
import { toPrintable } from "../../observability/printable.ts";
import { withAccount } from "../with-account.ts";

/** Options of a reset. */
export interface ResetOptions {
  readonly config?: string;
}

/** Removes all second factors of an account, and writes them to stdout. */
export async function resetFactorsOf(username: string, { config }: ResetOptions): Promise<void> {
  await withAccount(username, config, async (database, account) => {
    const removed = await inTransaction(database, (trx) =>
      removeAllFactors({ trx, actor: null }, account.username),
    );
    for (const { id, type, name } of removed) process.stdout.write(toPrintable(`${id}  ${type}  ${name}\n`));
    process.stderr.write(
      removed.length === 0
        ? `${account.username} has no second factors\n`
        : `removed all second factors of ${account.username}\n`,
    );
  });
}
