import { createConnection, type RowDataPacket } from "mysql2/promise";
import type { DatabaseServer } from "./servers/database.ts";

/** The folder of a server's data, which has the certificates that MySQL generates. */
export async function dataFolder({ host, port, user, password }: DatabaseServer): Promise<string> {
  const connection = await createConnection({ host, port, user, password });
  try {
    const [rows] = await connection.query<RowDataPacket[]>("select @@datadir as folder");
    return String(rows[0]?.["folder"]);
  } finally {
    await connection.end();
  }
}
