import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { renewBrokerToken } from "../../src/client/index.ts";

/** An unsigned token with these claims. */
function fakeToken(claims: object): string {
  return ["{}", JSON.stringify(claims), ""].map((part) => Buffer.from(part).toString("base64url")).join(".");
}

/** A connection that notes the secrets that it got. */
class FakeConnection extends EventEmitter {
  readonly secrets: string[] = [];

  updateSecret(secret: Buffer): Promise<void> {
    this.secrets.push(secret.toString());
    return Promise.resolve();
  }
}

test("a token is renewed after 70 % of its lifetime, also by a wrong clock, until the connection closes", async ({
  mock,
}) => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000_000 });
  for (const skew of [0, 400, -400]) {
    const connection = new FakeConnection();
    const issue = (): string => {
      const iat = Date.now() / 1000 + skew;
      return fakeToken({ iat, exp: iat + 300 });
    };
    renewBrokerToken(connection, { token: issue(), newToken: issue });
    for (let turn = 1; turn <= 3; turn++) {
      mock.timers.tick(209_999);
      await settled();
      assert.equal(connection.secrets.length, turn - 1, `too early with a clock ${skew} s off`);
      mock.timers.tick(1);
      await settled();
      assert.equal(connection.secrets.length, turn, `too late with a clock ${skew} s off`);
    }
    connection.emit("close");
    mock.timers.tick(3_600_000);
    await settled();
    assert.equal(connection.secrets.length, 3, "renewed after the close");
  }
});

test("failed renewals are reported and repeated six times before the token expires, and after it", async ({
  mock,
}) => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000_000 });
  const connection = new FakeConnection();
  const errors: unknown[] = [];
  let isDown = true;
  const token = fakeToken({ iat: 1_000_000, exp: 1_000_300 });
  const newToken = (): string => {
    if (isDown) throw new Error("down");
    return "a password that does not expire";
  };
  renewBrokerToken(connection, { token, newToken, onError: (error) => errors.push(error) });
  for (let second = 0; second < 300; second++) {
    mock.timers.tick(1000);
    await settled();
  }
  assert.equal(errors.length, 7, "at 210, 225, 240, 255, 270, 285 and 300 seconds");
  isDown = false;
  mock.timers.tick(15_000);
  await settled();
  assert.deepEqual(connection.secrets, ["a password that does not expire"]);
  mock.timers.tick(2 ** 31);
  await settled();
  assert.equal(connection.secrets.length, 1);
});

test("without onError a failed renewal is a process warning", async () => {
  const connection = new FakeConnection();
  const warned = once(process, "warning") as Promise<[Error]>;
  using renewal = renewBrokerToken(connection, {
    token: fakeToken({ iat: 0, exp: 1 }),
    newToken: () => Promise.reject(new Error("out of order")),
  });
  const [{ message }] = await warned;
  assert.equal(message, "authmq: cannot renew the broker token, trying again: out of order");
  renewal.stop();
});

test("a renewal does not keep the process alive", async () => {
  const script = `
    import { EventEmitter } from "node:events";
    import { renewBrokerToken } from ${JSON.stringify(new URL("../../src/client/index.ts", import.meta.url).href)};
    const token = ["", JSON.stringify({ exp: Date.now() / 1000 + 3600 }), ""]
      .map((part) => Buffer.from(part).toString("base64url")).join(".");
    const connection = Object.assign(new EventEmitter(), { updateSecret: async () => undefined });
    renewBrokerToken(connection, { token, newToken: () => token });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: "inherit" });
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

/** Lets pending promises settle. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
