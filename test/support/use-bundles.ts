/** Preloaded by test files and commands: imports of some packages load the bundles that run.ts has made. */
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

/** Packages with many modules, and the names of their bundles. */
export const BUNDLED = new Map([
  ["kysely", "kysely"],
  ["kysely/migration", "kysely-migration"],
  ["zod", "zod"],
  ["jose", "jose"],
]);

const folder = process.env["AUTHMQ_TEST_BUNDLES"];
if (folder !== undefined) {
  registerHooks({
    resolve(specifier, context, next) {
      const name = BUNDLED.get(specifier);
      if (name === undefined) return next(specifier, context);
      return { url: pathToFileURL(`${folder}/${name}.js`).href, format: "module", shortCircuit: true };
    },
  });
}
