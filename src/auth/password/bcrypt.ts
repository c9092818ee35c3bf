import { randomBytes } from "node:crypto";
import { genSaltSync, hash, parseOptions, verify } from "@node-rs/bcrypt";
import { MAX_HASH_COST } from "../../config/sections/app.ts";
import type { Scheme } from "./scheme.ts";

/** bcrypt at a cost (2^cost rounds). */
export function bcrypt(cost: number): Scheme {
  const waste = async (password: string): Promise<void> => {
    await verify(password, decoy(cost));
  };
  return {
    hash: (password) => hash(password, { cost }),
    owns: isBcrypt,
    async verify(password, stored) {
      if (await verify(password, stored)) return true;
      // 2^known + 2^known + 2^(known+1) + ... + 2^(cost-1) = 2^cost rounds, as for everyone else.
      for (let step = costOf(stored) ?? cost; step < cost; step++) await verify(password, decoy(step));
      return false;
    },
    waste,
    isCheap: (stored) => (costOf(stored) ?? cost) < cost,
  };
}

/** Whether this is a bcrypt hash, well-formed and no dearer than any configuration allows. */
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

/** A well-formed hash that fits no password anybody knows, so that comparing with it costs what a real one does. */
function decoy(cost: number): string {
  const digest = randomBytes(24).toString("base64").replaceAll("+", ".").slice(0, 30);
  // The last of 31 characters holds four bits: with any other ending bcrypt refuses the text without hashing.
  return `${genSaltSync({ cost })}${digest}.`;
}
