/** Reads a variable that `npm test` sets for test files; throws a one-line error that says how to run them. */
export function readRunVariable(name: string): string {
  const value = process.env[name];
  if (value !== undefined) return value;
  const file = process.argv[1]?.replace(`${process.cwd()}/`, "") ?? "test/...";
  Error.stackTraceLimit = 0; // show only the message
  throw new Error(`This test needs the servers of a test run. Run it with: make test FILES=${file}`);
}
