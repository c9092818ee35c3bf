import { ExitError } from "../exit.ts";
import {
  encryptRows,
  FINISH,
  finishRotation,
  makeEncryptionKey,
  type NewRows,
  rejectOverride,
} from "./rotate-secrets.ts";

interface Steps {
  readonly makesKey: boolean;
  readonly encryptsRows: boolean;
}

/** Runs the steps of a rotation of encryption keys, and prints what happened. */
export async function rotateSecrets(file: string, { makesKey, encryptsRows }: Steps): Promise<void> {
  rejectOverride();
  let isMade = false;
  if (makesKey) {
    const key = await makeEncryptionKey(file);
    const left = `${secretsOf(key.left)} still encrypted with a retiring key`;
    if (!key.isMade && !encryptsRows)
      throw new ExitError(1, `made no new key, because ${left}: run "${FINISH}" first`);
    process.stdout.write(key.isMade ? "made a new encryption key\n" : `made no new key, because ${left}\n`);
    for (const name of key.unused)
      process.stderr.write(`${name} is no longer used: remove it when no backup of the database needs it\n`);
    isMade = key.isMade;
  }
  if (!encryptsRows) {
    process.stderr.write(
      "Next: copy the configuration and its key files to all hosts, reload all workers (kill -HUP), and run " +
        `"${FINISH}"\n`,
    );
    return;
  }
  report(isMade ? await finishRotation(file) : await encryptRows(file));
  if (isMade)
    process.stderr.write("Next: reload all workers that use this configuration (kill -HUP), on every host\n");
}

function report({ done, damaged, keys, unknown }: NewRows): void {
  process.stdout.write(`${secretsOf(done)} now encrypted with the active key\n`);
  for (const [index, { id, secrets }] of keys.entries())
    process.stdout.write(`${index === 0 ? "active  " : "retiring"}  ${id}  ${secrets}\n`);
  const faults = [
    ...damaged.map(
      (id) => `the secret of the factor ${id} is damaged: remove the factor (queue factor_remove)`,
    ),
    ...unknown.map(
      ({ id, secrets }) =>
        `${secretsOf(secrets)} encrypted with the key ${id}, which is not in the configuration: add it to ` +
        "encryption_keys.retiring",
    ),
  ];
  for (const fault of faults) process.stderr.write(`authmq: ${fault}\n`);
  if (faults.length > 0) throw new ExitError(1);
}

function secretsOf(count: number): string {
  return count === 1 ? "1 secret is" : `${count} secrets are`;
}
