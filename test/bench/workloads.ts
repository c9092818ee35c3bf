import type { Config } from "../../src/config/load.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";
import type { Call } from "./callers.ts";
import { ADMIN, apiKeyOf, groupName, idTokenOf, someUsers, tokenIdOf } from "./population.ts";
import { ECHO } from "./setup.ts";

/** Maximum number of callers, each with its own tokens. */
const CALLERS = 100;

/** Memberships that are added and removed: more than requests in flight, so that each exists before it is removed. */
const MEMBERS = 500;

/** The requests of each workload, by name. */
export interface Workloads {
  readonly echo: readonly Call[];
  readonly token: readonly Call[];
  /** `token` in exchange for an API key. */
  readonly api_key: readonly Call[];
  readonly user_get: readonly Call[];
  readonly group_all: readonly Call[];
  readonly login: readonly Call[];
  readonly membership: readonly Call[];
}

/** Creates requests of a population's users. */
export async function workloadsFor(
  config: Config,
  { users, groupsEach }: { users: number; groupsEach: number },
  callersAtMost = CALLERS,
): Promise<Workloads> {
  if (config.signing === undefined) throw new Error("a configuration without a signing key");
  const issuer = await createIssuer(config.signing);
  const groups = Array.from({ length: groupsEach }, (_, index) => groupName(index));
  const accessToken = (username: string, more: readonly string[] = []): string =>
    issuer.signAccessToken(
      { username, groups: [...groups, ...more] },
      { grant: { sid: tokenIdOf(username) }, vhost: "prod", lifetime: 3600 },
    );
  const callers = await Promise.all(
    someUsers(users, callersAtMost).map(async (username) => ({
      username,
      id_token: await idTokenOf(config, username, groupsEach),
      access_token: accessToken(username),
      api_key: apiKeyOf(username),
    })),
  );
  const admin = accessToken(ADMIN, ["admin"]);
  const calls = (queue: string, requests: readonly object[]): Call[] =>
    requests.map((request) => ({ queue, body: JSON.stringify(request) }));
  const tokens = callers.map(({ id_token }) => ({ id_token }));
  const changes = (queue: string): Call[] => {
    const members = someUsers(users, MEMBERS);
    return calls(
      queue,
      members.map((username) => ({ username, groupname: groupName(0), access_token: admin })),
    );
  };
  return {
    echo: calls(ECHO, tokens),
    token: calls("token", tokens),
    api_key: calls(
      "token",
      callers.map(({ api_key }) => ({ api_key })),
    ),
    user_get: calls(
      "user_get",
      callers.map(({ username, access_token }) => ({ username, access_token })),
    ),
    group_all: calls(
      "group_all",
      callers.map(({ access_token }) => ({ access_token })),
    ),
    // Not the users with tokens: a login may revoke an earlier session.
    login: calls(
      "login",
      someUsers(users, CALLERS, 1).map((username) => ({ username, password: "correct horse" })),
    ),
    membership: [...changes("group_remove_user"), ...changes("group_add_user")],
  };
}
