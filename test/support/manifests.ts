import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";

/** The manifests in a file of docs/kubernetes. */
export function manifestsIn(file: string): readonly unknown[] {
  const text = readFileSync(new URL(`../../docs/kubernetes/${file}`, import.meta.url), "utf8");
  const documents = parseAllDocuments(text);
  assert.ok(Array.isArray(documents), `${file} is empty`);
  return documents.map((document) => {
    assert.deepEqual(document.errors, []);
    return document.toJS() as unknown; // toJS() returns any
  });
}

/** The first manifest of a kind; fails if there is none. */
export function findKind<Manifest extends { readonly kind: string }>(
  among: readonly Manifest[],
  kind: string,
): Manifest {
  const manifest = among.find((one) => one.kind === kind);
  assert.ok(manifest !== undefined, kind);
  return manifest;
}
