import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dataFolder } from "../../support/data-folder.ts";
import { runCli } from "../../support/cli.ts";
import { createOldDatabase } from "../../support/py-auth-micro.ts";
import { makeCertificates } from "../../support/servers/certificates.ts";
import { startDatabase } from "../../support/servers/database.ts";
import { Scratch } from "../../support/servers/scratch.ts";
import { parseSelection } from "../../support/servers/selection.ts";
import { isContainer, provideServers } from "../../support/servers/sources.ts";
import { DATABASES } from "../../support/worker.ts";
import { installWithUsers } from "../users/installed.ts";

const IS_MYSQL = parseSelection().database.product === "MySQL";

test("a server that requires TLS is read with the ca_file of the old configuration", {
  skip: isContainer("database") && "a container cannot be configured",
}, async () => {
  const scratch = new Scratch();
  try {
    await provideServers(() => undefined, ["database"]);
    const made = await makeCertificates(scratch, "old", { hosts: ["127.0.0.1"] });
    const own = [`ssl-ca=${made.caFile}`, `ssl-cert=${made.certificateFile}`, `ssl-key=${made.keyFile}`];
    const server = await startDatabase(scratch, { settings: IS_MYSQL ? [] : own });
    await using old = await createOldDatabase("swapped", { server });
    await old.addGroups("dev");
    await old.add({ username: "alice", groups: ["dev"] });
    await old.execute(`alter user '${old.settings.user}'@'%' require ssl`);
    await using here = await installWithUsers(DATABASES.at(0) ?? "mysql");
    // The certificate that MySQL generates has no host name.
    copyFileSync(
      IS_MYSQL ? join(await dataFolder(server), "ca.pem") : made.caFile,
      join(here.folder, "ca.pem"),
    );
    const copy = (more: object) => {
      writeFileSync(
        join(here.folder, "old.json"),
        JSON.stringify({ db_settings: { ...old.settings, ...more } }),
      );
      return runCli(["import-py-auth-micro", "--from", "old.json"], { cwd: here.folder });
    };
    assert.equal((await copy({ ca_file: null })).code, 1);
    const { code, stderr } = await copy({ ca_file: "ca.pem", ...(IS_MYSQL ? { verify_host: false } : {}) });
    assert.equal(code, 0, stderr);
    assert.deepEqual((await here.rows())["alice"]?.["groups"], ["dev"]);
  } finally {
    await scratch.close();
  }
});
