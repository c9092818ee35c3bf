import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDatabase, type Database } from "../../../src/db/database.ts";
import { parseConfig } from "../../../src/config/load.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { type Ended, folderWith, runCli } from "../../support/cli.ts";
import { type DatabaseKind, provision } from "../../support/worker.ts";

/** The hash of "U*U" by OpenBSD's bcrypt. */
export const BCRYPT = "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
/** The hash of "password" by the reference implementation of Argon2. */
export const ARGON2ID =
  "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";

/** A folder with a configuration, and a database with all tables. */
export interface Installed extends AsyncDisposable {
  readonly folder: string;
  readonly raw: Record<string, Record<string, unknown>>;
  readonly db: Database;
  /** Writes a file with these lines and returns its name. */
  file(name: string, lines: readonly (string | object)[]): string;
  users(args: readonly string[], stdin?: string): Promise<Ended>;
  /** All users with their groups, by username; hashes as text. */
  rows(): Promise<Record<string, Record<string, unknown>>>;
}

/** Creates an installation with its own database. */
export async function installWithUsers(
  database: DatabaseKind,
  config: Record<string, Record<string, unknown>> = {},
): Promise<Installed> {
  const { raw, cleanUp } = await provision({ database, config });
  const folder = folderWith(raw);
  const { db: settings } = parseConfig(raw, { keys: false, env: {}, folder });
  await migrate(settings);
  const db = openDatabase(settings);
  return {
    folder,
    raw,
    db,
    file(name, lines) {
      const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
      writeFileSync(join(folder, name), texts.map((text) => `${text}\n`).join(""));
      return name;
    },
    users: (args, stdin = "") => runCli(["users", ...args], { cwd: folder, stdin }),
    async rows() {
      const users = await db.selectFrom("user").selectAll().execute();
      const members = await db.selectFrom("usergroup").selectAll().orderBy("groupname").execute();
      return Object.fromEntries(
        users.map(
          ({ username, email, auth_type, activated, created_at, email_verified_at, password_hash }) => [
            username,
            {
              ...{ username, email, auth_type, activated, created_at, email_verified_at },
              password_hash: password_hash && Buffer.from(password_hash).toString(),
              groups: members
                .filter((member) => member.username === username)
                .map(({ groupname }) => groupname),
            },
          ],
        ),
      );
    },
    async [Symbol.asyncDispose]() {
      await db.destroy();
      await cleanUp();
    },
  };
}

/** The summary line of `users import`. */
export function importSummary(
  created: number,
  updated: number,
  unchanged: number,
  skipped: number,
  refused: number,
): string {
  return `${created} created, ${updated} updated, ${unchanged} unchanged, ${skipped} skipped, ${refused} refused`;
}

/** Some users, each with a hash and in two groups. */
export function many(count: number): object[] {
  return Array.from({ length: count }, (_, index) => user(index));
}

/** One user of `many`. */
export function user(index: number) {
  return {
    username: `user-${index}`,
    email: `user-${index}@example.com`,
    password_hash: BCRYPT,
    groups: ["everybody", `team-${index % 7}`],
  };
}
