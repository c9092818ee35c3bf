/** The environment variable with this name; undefined if it is not set. */
export function readVariable(name: string): string | undefined {
  return process.env[name];
}

/** Sets an environment variable for a library that reads it; undefined removes it. */
export function setVariable(name: string, value: string | undefined): void {
  if (value === undefined) Reflect.deleteProperty(process.env, name);
  else process.env[name] = value;
}

/** The environment variables whose names match, for a child process that must inherit no others. */
export function variablesLike(names: RegExp): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => names.test(name)));
}

/** The size of libuv's thread pool. */
export function threadPoolSize(): number {
  return Number(process.env["UV_THREADPOOL_SIZE"]) || 4;
}
