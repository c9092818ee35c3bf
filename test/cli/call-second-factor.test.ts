import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { folderWith, runCli } from "../support/cli.ts";
import {
  enrolTotp,
  newUser,
  nextCodeOf,
  PASSWORD,
  secondFactors,
  wrongCodeOf,
} from "../support/second-factor.ts";
import { noTerminal, runOnTerminal, type TerminalEnded } from "../support/terminal.ts";
import { startWorker, type TestWorker } from "../support/worker.ts";

const PROMPT = "Code of the authenticator app, or recovery code: ";

const login = JSON.stringify({ username: "alice", password: PASSWORD, ip: "192.0.2.17" });

interface Reply {
  readonly resp_code: number;
  readonly resp_data: Readonly<Record<string, unknown>>;
}

describe("authmq call login of an account with a second factor", () => {
  let worker: TestWorker;
  let cwd: string;
  let secret: string;
  let recoveryCodes: readonly string[];
  before(async () => {
    worker = await startWorker({ config: secondFactors() });
    const { access_token } = await newUser(worker, "alice");
    const enrolled = await enrolTotp(worker, { access_token });
    secret = enrolled.secret;
    recoveryCodes = enrolled.recovery_codes ?? [];
    cwd = folderWith(worker.raw);
  });
  after(() => worker[Symbol.asyncDispose]());

  const answer = (keys: string): Promise<TerminalEnded> =>
    runOnTerminal(["call", "login", login], { cwd, typed: [[PROMPT, keys]] });

  /** The reply that the terminal showed after the prompt. */
  const replyIn = ({ output }: TerminalEnded): Reply => JSON.parse(output.split(PROMPT)[1] ?? "") as Reply;

  test("prints the reply with the challenge and exits with 1, without a terminal", async () => {
    const { code, stdout, stderr } = await runCli(["call", "login", "-"], { cwd, stdin: login });
    const { resp_code, resp_data } = JSON.parse(stdout) as Reply;
    assert.deepEqual([code, resp_code, resp_data["error"], stderr], [1, 401, "SECOND_FACTOR_REQUIRED", ""]);
    assert.equal(typeof resp_data["challenge"], "string");
  });

  describe("on a terminal", { skip: noTerminal }, () => {
    test("asks for the code without echo, and prints the reply of login_continue", async () => {
      const code = nextCodeOf(secret);
      const typed = `${code.slice(0, 3)} ${code.slice(3)}`;
      const ended = await answer(`${typed}\r`);
      const { resp_code, resp_data } = replyIn(ended);
      assert.deepEqual(
        [ended.code, resp_code, typeof resp_data["id_token"]],
        [0, 200, "string"],
        ended.output,
      );
      for (const text of [code, typed]) assert.ok(!ended.output.includes(text), ended.output);
    });

    test("takes a recovery code instead", async () => {
      const [code = ""] = recoveryCodes;
      const ended = await answer(`${code}\r`);
      assert.deepEqual([ended.code, replyIn(ended).resp_code], [0, 200], ended.output);
      assert.ok(!ended.output.includes(code), ended.output);
    });

    test("asks also after a request that was typed, which ends with Ctrl-D", async () => {
      const [, code = ""] = recoveryCodes;
      const request = ["", `${login}\r\x04`] as const;
      const typed = [request, [PROMPT, `${code}\r`]] as const;
      const ended = await runOnTerminal(["call", "login", "-"], { cwd, typed });
      assert.deepEqual([ended.code, replyIn(ended).resp_code], [0, 200], ended.output);
    });

    test("prints the error of a wrong code, and does not ask again", async () => {
      const ended = await answer(`${wrongCodeOf(secret)}\r`);
      const { resp_code, resp_data } = replyIn(ended);
      assert.deepEqual(
        [ended.code, resp_code, resp_data["error"]],
        [1, 401, "INVALID_CREDENTIALS"],
        ended.output,
      );
    });

    test("prints the reply of the login after an empty line", async () => {
      const ended = await answer("\r");
      assert.deepEqual(
        [ended.code, replyIn(ended).resp_data["error"]],
        [1, "SECOND_FACTOR_REQUIRED"],
        ended.output,
      );
    });

    test("ends with 130 after Ctrl-C, and with 1 after Ctrl-D", async () => {
      assert.equal((await answer("\x03")).code, 130);
      const ended = await answer("\x04");
      assert.deepEqual([ended.code, ended.output.includes("the input ended")], [1, true], ended.output);
    });
  });
});
