import { setTimeout as sleep } from "node:timers/promises";
import { type Channel, type ChannelModel, connect } from "amqplib";
import { waitUntil } from "../support/servers/scratch.ts";

/** One node of a broker that can be killed and restarted. */
export interface TestBrokerNode {
  readonly port: number;
  /** Undefined in a container, and while it does not run. */
  readonly pid: number | undefined;
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Cuts a node of a cluster off from the other nodes, but not from clients. */
  isolate?(): Promise<void>;
  /** Ends the isolation. */
  rejoin?(): Promise<void>;
  /** Resolves when all nodes see each other. */
  joined?(): Promise<void>;
}

/** A broker with one or more nodes, and its management API. */
export class TestBroker {
  readonly nodes: readonly TestBrokerNode[];
  readonly username: string;
  readonly password: string;
  readonly #managementUrls: readonly string[];

  /** `managementUrls`: one for each node, with username and password. */
  constructor(nodes: readonly TestBrokerNode[], managementUrls: readonly string[]) {
    this.nodes = nodes;
    const [first = ""] = managementUrls;
    const { username, password } = new URL(first);
    this.username = username;
    this.password = password;
    this.#managementUrls = managementUrls.map((url) => new URL(url).origin);
  }

  /**
   * Calls the management API of the first node that responds; `path` starts after `/api/`. Throws on an error status.
   */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const authorization = `Basic ${Buffer.from(`${this.username}:${this.password}`).toString("base64")}`;
    let unreachable: unknown;
    for (const origin of this.#managementUrls) {
      let response: Response;
      try {
        response = await fetch(`${origin}/api/${path}`, {
          method,
          headers: { authorization, "content-type": "application/json" },
          signal: AbortSignal.timeout(10_000),
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
      } catch (error) {
        unreachable = error;
        continue;
      }
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text === "" ? undefined : (JSON.parse(text) as unknown);
    }
    throw new Error(`${method} ${path}: no node responds`, { cause: unreachable });
  }

  /** Creates a vhost, and grants access to the administrator and one new user. */
  async addVhost(vhost: string, user: { name: string; password: string }): Promise<void> {
    await this.call("PUT", `vhosts/${vhost}`);
    await this.call("PUT", `users/${user.name}`, { password: user.password, tags: "" });
    await this.allow(vhost, this.username);
    await this.allow(vhost, user.name);
    await waitUntil(`${vhost} on every node`, () => this.#isEverywhere(vhost));
  }

  /** Grants a user all permissions in a vhost. */
  async allow(vhost: string, user: string): Promise<void> {
    await this.call("PUT", `permissions/${vhost}/${user}`, { configure: ".*", write: ".*", read: ".*" });
  }

  /** Revokes a user's permissions in a vhost. */
  async forbid(vhost: string, user: string): Promise<void> {
    await this.call("DELETE", `permissions/${vhost}/${user}`);
  }

  /** Closes a user's connections like an operator; returns their number. */
  async closeConnections(vhost: string, user: string): Promise<number> {
    const all = (await this.call("GET", `vhosts/${vhost}/connections`)) as { name: string; user: string }[];
    const theirs = all.filter((connection) => connection.user === user);
    for (const { name } of theirs) {
      // Ignore connections that closed in the meantime.
      await this.call("DELETE", `connections/${encodeURIComponent(name)}`).catch(() => undefined);
    }
    return theirs.length;
  }

  /** The current number of messages in each queue of a vhost. */
  async countMessages(vhost: string): Promise<ReadonlyMap<string, number>> {
    const queues = (await this.call("GET", `queues/${vhost}?columns=name`)) as { name: string }[];
    return this.withChannel(vhost, async (channel) => {
      const counts = new Map<string, number>();
      for (const { name } of queues) counts.set(name, (await channel.checkQueue(name)).messageCount);
      return counts;
    });
  }

  /** Runs `work` on a channel with all permissions in a vhost, at the first node that responds. */
  async withChannel<T>(vhost: string, work: (channel: Channel) => Promise<T>): Promise<T> {
    const connection = await this.#connect(vhost);
    connection.on("error", () => undefined);
    try {
      const channel = await connection.createChannel();
      channel.on("error", () => undefined);
      return await work(channel);
    } finally {
      await connection.close().catch(() => undefined);
    }
  }

  /** Deletes a vhost with its content, and the user created with it. */
  async removeVhost(vhost: string, user: string): Promise<void> {
    await this.call("DELETE", `vhosts/${vhost}`);
    await this.call("DELETE", `users/${user}`);
  }

  /** Whether every node has the vhost; creates it again on a node that missed the creation. */
  async #isEverywhere(vhost: string): Promise<boolean> {
    const { cluster_state: states } = (await this.call("GET", `vhosts/${vhost}`)) as {
      cluster_state?: Readonly<Record<string, string>>;
    };
    const missing = Object.entries(states ?? {}).filter(([, state]) => state !== "running");
    for (const [node] of missing) await this.call("POST", `vhosts/${vhost}/start/${node}`);
    return Object.keys(states ?? {}).length === this.nodes.length && missing.length === 0;
  }

  async #connect(vhost: string): Promise<ChannelModel> {
    const { username, password, nodes } = this;
    for (let attempt = 1; ; attempt++) {
      const port = nodes[attempt % nodes.length]?.port ?? 0;
      try {
        const address = { hostname: "127.0.0.1", port, username, password, vhost: encodeURIComponent(vhost) };
        return await connect(address, { timeout: 5000 });
      } catch (error) {
        if (attempt >= 20) throw error;
        await sleep(300);
      }
    }
  }
}
