import type { Intent } from "./request-history.ts";

type Data = Readonly<Record<string, unknown>>;

/** An existing user, as its caller knows it. */
export interface KnownUser {
  readonly username: string;
  readonly password: string;
  email: string;
  groups: readonly string[];
}

/** Requests on users, groups and sessions, each with the expected effects of a success. */
export class Intents {
  readonly #adminToken: string;

  constructor(adminToken: string) {
    this.#adminToken = adminToken;
  }

  createUser({ username, password, email }: KnownUser): Intent {
    return this.#admin("user_admin_create", { username, password, email }, 200, {
      effect: `user insert ${username} ${email}`,
      facts: [[`user ${username}`, email]],
    });
  }

  /** A user with a taken username and a new email address. */
  createTakenUser({ username, password }: KnownUser, email: string): Intent {
    return this.#admin("user_admin_create", { username, password, email }, 409, {
      effect: `user insert ${username} ${email}`,
      facts: [],
    });
  }

  changeEmail({ username }: KnownUser, email: string): Intent {
    return this.#admin("user_change", { username, email }, 200, {
      effect: `user update ${username} ${email}`,
      facts: [[`user ${username}`, email]],
    });
  }

  deleteUser({ username }: KnownUser): Intent {
    return this.#admin("user_delete", { username }, 200, {
      effect: `user delete ${username}`,
      facts: [
        [`user ${username}`, undefined],
        [`member ${username} *`, undefined],
      ],
    });
  }

  getUser({ username, email, groups }: KnownUser): Intent {
    const expected = JSON.stringify([email, groups.toSorted()]);
    return this.#admin("user_get", { username }, 200, {
      inspect: (data) =>
        differs(expected, JSON.stringify([data["email"], asList(data["groups"]).toSorted()])),
    });
  }

  createGroup(groupname: string): Intent {
    return this.#admin("group_create", { groupname }, 200, {
      effect: `group insert ${groupname}`,
      facts: [[`group ${groupname}`, "exists"]],
    });
  }

  deleteGroup(groupname: string): Intent {
    return this.#admin("group_delete", { groupname }, 200, {
      effect: `group delete ${groupname}`,
      facts: [
        [`group ${groupname}`, undefined],
        [`member * ${groupname}`, undefined],
      ],
    });
  }

  addMember({ username }: KnownUser, groupname: string): Intent {
    return this.#admin("group_add_user", { username, groupname }, 200, {
      effect: `usergroup insert ${username} ${groupname}`,
      facts: [[`member ${username} ${groupname}`, "exists"]],
    });
  }

  addToMissingGroup({ username }: KnownUser, groupname: string): Intent {
    return this.#admin("group_add_user", { username, groupname }, 404, {
      effect: `usergroup insert ${username} ${groupname}`,
      facts: [],
    });
  }

  removeMember({ username }: KnownUser, groupname: string): Intent {
    return this.#admin("group_remove_user", { username, groupname }, 200, {
      effect: `usergroup delete ${username} ${groupname}`,
      facts: [[`member ${username} ${groupname}`, undefined]],
    });
  }

  login({ username, password }: KnownUser): Intent {
    return {
      queue: "login",
      body: { username, password },
      expect: 200,
      effect: `token insert ${username} *`,
      reveal: (data) => sidOf(data["id_token"]),
    };
  }

  loginWrongly({ username }: KnownUser): Intent {
    return { queue: "login", body: { username, password: "not the password" }, expect: 401 };
  }

  logout({ username }: KnownUser, idToken: string): Intent {
    return {
      queue: "logout",
      body: { id_token: idToken },
      expect: 200,
      effect: `token delete ${username} ${sidOf(idToken)}`,
    };
  }

  /** Ends one session of a user with the access token of another one. */
  revokeSession({ username }: KnownUser, idToken: string, accessToken: string): Intent {
    const sid = sidOf(idToken);
    return {
      queue: "session_revoke",
      body: { sid, access_token: accessToken },
      expect: 200,
      effect: `token delete ${username} ${sid}`,
    };
  }

  getAccessToken({ username, groups }: KnownUser, idToken: string): Intent {
    const sid = sidOf(idToken);
    const expected = JSON.stringify([username, groups.toSorted(), sid]);
    return {
      queue: "token",
      body: { id_token: idToken },
      expect: 200,
      inspect: (data) => {
        const { user, groups: named, sid: session } = decode(data["access_token"], 1);
        return differs(expected, JSON.stringify([user, asList(named).toSorted(), session]));
      },
    };
  }

  /** Requests an ID token that lives longer, of the same session. */
  renew(idToken: string): Intent {
    return {
      queue: "token",
      body: { id_token: idToken, renew: true },
      expect: 200,
      inspect: (data) => differs(sidOf(idToken), sidOf(data["id_token"])),
    };
  }

  /** Requests an access token for a revoked session. */
  useRevokedToken(idToken: string): Intent {
    return { queue: "token", body: { id_token: idToken }, expect: 401 };
  }

  /** Uses the access token of a revoked session. */
  useRevokedAccess({ username }: KnownUser, accessToken: string): Intent {
    return { queue: "user_get", body: { username, access_token: accessToken }, expect: 401 };
  }

  #admin(
    queue: string,
    body: Data,
    expect: number,
    more: Pick<Intent, "effect" | "facts" | "inspect">,
  ): Intent {
    return { queue, body: { ...body, access_token: this.#adminToken }, expect, ...more };
  }
}

/** Reuses a key for another request, which is rejected without an effect. */
export function reuseKey(intent: Intent): Intent {
  return { ...intent, expect: 409, facts: [] };
}

function differs(expected: string, actual: string): string | undefined {
  return expected === actual ? undefined : `the reply contains ${actual}, expected ${expected}`;
}

function asList(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

function sidOf(idToken: unknown): string {
  return String(decode(idToken, 0)["kid"]);
}

/** One part of a JWS in compact form, unverified. */
function decode(token: unknown, part: 0 | 1): Data {
  const text = Buffer.from(String(token).split(".")[part] ?? "", "base64url").toString();
  try {
    return JSON.parse(text) as Data;
  } catch {
    return {};
  }
}
