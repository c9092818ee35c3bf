type Query = (statement: string) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/**
 * The ids of a user's connections to a database server. Not from information_schema.processlist: MySQL rejects that
 * query while a statement with binary values runs.
 */
export async function connectionsOf(user: string, query: Query): Promise<number[]> {
  const processes = await query("show processlist");
  return processes.filter(({ User }) => User === user).map(({ Id }) => Number(Id));
}

/** Kills a user's connections to a database server. */
export async function killConnectionsOf(user: string, query: Query): Promise<void> {
  // A connection may have ended in the meantime.
  for (const id of await connectionsOf(user, query)) await query(`kill ${id}`).catch(() => undefined);
}
