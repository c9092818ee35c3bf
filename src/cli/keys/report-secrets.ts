import { toPrintable } from "../../observability/printable.ts";
import { ExitError } from "../exit.ts";
import { usersOf } from "../secret-users.ts";
import {
  encryptRows,
  FINISH,
  finishRotation,
  makeEncryptionKey,
  type NewRows,
  rejectOverride,
} from "./rotate-secrets.ts";

/** Makes a new encryption key and encrypts all secrets with it, and prints what happened. */
export async function rotateSecrets(
  file: string,
  { encryptsRows }: { readonly encryptsRows: boolean },
): Promise<void> {
  rejectOverride();
  const { isMade, left, unused } = await makeEncryptionKey(file);
  const reason = `${secretsOf(left)} still encrypted with a retiring key`;
  if (!isMade && !encryptsRows)
    throw new ExitError(1, `made no new key, because ${reason}: run "${FINISH}" first`);
  process.stdout.write(isMade ? "made a new encryption key\n" : `made no new key, because ${reason}\n`);
  for (const name of unused)
    process.stderr.write(`${name} is no longer used: remove it when no backup of the database needs it\n`);
  if (!encryptsRows) {
    process.stderr.write(
      "Next: copy the configuration and its key files to all hosts, reload all workers (kill -HUP), and run " +
        `"${FINISH}"\n`,
    );
    return;
  }
  const rows = isMade ? await finishRotation(file) : await encryptRows(file);
  // Also if no key was made: an interrupted run may have made it.
  process.stderr.write("Next: reload all workers that use this configuration (kill -HUP), on every host\n");
  report(rows);
}

/** Encrypts all secrets with the active key of the configuration, which variables may contain, and prints what happened. */
export async function encryptSecrets(file: string | undefined): Promise<void> {
  report(await encryptRows(file));
}

function report({ done, damaged, keys, unknown }: NewRows): void {
  process.stdout.write(`${secretsOf(done)} now encrypted with the active key\n`);
  for (const [index, { id, secrets }] of keys.entries())
    process.stdout.write(`${index === 0 ? "active  " : "retiring"}  ${id}  ${secrets}\n`);
  const faults = [
    ...damaged.map(
      ({ id, username }) =>
        `the secret of the factor ${id} of ${username} is damaged: remove it (queue factor_remove), or all factors of ` +
        `the user (authmq users reset-factors)`,
    ),
    ...unknown.map(
      ({ id, use }) =>
        `${secretsOf(use.secrets)} encrypted with the key ${id}, which is not in the configuration: add it to ` +
        `encryption_keys.retiring (${usersOf(use)})`,
    ),
  ];
  for (const fault of faults) process.stderr.write(toPrintable(`authmq: ${fault}\n`));
  if (faults.length > 0) throw new ExitError(1);
}

function secretsOf(count: number): string {
  return count === 1 ? "1 secret is" : `${count} secrets are`;
}
