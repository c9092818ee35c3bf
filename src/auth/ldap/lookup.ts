import { lookup as lookUp, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { promisify } from "node:util";

const lookUpAll = promisify(lookUp);

const underWay = new Map<string, Promise<LookupAddress[]>>();

/**
 * Resolves a host's name as Node does, but each name once at a time. The system's resolver keeps a thread of libuv's pool
 * while it waits: with one for each login, a name server that hangs would stop all hashing.
 */
export const sharedLookup: LookupFunction = (host, options, callback) => {
  let addresses = underWay.get(host);
  if (addresses === undefined) {
    addresses = lookUpAll(host, { all: true }).finally(() => underWay.delete(host));
    underWay.set(host, addresses);
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
