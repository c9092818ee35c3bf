import { lookup as lookUp, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { promisify } from "node:util";

const lookUpAll = promisify(lookUp);

const running = new Map<string, Promise<LookupAddress[]>>();

/**
 * Resolves host names like Node, but shares concurrent lookups of a name. Each lookup blocks a thread of libuv's pool:
 * with one per login, a name server that hangs would stop all hashing.
 */
export const sharedLookup: LookupFunction = (host, options, callback) => {
  let addresses = running.get(host);
  if (addresses === undefined) {
    addresses = lookUpAll(host, { all: true }).finally(() => running.delete(host));
    running.set(host, addresses);
  }
  addresses.then(
    (found) => {
      const [first] = found;
      if (options.all === true) callback(null, found);
      else callback(null, first?.address ?? "", first?.family ?? 0);
    },
    (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), []),
  );
};
