/** A hash algorithm for passwords. Hashes are texts that contain the algorithm and its parameters. */
export interface Scheme {
  /** Hashes with the configured cost. */
  hash(password: string): Promise<string>;
  /** Whether this is a valid hash of this algorithm within MAX_HASH_COST. */
  owns(stored: string): boolean;
  /** Whether the password matches an owned hash. A mismatch takes as long as a comparison with the configured cost. */
  verify(password: string, stored: string): Promise<boolean>;
  /** Takes as long as a mismatch. */
  waste(password: string): Promise<void>;
  /** Whether an owned hash has a lower cost than configured. */
  isCheap(stored: string): boolean;
}
