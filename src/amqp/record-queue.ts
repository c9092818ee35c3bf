/** One record of a log. */
export interface LogRecord {
  readonly line: string;
  /** As pino numbers it. */
  readonly level: number;
  /** By `performance.now()`. */
  readonly at: number;
}

/** Characters of records that may wait for the broker; more than a minute of a busy worker is no use to anybody. */
const MAX_SIZE = 8 * 1024 * 1024;

/** Records on their way to the broker, oldest first, and which of them have been seen elsewhere. */
export class RecordQueue {
  /** A set keeps the order, and forgets from anywhere in it at once. */
  #waiting = new Set<LogRecord>();
  #underway = new Set<LogRecord>();
  readonly #unseen = new Set<LogRecord>();
  #length = 0;

  /** How many there are. */
  get size(): number {
    return this.#waiting.size + this.#underway.size;
  }

  /** How many of them were given to the broker and are not confirmed. */
  get underway(): number {
    return this.#underway.size;
  }

  /** Those that nobody has seen elsewhere; they may be seen while they are gone through. */
  get unseen(): Iterable<LogRecord> {
    return this.#unseen;
  }

  /** Notes that a record was seen elsewhere; false where it had been before. */
  see(record: LogRecord): boolean {
    return this.#unseen.delete(record);
  }

  /** Takes a record in; gives those that have lost their place to it, the oldest that wait. */
  add(record: LogRecord, isSeen: boolean): LogRecord[] {
    this.#waiting.add(record);
    if (!isSeen) this.#unseen.add(record);
    this.#length += record.line.length;
    const lost: LogRecord[] = [];
    for (const oldest of this.#waiting) {
      if (this.#length <= MAX_SIZE || oldest === record) break;
      this.#waiting.delete(oldest);
      this.#length -= oldest.line.length;
      lost.push(oldest);
    }
    return lost;
  }

  /** The next one for the broker, which is under way from now on. */
  next(): LogRecord | undefined {
    const [record] = this.#waiting;
    if (record === undefined) return undefined;
    this.#waiting.delete(record);
    this.#underway.add(record);
    return record;
  }

  /** What was under way waits again, before all others. */
  takeBack(): void {
    this.#waiting = new Set([...this.#underway, ...this.#waiting]);
    this.#underway = new Set();
  }

  /** Forgets a record that is done with. */
  remove(record: LogRecord): void {
    if (this.#underway.delete(record)) this.#length -= record.line.length;
    this.#unseen.delete(record);
  }
}
