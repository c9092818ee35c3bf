/** The variable of the process with this name; undefined where it is not set. */
export function readVariable(name: string): string | undefined {
  return process.env[name];
}

/** Sets a variable of this process for a library that reads it there; undefined removes it. */
export function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) Reflect.deleteProperty(process.env, name);
  else process.env[name] = value;
}

/** The variables of the process whose names match, for a child process that is to inherit no others. */
export function variablesLike(names: RegExp): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => names.test(name)));
}

/** How many threads libuv's pool has: what the process was started with, or what the command line has set. */
export function threadPoolSize(): number {
  return Number(process.env["UV_THREADPOOL_SIZE"]) || 4;
}
