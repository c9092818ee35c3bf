import { z } from "zod";
import { filePath, port } from "./common.ts";

/** `db_settings`: the database. */
export const dbSettings = z.strictObject({
  url: z
    .string()
    .min(1)
    .optional()
    .describe(
      "`mysql://user:password@host:port/database`, `mariadb://`, or `sqlite:FILE`; the keys below win over its parts, and it wins over `DATABASE_URL`",
    ),
  dialect: z
    .enum(["mysql", "sqlite"])
    .optional()
    .describe(
      "`mysql` is MariaDB, too; without it, `mysql` where `database`, `user` or `password` is given, else `sqlite`",
    ),
  file: filePath.optional().describe("the database file (sqlite); without it, `authmq.db`"),
  database: z.string().min(1).optional().describe("the database's name (mysql, required there)"),
  user: z.string().min(1).optional().describe("the user that connects (mysql, required there)"),
  password: z.string().optional().describe("its password (mysql, required there)"),
  host: z.string().min(1).default("127.0.0.1").describe("host of MySQL or MariaDB"),
  port: port.default(3306).describe("its port"),
  tls: z
    .boolean()
    .optional()
    .describe(
      "whether the connection is TLS; without it, true where `ca_file` is given, or the URL asks for it",
    ),
  ca_file: filePath
    .optional()
    .describe(
      "PEM file of the CA that signed the server's certificate; given, the connection is TLS and the server's name is checked; without it, the CAs that Node knows",
    ),
  pool_size: z.int().min(1).max(1000).default(10).describe("connections of one worker at most (mysql)"),
  timeout_ms: z
    .int()
    .min(100)
    .default(1500)
    .describe(
      "limit of one statement; the first one of a use includes the wait for a connection (mysql); beyond it callers get 503",
    ),
});
