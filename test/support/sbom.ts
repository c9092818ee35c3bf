/**
 * Writes sbom.cdx.json (CycloneDX) of production packages to the current folder, from its package-lock.json alone.
 * `npm sbom --omit dev` cannot do it: it also omits packages that both the product and its tools use, such as zod.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";

const FILE = "sbom.cdx.json";
const DEVELOPMENT = "cdx:npm:package:development";

const component = z.looseObject({
  "bom-ref": z.string(),
  name: z.string(),
  properties: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
});

const bomSchema = z.looseObject({
  metadata: z.looseObject({ component }),
  components: z.array(component),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()).default([]) })),
});

const lockSchema = z.object({
  packages: z.record(
    z.string(),
    z.object({
      version: z.string().optional(),
      dev: z.boolean().default(false),
      link: z.boolean().default(false),
    }),
  ),
});

const { name } = z.object({ name: z.string() }).parse(JSON.parse(readFileSync("package.json", "utf8")));
const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only", "--offline"];
const { metadata, components, dependencies, ...rest } = bomSchema.parse(
  JSON.parse(execFileSync("npm", args, { encoding: "utf8", maxBuffer: 64 * 2 ** 20 })),
);
// npm lists a version once: if a tool needs the same one, npm says that only development does.
const { packages } = lockSchema.parse(JSON.parse(readFileSync("package-lock.json", "utf8")));
const production = new Set(
  Object.entries(packages)
    .filter(([path, { dev, link }]) => path !== "" && !dev && !link)
    .map(([path, { version }]) => `${path.slice(path.lastIndexOf("node_modules/") + 13)}@${version}`),
);
const kept = components
  .filter((one) => production.has(one["bom-ref"]))
  .map((one) => ({ ...one, properties: one.properties.filter((given) => given.name !== DEVELOPMENT) }));
const refs = new Set([metadata.component["bom-ref"], ...kept.map((one) => one["bom-ref"])]);
const bom = {
  ...rest,
  // npm would name the product after its folder.
  metadata: { ...metadata, component: { ...metadata.component, name } },
  components: kept,
  dependencies: dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) })),
};
writeFileSync(FILE, `${JSON.stringify(bom, null, 2)}\n`);
process.stdout.write(`${FILE}: ${kept.length} components\n`);
