import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { createConnection } from "mysql2/promise";
import { linesOf } from "../support/log-lines.ts";
import { assertRefused } from "../support/replies.ts";
import { DATABASES, startWorker, type TestWorker } from "../support/worker.ts";
import { formsOf } from "./forms.ts";
import { Searcher } from "./searcher.ts";

const PASSWORD = "the password in the statement";
const EMAIL = "address-in-the-statement@example.com";

/** Makes the database reject every new row of a table, like a trigger, a full disk or a stricter mode. */
const REFUSING = {
  sqlite: (table: string) =>
    `create trigger refuse before insert on "${table}" begin select raise(abort, 'refused here'); end`,
  mysql: (table: string) =>
    `create trigger refuse before insert on \`${table}\` for each row signal sqlstate '45000' ` +
    "set message_text = 'refused here', mysql_errno = 1644",
} as const;

async function execute({ raw }: TestWorker, sql: string): Promise<void> {
  const settings = raw["db_settings"]!;
  if (settings["dialect"] === "sqlite") {
    const file = new DatabaseSync(String(settings["file"]), { timeout: 5000 });
    file.exec(sql);
    file.close();
    return;
  }
  const { host, port, user, password, database } = settings;
  const account = { user: String(user), password: String(password), database: String(database) };
  const connection = await createConnection({ host: String(host), port: Number(port), ...account });
  await connection.query(sql);
  await connection.end();
}

for (const database of DATABASES) {
  describe(`a statement that ${database} rejects`, () => {
    test("is logged with the database's error, and without its text and values", async () => {
      await using worker = await startWorker({ database });
      await execute(worker, REFUSING[database]("user"));
      const access_token = await worker.accessToken("root", ["admin"]);
      const request = { username: "in-the-statement", password: PASSWORD, email: EMAIL, access_token };
      const reply = await worker.call("user_admin_create", request);
      const { reference, ...rest } = reply.resp_data;
      assert.match(String(reference), /^[0-9a-f-]{36}$/);
      assertRefused({ ...reply, resp_data: rest }, 500, "INTERNAL");
      const [line] = linesOf(worker, "unexpected error in a request");
      assert.match(JSON.stringify(line), /refused here/);
      const log = worker.log.join("");
      const searcher = new Searcher<string>();
      for (const secret of [PASSWORD, EMAIL, access_token, request.username])
        for (const form of formsOf("password", secret)) searcher.add(form, secret);
      assert.deepEqual(searcher.find(Buffer.from(log)), []);
      assert.doesNotMatch(log, /insert into|values|\$2[aby]\$/i);
    });

    test("leaves no trace of the ID token of a login", async () => {
      await using worker = await startWorker({ database });
      await worker.addUser("alice", PASSWORD);
      await execute(worker, REFUSING[database]("token"));
      const reply = await worker.call("login", { username: "alice", password: PASSWORD });
      assert.equal(reply.resp_code, 500);
      assert.match(worker.log.join(""), /refused here/);
      assert.doesNotMatch(worker.log.join(""), /eyJ|insert into|the password in/);
    });
  });
}
