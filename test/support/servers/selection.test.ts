import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSelection } from "./selection.ts";

test("without SERVERS, the servers are Debian's stable packages", () => {
  const { rabbitmq, database } = parseSelection("");
  assert.deepEqual([rabbitmq.from, database.from, database.product], ["stable", "stable", "MariaDB"]);
  assert.deepEqual(parseSelection("oldest"), parseSelection(""));
});

test("SERVERS=newest selects RabbitMQ 4 and MySQL", () => {
  const { rabbitmq, database } = parseSelection("newest");
  assert.deepEqual([rabbitmq.from, database.from, database.product], ["sid", "sid", "MySQL"]);
});

test("images are used as they are named, RabbitMQ's with the management API", () => {
  const { rabbitmq, database } = parseSelection(" rabbitmq:4.1  mysql:8.4 ");
  assert.deepEqual(rabbitmq, { from: undefined, image: "rabbitmq:4.1-management" });
  assert.deepEqual(database, { from: undefined, image: "mysql:8.4", product: "MySQL" });
  assert.equal(
    parseSelection("example.org/rabbitmq:4-management").rabbitmq.image,
    "example.org/rabbitmq:4-management",
  );
});

test("an image that is not named is the oldest", () => {
  const { rabbitmq, database } = parseSelection("mariadb:11.8");
  assert.equal(rabbitmq.from, "stable");
  assert.deepEqual(database, { from: undefined, image: "mariadb:11.8", product: "MariaDB" });
});

for (const text of ["latest", "newest oldest", "postgres:17", "rabbitmq", "mysql:"]) {
  test(`SERVERS="${text}" is refused with the valid forms`, () => {
    assert.throws(() => parseSelection(text), /SERVERS must be "oldest", "newest", or images/);
  });
}
