import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { newFolder } from "./support/cli.ts";

const checkout = resolve(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(checkout, path), "utf8");

interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
}

interface Bom {
  readonly bomFormat: string;
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly version: string; readonly dev?: boolean; readonly link?: boolean }>
  >;
}

interface Stage {
  readonly name: string | undefined;
  readonly from: string;
  readonly lines: readonly string[];
}

test("the SBOM lists the production packages, from the lock file alone and without a network", () => {
  const folder = newFolder();
  for (const file of ["package.json", "package-lock.json"])
    copyFileSync(join(checkout, file), join(folder, file));
  const env = {
    PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    HOME: folder,
    npm_config_registry: "http://127.0.0.1:1/",
  };
  const script = join(checkout, "test/support/sbom.ts");
  const output = execFileSync(process.execPath, [script], { cwd: folder, env, encoding: "utf8" });
  const { bomFormat, metadata, components, dependencies } = JSON.parse(
    readFileSync(join(folder, "sbom.cdx.json"), "utf8"),
  ) as Bom;
  assert.equal(output, `sbom.cdx.json: ${components.length} components\n`);
  const { version } = JSON.parse(read("package.json")) as { version: string };
  const { component } = metadata;
  assert.deepEqual([bomFormat, component.name, component.version], ["CycloneDX", "authmq", version]);
  const { packages } = JSON.parse(read("package-lock.json")) as Lock;
  const production = Object.entries(packages).filter(
    ([path, entry]) => path !== "" && entry.dev !== true && entry.link !== true,
  );
  const expected = production.map(([path, entry]) => {
    return `pkg:npm/${path.slice(path.lastIndexOf("node_modules/") + 13).replace("@", "%40")}@${entry.version}`;
  });
  assert.deepEqual(components.map(({ purl }) => purl).toSorted(), expected.toSorted());
  const refs = [component, ...components].map((one) => one["bom-ref"]);
  assert.deepEqual(dependencies.map(({ ref }) => ref).toSorted(), refs.toSorted());
  for (const { dependsOn } of dependencies) for (const ref of dependsOn) assert.ok(refs.includes(ref), ref);
});

test("the image runs without root, and contains only production packages and compiled code", () => {
  const stages = stagesOf(read("Dockerfile"));
  const { lines } = stageOf(stages, "runtime");
  assert.deepEqual(
    lines.filter((line) => line.startsWith("USER ")),
    ["USER node"],
  );
  const command = lines.findIndex((line) => /^(CMD|ENTRYPOINT) /.test(line));
  assert.ok(lines.indexOf("USER node") < command, lines.join("\n"));
  assert.ok(lines.includes("ENV NODE_ENV=production"), lines.join("\n"));
  assert.deepEqual(copiesIn(lines), [
    "COPY --from=packages /authmq/node_modules node_modules",
    "COPY --from=build /authmq/dist dist",
    "COPY package.json LICENSE ./",
  ]);
  const installs = stageOf(stages, "packages").lines.filter((line) => /^RUN .*npm /.test(line));
  assert.deepEqual(installs, ["RUN npm ci --omit=dev --no-audit --no-fund"]);
  // Docker builds the last stage, unless a build names another one.
  assert.deepEqual(stages.at(-1), { name: undefined, from: "runtime", lines: [] });
});

test("the image with Kerberos adds kinit and the compiled package, and no build tool", () => {
  const stages = stagesOf(read("Dockerfile"));
  const { from, lines } = stageOf(stages, "kerberos");
  assert.equal(from, "runtime");
  assert.deepEqual(copiesIn(lines), ["COPY --from=kerberos-packages /kerberos/node_modules /node_modules"]);
  assert.equal(lines.at(-1), "USER node");
  const installed = lines.flatMap((line) => /--no-install-recommends (.*?) +&&/.exec(line)?.[1] ?? []);
  assert.deepEqual(installed, ["krb5-user"]);
  const build = stageOf(stages, "kerberos-packages").lines.join("\n");
  const { peerDependencies } = JSON.parse(read("package.json")) as {
    peerDependencies: { kerberos: string };
  };
  const [, version = ""] = /--ignore-scripts .* kerberos@(\d+\.\d+\.\d+) /.exec(build) ?? [];
  const [major = ""] = version.split(".");
  assert.equal(peerDependencies.kerberos, `^${major}.0.0`, "an exact version in the range of the peer");
});

test("the image has what npm needs to read the lock file: the folders that it links", () => {
  const { packages } = JSON.parse(read("package-lock.json")) as {
    packages: Record<string, { link?: boolean; resolved?: string }>;
  };
  const linked = Object.values(packages).flatMap((entry) =>
    entry.link === true ? (entry.resolved ?? "") : [],
  );
  assert.deepEqual(linked.toSorted(), [".ci/node", "src/client"]);
  for (const name of ["build", "packages"]) {
    const { lines } = stageOf(stagesOf(read("Dockerfile")), name);
    const before = lines.slice(
      0,
      lines.findIndex((line) => line.includes("npm ci")),
    );
    for (const copy of ["COPY .ci .ci", "COPY src/client/package.json src/client/package.json"])
      assert.ok(before.includes(copy), `${name}: ${copy}`);
  }
});

test("no secret of a checkout can get into the image, and the build needs none", () => {
  const [first, ...allowed] = read(".dockerignore")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  assert.equal(first, "*", "only listed files are sent");
  assert.deepEqual(allowed.toSorted(), [
    "!.ci",
    "!LICENSE",
    "!package-lock.json",
    "!package.json",
    "!src",
    "!tsconfig.json",
  ]);
  const lines = stagesOf(read("Dockerfile")).flatMap((stage) => stage.lines);
  for (const line of lines) {
    assert.doesNotMatch(line, /^ARG |--mount=type=secret|--secret/);
    assert.doesNotMatch(line, /password|secret|token|\.pem|\.key\b|\bconfig\.json/i);
  }
});

/** The stages of a Dockerfile, each with its instructions. */
function stagesOf(dockerfile: string): Stage[] {
  const lines = dockerfile
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const stages: (Stage & { lines: string[] })[] = [];
  for (const line of lines) {
    const [, from, name] = /^FROM (\S+)(?: AS (\S+))?$/i.exec(line) ?? [];
    if (from !== undefined) stages.push({ name, from, lines: [] });
    else stages.at(-1)?.lines.push(line);
  }
  return stages;
}

function stageOf(stages: readonly Stage[], name: string): Stage {
  const stage = stages.find((one) => one.name === name);
  assert.ok(stage !== undefined, name);
  return stage;
}

function copiesIn(lines: readonly string[]): string[] {
  return lines.filter((line) => /^(COPY|ADD) /.test(line));
}
