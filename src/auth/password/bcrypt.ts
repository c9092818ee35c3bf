import { randomBytes } from "node:crypto";
import { genSaltSync, hash, parseOptions, verify } from "@node-rs/bcrypt";
import { MAX_HASH_COST } from "../../config/sections/app.ts";
import type { Scheme } from "./scheme.ts";

/** bcrypt with this cost (2^cost rounds). */
export function bcrypt(cost: number): Scheme {
  const waste = async (password: string): Promise<void> => {
    await verify(password, decoy(cost));
  };
  return {
    hash: (password) => hash(password, { cost }),
    owns: isBcrypt,
    async verify(password, stored) {
      if (await verify(password, stored)) return true;
      // 2^known + 2^known + 2^(known+1) + ... + 2^(cost-1) = 2^cost rounds, like a hash of the configured cost.
      for (let step = costOf(stored) ?? cost; step < cost; step++) await verify(password, decoy(step));
      return false;
    },
    waste,
    isCheap: (stored) => (costOf(stored) ?? cost) < cost,
  };
}

/** Whether this is a valid bcrypt hash within MAX_HASH_COST. */
export function isBcrypt(stored: string): boolean {
  return (costOf(stored) ?? Number.POSITIVE_INFINITY) <= MAX_HASH_COST.bcrypt_cost;
}

function costOf(stored: string): number | undefined {
  try {
    return parseOptions(stored).cost;
  } catch {
    return undefined;
  }
}

/** A valid hash of no known password: a comparison with it takes the time of a real one. */
function decoy(cost: number): string {
  const digest = randomBytes(24).toString("base64").replaceAll("+", ".").slice(0, 30);
  // The last of 31 characters has only four bits: with other endings bcrypt rejects the text without hashing.
  return `${genSaltSync({ cost })}${digest}.`;
}
