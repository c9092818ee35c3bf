/** One way to hash passwords. Hashes are text that names the way and its parameters. */
export interface Scheme {
  /** A hash at the configured cost. */
  hash(password: string): Promise<string>;
  /** Whether this is a hash of this scheme, well-formed and no dearer than any configuration allows. */
  owns(stored: string): boolean;
  /** Whether the password fits a hash that is owned. A refusal takes as long as one comparison at the configured cost. */
  verify(password: string, stored: string): Promise<boolean>;
  /** Takes as long as a refusal. */
  waste(password: string): Promise<void>;
  /** Whether a hash that is owned is cheaper than what is configured. */
  isCheap(stored: string): boolean;
}
