/** What is different in a translated configuration. */
export interface Notes {
  /** Notes a value that has another form, and works as before. */
  change(path: string, text: string): void;
  /** Notes what a person must decide. */
  decide(path: string, text: string): void;
  /** The list for the person. */
  describe(): string;
}

/** Collects notes. */
export function createNotes(): Notes {
  const changes: string[] = [];
  const decisions: string[] = [];
  const list = (title: string, lines: readonly string[]): string =>
    lines.length === 0 ? "" : `${title}:\n${lines.map((line) => `- ${line}\n`).join("")}`;
  return {
    change: (path, text) => changes.push(`${path}: ${text}`),
    decide: (path, text) => decisions.push(`${path}: ${text}`),
    describe: () => list("Changed", changes) + list("To decide", decisions),
  };
}
