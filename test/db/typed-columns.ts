import { fileURLToPath } from "node:url";
import ts from "typescript";

/** Every `table.column` of src/db/tables.ts, and whether its row type includes null. */
export function typedColumns(): Record<string, "null" | "not null"> {
  const file = fileURLToPath(new URL("../../src/db/tables.ts", import.meta.url));
  const program = ts.createProgram([file], {
    strict: true,
    target: ts.ScriptTarget.ES2024,
    module: ts.ModuleKind.NodeNext,
    types: [],
  });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const tables = source?.statements.find(
    (statement) => ts.isInterfaceDeclaration(statement) && statement.name.text === "Tables",
  );
  if (tables === undefined) throw new Error("src/db/tables.ts has no interface Tables");
  const membersOf = (type: ts.Type): [string, ts.Type][] =>
    type.getProperties().map((member) => [member.name, checker.getTypeOfSymbol(member)]);
  // The type that Kysely's ColumnType gives to a selected column.
  const readAs = (type: ts.Type): ts.Type => {
    const read = type.getProperty("__select__");
    return read === undefined ? type : checker.getTypeOfSymbol(read);
  };
  const mayBeNull = (type: ts.Type): boolean =>
    type.isUnion() && type.types.some(({ flags }) => (flags & ts.TypeFlags.Null) !== 0);
  return Object.fromEntries(
    membersOf(checker.getTypeAtLocation(tables)).flatMap(([table, row]) =>
      membersOf(row).map(([column, type]) => [
        `${table}.${column}`,
        mayBeNull(readAs(type)) ? "null" : "not null",
      ]),
    ),
  );
}
