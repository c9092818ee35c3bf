import { z } from "zod";
import { filePath, port } from "./common.ts";

/** `db_settings`: the connection to the database. */
export const dbSettings = z.strictObject({
  url: z
    .string()
    .min(1)
    .optional()
    .describe(
      "`mysql://user:password@host:port/database`, `mariadb://`, or `sqlite:FILE`; the keys below override " +
        "parts of the URL, and the URL overrides `DATABASE_URL`",
    ),
  dialect: z
    .enum(["mysql", "sqlite"])
    .optional()
    .describe(
      "`mysql` (also for MariaDB) or `sqlite`; by default `mysql` if `database`, `user` or `password` is " +
        "set, else `sqlite`",
    ),
  file: filePath.optional().describe("database file (sqlite); by default `authmq.db`"),
  database: z.string().min(1).optional().describe("database name (required for mysql)"),
  user: z.string().min(1).optional().describe("database user (required for mysql)"),
  password: z.string().optional().describe("password of the database user (required for mysql)"),
  host: z.string().min(1).default("127.0.0.1").describe("host of MySQL or MariaDB"),
  port: port.default(3306).describe("port of MySQL or MariaDB"),
  tls: z
    .boolean()
    .optional()
    .describe("whether to use TLS; by default true if `ca_file` is set or the URL requires it"),
  ca_file: filePath
    .optional()
    .describe(
      "PEM file of the CA that signed the server's certificate; enables TLS and the check of the host name; " +
        "by default the CAs that Node trusts",
    ),
  verify_host: z
    .boolean()
    .default(true)
    .describe(
      "whether the server's certificate must contain `host`; false needs `ca_file`, and is for certificates without a " +
        "host name, such as the one that MySQL generates",
    ),
  pool_size: z.int().min(1).max(1000).default(10).describe("maximum connections per worker (mysql)"),
  timeout_ms: z
    .int()
    .min(100)
    .default(1500)
    .describe(
      "timeout of a statement in milliseconds; with mysql, it includes the wait for a free connection; after " +
        "it callers get 503",
    ),
});
