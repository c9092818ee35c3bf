import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { dockerAnswers } from "../support/servers/docker.ts";
import { type Scratch, waitUntil } from "../support/servers/scratch.ts";
import { connect } from "amqplib";

const run = promisify(execFile);

/** Whether a Docker engine responds and its client has the compose plugin. */
export async function dockerComposeAnswers(): Promise<boolean> {
  if (!(await dockerAnswers())) return false;
  return run("docker", ["compose", "version"], { timeout: 3_000 }).then(
    () => true,
    () => false,
  );
}

/** Starts the service `rabbitmq` of docker-compose.yml in its own project, which is removed with the scratch folder. */
export async function startComposed(scratch: Scratch): Promise<URL> {
  const project = `authmq-demo-${randomBytes(3).toString("hex")}`;
  const password = randomBytes(12).toString("hex");
  const secrets = scratch.subfolder("secrets");
  writeFileSync(join(secrets, "rabbitmq_password"), password);
  const port = await scratch.freePort();
  const env = {
    ...process.env,
    AUTHMQ_SECRETS: secrets,
    AUTHMQ_AMQP_PORT: String(port),
    AUTHMQ_MANAGEMENT_PORT: String(await scratch.freePort()),
  };
  const compose = ["compose", "--project-name", project, "--file", "docker-compose.yml"];
  scratch.adoptContainer(`${project}-rabbitmq-1`, async () => {
    await run("docker", [...compose, "down", "--volumes", "--timeout", "1"], { env });
  });
  await run("docker", [...compose, "up", "--detach", "--quiet-pull", "rabbitmq"], { env });
  const url = new URL(`amqp://authmq:${password}@127.0.0.1:${port}`);
  await waitUntil("RabbitMQ", async () => {
    await (await connect(url.href, { timeout: 1_000 })).close();
    return true;
  });
  return url;
}
