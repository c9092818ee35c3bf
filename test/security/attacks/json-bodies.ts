import { gzipSync } from "node:zlib";
import { attack, type Attack, attacks } from "../attack.ts";
import { INVALID_JSON, invalid, moment, ok, TOO_LARGE, MISSING, noToken } from "../envelopes.ts";
import { PASSWORD } from "../fixture.ts";

const good = '{"username":"alice"}';
const alice = ok({ username: "alice", activated: true, created_at: moment });

/** The valid request with raw bytes in a member's value. */
function withBytes(...bytes: readonly number[]): Buffer {
  return Buffer.concat([Buffer.from('{"username":"alice","x":"'), Buffer.from(bytes), Buffer.from('"}')]);
}

const INVALID_BODIES: Readonly<Record<string, string | Uint8Array>> = {
  nothing: "",
  "white space": " \r\n\t",
  null: "null",
  "an empty list": "[]",
  "a list with the request": `[${good}]`,
  "a text": '"text"',
  "the request as a JSON string": JSON.stringify(good),
  "half a request": good.slice(0, -1),
  "two requests": good + good,
  "a request and a letter": `${good}x`,
  "a request and a NUL": `${good}\0`,
  "a request after a byte order mark": `\ufeff${good}`,
  "a request in UTF-16": Buffer.from(good, "utf16le"),
  "a request in gzip": gzipSync(good),
  "a request with a comment": '{"username":"alice"/* or root */}',
  "a request with a comment at the end": `${good}// root`,
  "a request with a comma at the end": '{"username":"alice",}',
  "a request with NaN": '{"username":"alice","x":NaN}',
  "a request with a number that begins with a zero": '{"username":"alice","x":01}',
  "a request with a newline in a text": '{"username":"alice","x":"a\nb"}',
  "a request of 33 levels": `{"username":"alice","x":${"[".repeat(32)}${"]".repeat(32)}}`,
  "a request of thousands of levels": `{"username":"alice","x":${"[".repeat(30_000)}`,
  "a request with a lone continuation byte": withBytes(0x80),
  "a request with an overlong slash": withBytes(0xc0, 0xaf),
  "a request with a surrogate in UTF-8": withBytes(0xed, 0xa0, 0x80),
  "a request with a character that is cut off": withBytes(0xf0, 0x9f, 0x98),
  "a request with a character beyond Unicode": withBytes(0xf4, 0x90, 0x80, 0x80),
};

const malformed = attacks("a body that is", "user_get", INVALID_BODIES, (request) => ({
  request,
  reply: INVALID_JSON,
}));

/** Duplicate keys, for which two parsers could see different requests. */
const DUPLICATES: Readonly<Record<string, string>> = {
  "a username": '{"username":"alice","username":"root"}',
  "a username with an escape": '{"username":"alice","\\u0075sername":"root"}',
  "an unknown key": '{"username":"alice","x":1,"x":2}',
  "a key of an unknown object": '{"username":"alice","x":{"y":1,"y":1}}',
  "a prototype key": '{"username":"alice","__proto__":1,"__proto__":2}',
  "a colon as a value, and a key": '{"username":"alice","x":":","x":":"}',
};

const ambiguous = [
  ...attacks("a request with a duplicate of", "user_get", DUPLICATES, (request) => ({
    request,
    reply: INVALID_JSON,
  })),
  attack("a login with two passwords, the second right", "login", async (fixture) => {
    const { username } = await fixture.newUser();
    return {
      request: `{"username":"${username}","password":"wrong","password":"${PASSWORD}"}`,
      reply: INVALID_JSON,
    };
  }),
  attack("an administrator's request with two tokens", "group_create", async (fixture) => {
    const [plain, admin] = [await fixture.accessToken("bobby"), await fixture.adminToken()];
    return {
      request: `{"groupname":"two","access_token":"${plain}","access_token":"${admin}"}`,
      reply: INVALID_JSON,
    };
  }),
];

/** Unusual but valid requests. */
const UNUSUAL: Readonly<Record<string, string>> = {
  "of 32 levels": `{"username":"alice","x":${"[".repeat(31)}${"]".repeat(31)}}`,
  "with brackets in a text": JSON.stringify({ username: "alice", x: '["{'.repeat(500) }),
  "with 3000 members": JSON.stringify({
    username: "alice",
    ...Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`member${index}`, index])),
  }),
  "with a number that no double holds": '{"username":"alice","x":1e999}',
  "with half a character in an unknown member": '{"username":"alice","x":"\\ud800"}',
  "with a name in escapes": '{"\\u0075\\u0073ername":"\\u0061lice"}',
  "with prototype members":
    '{"username":"alice","__proto__":{"username":"root"},"constructor":{"prototype":{}}}',
  "with then, as a promise has": '{"username":"alice","then":{"then":1},"toJSON":"x"}',
  "of exactly 65,536 bytes": good.padEnd(65_536, " "),
};

const unusual = attacks("a valid request", "user_get", UNUSUAL, (request) => ({
  request,
  reply: alice,
}));

const sizes = [
  attack("a request of 65,537 bytes", "user_get", { request: good.padEnd(65_537, " "), reply: TOO_LARGE }),
  attack("a request of 65,537 bytes in fewer characters", "user_get", {
    request: JSON.stringify({ username: "alice", x: "é".repeat(32_755) }),
    reply: TOO_LARGE,
  }),
  attack("a body of 2 MB that is no JSON", "login", { request: "x".repeat(2_000_000), reply: TOO_LARGE }),
  attack("a body of 2 MB that is nested all the way", "token", {
    request: "[".repeat(2_000_000),
    reply: TOO_LARGE,
  }),
];

/** Members of the prototype of every object. */
const prototypes = [
  ...attacks(
    "a request whose username is in its",
    "user_get",
    {
      "a prototype member": '{"__proto__":{"username":"root"}}',
      constructor: '{"constructor":{"prototype":{"username":"root"}}}',
      prototype: '{"prototype":{"username":"root"}}',
    },
    (request) => ({ request, reply: invalid(["username", MISSING]) }),
  ),
  attack("a request for the users from a caller in its prototype", "user_all", {
    request: '{"__proto__":{"access_token":"x","caller":{"isAdmin":true}}}',
    reply: noToken("access_token"),
  }),
];

/** The attacker sends invalid JSON, or requests that parsers may read differently. */
export const jsonBodies: Attack[] = [...malformed, ...ambiguous, ...unusual, ...sizes, ...prototypes];
