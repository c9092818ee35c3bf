import { randomBytes } from "node:crypto";
import { callManagement } from "./rabbitmq.ts";

/** Permissions of a broker user on a vhost, as patterns of names. */
export interface Permissions {
  readonly configure?: string;
  readonly write?: string;
  readonly read?: string;
}

/** A broker user with adjustable permissions and limits. */
export interface BrokerUser extends AsyncDisposable {
  readonly username: string;
  readonly password: string;
  /** Sets permissions; those that are not given allow everything. */
  permit(permissions?: Permissions): Promise<void>;
  /** Sets a limit of this user or of the vhost, or removes it. */
  limit(of: "user" | "vhost", name: "max-channels" | "max-connections", value?: number): Promise<void>;
}

/** Creates a user with all permissions on a vhost. */
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
