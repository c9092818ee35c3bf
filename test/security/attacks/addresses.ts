import assert from "node:assert/strict";
import { attack, type Attack, attacks } from "../attack.ts";
import { invalid, NO_IP, NO_TEXT, TOO_LONG, LOGGED_IN } from "../envelopes.ts";
import { PASSWORD } from "../fixture.ts";

/** What is no address, though some readers take it for one. */
const NO_ADDRESSES: Readonly<Record<string, string>> = {
  "the empty text": "",
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
  ...attacks("a login from", "login", NO_ADDRESSES, (ip) => ({
    request: { username: "alice", password: PASSWORD, ip },
    reply: invalid(["ip", NO_IP]),
  })),
  ...attacks(
    "a login from an address that is",
    "login",
    { "a number": 3_221_225_985, "a list": ["192.0.2.1"], false: false },
    (ip) => ({ request: { username: "alice", password: PASSWORD, ip }, reply: invalid(["ip", NO_TEXT]) }),
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
      "one in capitals": "PROD",
      "one and a space": "prod ",
      "the beginning of one": "pro",
      "a prototype member": "constructor",
    },
    (vhost) => ({
      request: { username: "alice", password: PASSWORD, vhost },
      reply: invalid(["vhost", "is not a vhost of this installation"]),
    }),
    "closed",
  ),
  attack("a login to a vhost with SQL for a name is to that one and no other", "login", async (fixture) => {
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

/** Publishes addresses and vhosts that are none. */
export const addresses: Attack[] = [...ips, ...vhosts];
