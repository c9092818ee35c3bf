import { z } from "zod";
import { filePath, port } from "./common.ts";

/** `db_settings`: the database. */
export const dbSettings = z.strictObject({
  dialect: z.enum(["mysql", "sqlite"]).optional().describe("sqlite when only file is given, else mysql"),
  file: filePath.optional().describe("the database file (sqlite)"),
  database: z.string().min(1).optional().describe("the database's name (mysql)"),
  user: z.string().min(1).optional().describe("the user that connects (mysql)"),
  password: z.string().optional().describe("its password (mysql)"),
  host: z.string().min(1).default("127.0.0.1").describe("host of MySQL or MariaDB"),
  port: port.default(3306),
  ca_file: filePath.optional().describe("PEM file of the server's CA; given, the connection is TLS"),
  pool_size: z.int().min(1).max(1000).default(10).describe("connections of one worker at most"),
  timeout_ms: z
    .int()
    .min(100)
    .default(1500)
    .describe("limit of one statement; the first one's includes waiting for a connection"),
});
