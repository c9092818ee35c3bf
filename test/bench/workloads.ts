import type { Config } from "../../src/config/load.ts";
import { createIssuer } from "../../src/tokens/issuer.ts";
import type { Call } from "./callers.ts";
import { groupName, idTokenOf, someUsers } from "./population.ts";
import { ECHO } from "./setup.ts";

/** Callers that take turns, at most: each has tokens of its own. */
const CALLERS = 100;

/** Memberships that are made and unmade: more than are in flight, so that one is there before it goes. */
const MEMBERS = 500;

/** The requests of each workload, by its name. */
export interface Workloads {
  readonly echo: readonly Call[];
  readonly token: readonly Call[];
  readonly user_get: readonly Call[];
  readonly group_all: readonly Call[];
  readonly login: readonly Call[];
  readonly membership: readonly Call[];
}

/** Requests of a population's users. */
export async function workloadsFor(
  config: Config,
  { users, groupsEach }: { users: number; groupsEach: number },
  callersAtMost = CALLERS,
): Promise<Workloads> {
  if (config.signing === undefined) throw new Error("a configuration without a signing key");
  const issuer = await createIssuer(config.signing);
  const groups = Array.from({ length: groupsEach }, (_, index) => groupName(index));
  const accessToken = (username: string, more: readonly string[] = []): string =>
    issuer.signAccessToken({ username, groups: [...groups, ...more] }, { vhost: "prod", lifetime: 3600 });
  const callers = await Promise.all(
    someUsers(users, callersAtMost).map(async (username) => ({
      username,
      id_token: await idTokenOf(config, username, groupsEach),
      access_token: accessToken(username),
    })),
  );
  const admin = accessToken("root", ["admin"]);
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
    user_get: calls(
      "user_get",
      callers.map(({ username, access_token }) => ({ username, access_token })),
    ),
    group_all: calls(
      "group_all",
      callers.map(({ access_token }) => ({ access_token })),
    ),
    // Others than those with tokens: a login ends the session before it.
    login: calls(
      "login",
      someUsers(users, CALLERS, 1).map((username) => ({ username, password: "correct horse" })),
    ),
    membership: [...changes("group_remove_user"), ...changes("group_add_user")],
  };
}
