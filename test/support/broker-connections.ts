import { callManagement } from "./rabbitmq.ts";
import { waitUntil } from "./servers/scratch.ts";

interface Connection {
  readonly name: string;
  readonly client_properties: { readonly connection_name?: string };
}

/** Closes the workers' connections of one purpose through the management API. */
export async function closeConnections(vhost: string, purpose: string): Promise<void> {
  const find = async (): Promise<Connection[]> =>
    ((await callManagement("GET", `vhosts/${vhost}/connections`)) as Connection[]).filter(
      ({ client_properties }) => client_properties.connection_name === `authmq ${purpose}`,
    );
  const found = await waitUntil("the connection in the statistics", async () => {
    const connections = await find();
    return connections.length > 0 ? connections : undefined;
  });
  for (const { name } of found) {
    // Ignore connections that closed in the meantime.
    await callManagement("DELETE", `connections/${encodeURIComponent(name)}`).catch(() => undefined);
  }
}
