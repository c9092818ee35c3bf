import assert from "node:assert/strict";
import { attack, type Attack, attacks } from "../attack.ts";
import { invalid, NO_IP, NOT_A_STRING, TOO_LONG, LOGGED_IN } from "../envelopes.ts";
import { PASSWORD } from "../fixture.ts";

/** Invalid addresses that some parsers accept. */
const INVALID_ADDRESSES: Readonly<Record<string, string>> = {
  "an empty string": "",
  "an address and a space": "192.0.2.1 ",
  "an address and a newline": "192.0.2.1\n",
  "an address and a NUL": "192.0.2.1\0",
  "an address with octal zeros": "0300.0.2.1",
  "one number": "3221225985",
  "full-width digits": "１９２.0.2.1",
  "a port": "192.0.2.1:80",
  "a network": "192.0.2.0/24",
  "a host": "localhost",
  "an IPv6 address in brackets": "[2001:db8::1]",
  "an IPv6 address with a zone": "fe80::1%eth0",
  "an IPv6 address with two gaps": "2001::db8::1",
  "a mapped address that is too large": "::ffff:192.0.2.256",
};

const ips = [
  ...attacks("a login from", "login", INVALID_ADDRESSES, (ip) => ({
    request: { username: "alice", password: PASSWORD, ip },
    reply: invalid(["ip", NO_IP]),
  })),
  ...attacks(
    "a login from an address that is",
    "login",
    { "a number": 3_221_225_985, "a list": ["192.0.2.1"], false: false },
    (ip) => ({
      request: { username: "alice", password: PASSWORD, ip },
      reply: invalid(["ip", NOT_A_STRING]),
    }),
  ),
];

const NO_CONTROLS = "must have no control characters";

const vhosts = [
  ...attacks(
    "a login to a vhost with",
    "login",
    {
      "a NUL": "prod\0",
      "a newline": "prod\n",
      "an escape": "\u001b[2Jprod",
      DEL: "prod\x7f",
      "a C1 control": "prod\x85",
    },
    (vhost) => ({
      request: { username: "alice", password: PASSWORD, vhost },
      reply: invalid(["vhost", NO_CONTROLS]),
    }),
  ),
  attack("a login to a vhost without a name", "login", {
    request: { username: "alice", password: PASSWORD, vhost: "" },
    reply: invalid(["vhost", "must not be empty"]),
  }),
  attack("a login to a vhost with a name of 101 characters", "login", {
    request: { username: "alice", password: PASSWORD, vhost: "v".repeat(101) },
    reply: invalid(["vhost", TOO_LONG]),
  }),
  ...attacks(
    "a login, where vhosts are listed, to",
    "login",
    {
      "another one": "secret",
      "a vhost in capitals": "PROD",
      "a vhost and a space": "prod ",
      "the beginning of a vhost": "pro",
      "a prototype member": "constructor",
    },
    (vhost) => ({
      request: { username: "alice", password: PASSWORD, vhost },
      reply: invalid(["vhost", "is not a vhost of this installation"]),
    }),
    "closed",
  ),
  attack("a login to a vhost whose name is SQL stays bound to that vhost", "login", async (fixture) => {
    const { username, password } = await fixture.newUser();
    const vhost = "x' || (SELECT email FROM user) || '";
    return {
      request: { username, password, vhost },
      reply: LOGGED_IN,
      after: async () => {
        const { resp_data } = await fixture.ask("user_get", {
          username,
          access_token: await fixture.adminToken(),
        });
        assert.equal((resp_data["token_info"] as { vhost: string }).vhost, vhost);
      },
    };
  }),
];

/** The attacker sends invalid addresses and vhosts. */
export const addresses: Attack[] = [...ips, ...vhosts];
