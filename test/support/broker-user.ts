import { randomBytes } from "node:crypto";
import { callManagement } from "./rabbitmq.ts";

/** What a user of the broker may do on a vhost, as patterns of names. */
export interface Permissions {
  readonly configure?: string;
  readonly write?: string;
  readonly read?: string;
}

/** A user of the broker that a test may limit. */
export interface BrokerUser extends AsyncDisposable {
  readonly username: string;
  readonly password: string;
  /** Everything, but for what is given. */
  permit(permissions?: Permissions): Promise<void>;
  /** Sets a limit of this user or of the vhost, or takes it away again. */
  limit(of: "user" | "vhost", name: "max-channels" | "max-connections", value?: number): Promise<void>;
}

/** Makes a user with all permissions on a vhost. */
export async function createBrokerUser(vhost: string): Promise<BrokerUser> {
  const username = `limited-${randomBytes(4).toString("hex")}`;
  const password = randomBytes(9).toString("base64url");
  await callManagement("PUT", `users/${username}`, { password, tags: "" });
  const permit = async ({ configure = ".*", write = ".*", read = ".*" }: Permissions = {}): Promise<void> => {
    await callManagement("PUT", `permissions/${vhost}/${username}`, { configure, write, read });
  };
  await permit();
  return {
    username,
    password,
    permit,
    async limit(of, name, value) {
      const path = of === "user" ? `user-limits/${username}/${name}` : `vhost-limits/${vhost}/${name}`;
      if (value === undefined) await callManagement("DELETE", path);
      else await callManagement("PUT", path, { value });
    },
    async [Symbol.asyncDispose]() {
      await callManagement("DELETE", `users/${username}`);
    },
  };
}
