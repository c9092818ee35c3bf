/**
 * Ends this process while one of its threads hangs in a file operation, which Node would wait for at exit. Replaces the
 * process by one that exits with this code, because SIGKILL would lose the code.
 */
export function endNow(code: number): never {
  process.execve?.(process.execPath, [process.execPath, "--eval", `process.exit(${code})`], {});
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable");
}
