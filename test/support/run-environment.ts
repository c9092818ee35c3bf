/** A variable that `npm test` sets for test files; throws one line that says how to run them. */
export function readRunVariable(name: string): string {
  const value = process.env[name];
  if (value !== undefined) return value;
  const file = process.argv[1]?.replace(`${process.cwd()}/`, "") ?? "test/...";
  Error.stackTraceLimit = 0; // the reader needs the one line, not the way to it
  throw new Error(`This test needs the servers of a test run. Run it with: make test FILES=${file}`);
}
