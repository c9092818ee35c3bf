import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import ts from "typescript";
import { PROCEDURES } from "../../src/procedures/index.ts";

const root = join(import.meta.dirname, "../..");
const { config } = ts.readConfigFile(join(root, "tsconfig.json"), (path) => ts.sys.readFile(path)) as {
  config: { compilerOptions: object };
};
const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
const files = { Auth: "src/create-auth.ts", AuthClient: "src/client/client.ts" };
const program = ts.createProgram(
  Object.values(files).map((file) => join(root, file)),
  options,
);
const checker = program.getTypeChecker();

for (const [name, file] of Object.entries(files)) {
  test(`every method of ${name} and every field has a description that editors show`, () => {
    const auth = exportedType(file, name);
    for (const { namespace, method, description } of PROCEDURES) {
      const { symbol, type } = property(property(auth, namespace).type, method);
      assert.equal(documentationOf(symbol), description);
      const [signature] = type.getCallSignatures();
      assert.ok(signature, `${namespace}.${method} takes no call`);
      const [request] = signature.getParameters();
      assert.ok(request, `${namespace}.${method} takes no request`);
      const inputs = undocumented(checker.getTypeOfSymbol(request));
      const outputs = undocumented(checker.getAwaitedType(signature.getReturnType()));
      assert.deepEqual([inputs, outputs], [[], []], `${namespace}.${method}`);
    }
  });
}

function exportedType(file: string, name: string): ts.Type {
  const source = program.getSourceFile(join(root, file));
  assert.ok(source, file);
  const exports = checker.getExportsOfModule(checker.getSymbolAtLocation(source)!);
  return checker.getDeclaredTypeOfSymbol(exports.find((symbol) => symbol.name === name)!);
}

function property(type: ts.Type, name: string): { symbol: ts.Symbol; type: ts.Type } {
  const symbol = type.getProperty(name);
  assert.ok(symbol, name);
  return { symbol, type: checker.getTypeOfSymbol(symbol) };
}

function documentationOf(symbol: ts.Symbol): string {
  return ts.displayPartsToString(symbol.getDocumentationComment(checker));
}

/** The fields without a description, including nested ones. */
function undocumented(type: ts.Type | undefined): string[] {
  assert.ok(type, "there is no type");
  if (type.isUnion()) return type.types.flatMap((member) => undocumented(member));
  const element = type.getNumberIndexType();
  if (checker.isArrayType(type) && element !== undefined) return undocumented(element);
  if ((type.flags & ts.TypeFlags.Object) === 0) return [];
  return type.getProperties().flatMap((symbol) => {
    const nested = undocumented(checker.getTypeOfSymbol(symbol));
    return documentationOf(symbol) === "" ? [symbol.name, ...nested] : nested;
  });
}
