import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { MAX_HASH_COST } from "../../config/sections/app.ts";
import type { Scheme } from "./scheme.ts";

/** Memory in KiB, and the number of passes over it. */
interface Cost {
  readonly memory: number;
  readonly passes: number;
}

interface Parsed extends Cost {
  readonly parallelism: number;
  readonly salt: Buffer;
  readonly tag: Buffer;
}

const derive = promisify(argon2);

/** A hash in PHC string format, which other libraries use too. */
const FORM =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** Hashes from other programs may use more than one thread. */
const MAX_PARALLELISM = 16;

const SALT_BYTES = 16;
const TAG_BYTES = 32;

/** Argon2id (RFC 9106) with this cost. */
export function argon2id(cost: Cost): Scheme {
  const work = cost.memory * cost.passes;
  const waste = async (password: string, share: Cost = cost): Promise<void> => {
    await run(password, { ...share, parallelism: 1, salt: randomBytes(SALT_BYTES), length: TAG_BYTES });
  };
  return {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES);
      const tag = await run(password, { ...cost, parallelism: 1, salt, length: TAG_BYTES });
      const [saltText, tagText] = [salt, tag].map((bytes) => bytes.toString("base64").replace(/=+$/, ""));
      return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=1$${saltText}$${tagText}`;
    },
    owns: isArgon2id,
    async verify(password, stored) {
      const parsed = parse(stored);
      if (parsed === undefined) return false;
      const tag = await run(password, { ...parsed, length: parsed.tag.length });
      if (timingSafeEqual(tag, parsed.tag)) return true;
      // Spend the missing time, which is proportional to memory times passes.
      const memory = Math.floor((work - parsed.memory * parsed.passes) / cost.passes);
      if (memory >= 8) await waste(password, { memory, passes: cost.passes });
      return false;
    },
    waste: (password) => waste(password),
    isCheap(stored) {
      const parsed = parse(stored);
      return parsed !== undefined && (parsed.memory < cost.memory || parsed.passes < cost.passes);
    },
  };
}

/** Whether this is a valid argon2id hash within MAX_HASH_COST. */
export function isArgon2id(stored: string): boolean {
  return parse(stored) !== undefined;
}

function run(
  message: string,
  { memory, passes, parallelism, salt, length }: Omit<Parsed, "tag"> & { readonly length: number },
): Promise<Buffer> {
  return derive("argon2id", { message, nonce: salt, memory, passes, parallelism, tagLength: length });
}

function parse(stored: string): Parsed | undefined {
  const [, m, t, p, salt = "", tag = ""] = FORM.exec(stored) ?? [];
  const [memory, passes, parallelism] = [Number(m), Number(t), Number(p)];
  const isAllowed =
    memory <= MAX_HASH_COST.argon2_memory_kib &&
    passes >= 1 &&
    passes <= MAX_HASH_COST.argon2_passes &&
    parallelism >= 1 &&
    parallelism <= MAX_PARALLELISM &&
    memory >= 8 * parallelism;
  if (!isAllowed || !isBase64(salt) || !isBase64(tag)) return undefined;
  return {
    memory,
    passes,
    parallelism,
    salt: Buffer.from(salt, "base64"),
    tag: Buffer.from(tag, "base64"),
  };
}

/** Whether this is canonical base64; most truncated hashes are not, and no password matches them. */
function isBase64(text: string): boolean {
  return Buffer.from(text, "base64").toString("base64").replace(/=+$/, "") === text;
}
