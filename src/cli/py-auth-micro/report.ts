import type { OldCounts } from "../../db/queries/py-auth-micro.ts";
import { toPrintable } from "../../observability/printable.ts";

/** The kinds of rows in the totals. */
export type Kind = "users" | "groups" | "members";

/** How many rows of a kind have been handled so far. */
interface Count {
  /** Imported by this run. */
  imported: number;
  /** Exist here already, or were imported before and deleted here since. */
  leftAlone: number;
  skipped: number;
}

/** Counts rows, and lists those that were skipped or that changed in the other database. */
export interface Report {
  readonly counts: Readonly<Record<Kind, Count>>;
  /** Rows that changed in the other database after their import. */
  readonly changed: number;
  /** Imported users with `activated = 0`. */
  inactive: number;
  /** Imported local users without a password hash. */
  withoutPassword: number;
  /** Reports a row that is not imported; for a membership, `name` is the user's. */
  skip(kind: Kind, name: string, reason: string, group?: string): void;
  /** Reports a row that changed in the other database after its import. */
  change(what: "user" | "group", name: string, change: string): void;
  /** Writes the lines that a progress bar held back. */
  flush(): void;
}

/** Creates a report that writes lines to stderr; at a terminal only in the end, because it shows a progress bar. */
export function createReport(): Report {
  const lines: string[] = [];
  const write = (line: string): void => {
    if (process.stderr.isTTY) lines.push(line);
    else process.stderr.write(`${line}\n`);
  };
  const none = (): Count => ({ imported: 0, leftAlone: 0, skipped: 0 });
  const counts = { users: none(), groups: none(), members: none() };
  let changed = 0;
  return {
    counts,
    inactive: 0,
    withoutPassword: 0,
    get changed() {
      return changed;
    },
    skip(kind, name, reason, group) {
      counts[kind].skipped++;
      const what = group === undefined ? kind.slice(0, -1) : `membership of user ${quote(name)} in group`;
      write(`skipped: ${what} ${quote(group ?? name)}: ${reason}`);
    },
    change(what, name, change) {
      changed++;
      write(`changed: ${what} ${quote(name)}: ${change}; nothing was changed here`);
    },
    flush() {
      for (const line of lines.splice(0)) process.stderr.write(`${line}\n`);
    },
  };
}

/** The totals of both databases as a table, with notes below. */
export function describeTotals(
  report: Report,
  old: OldCounts,
  here: Readonly<Record<Kind, number>>,
  isDryRun: boolean,
): string {
  const table = [
    ["", "old database", "imported", "left alone", "skipped", isDryRun ? "here (dry run)" : "here"],
    ...(["users", "groups", "members"] as const).map((kind) => {
      const { imported, leftAlone, skipped } = report.counts[kind];
      return [kind, ...[old[kind], imported, leftAlone, skipped, here[kind]].map(String)];
    }),
  ];
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  );
  const lines = table.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join("  "),
  );
  const notes: readonly (readonly [number, string])[] = [
    [
      old.duplicates,
      "rows of usergroup are duplicates, or refer to rows that do not exist: they do not count",
    ],
    [
      report.inactive,
      "imported users have activated = 0: they could log in to py_auth_micro, and get 403 here until they are activated",
    ],
    [
      report.withoutPassword,
      "imported users have no password hash: they need a password reset, or user_change",
    ],
    [report.changed, "rows changed in the old database after their import: see the lines above"],
  ];
  const shown = notes.filter(([count]) => count > 0).map(([count, text]) => `${count} ${text}`);
  if (isDryRun) shown.push("dry run: nothing was written");
  return [...lines, ...shown].map((line) => `${line}\n`).join("");
}

function quote(name: string): string {
  return toPrintable(JSON.stringify(name));
}
