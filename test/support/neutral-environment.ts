/** Variables that point authmq at somebody's own installation. */
const INSTALLATION = /^(?:AMQP_URL|DATABASE_URL|AUTHMQ_CONFIG|AUTHMQ__.*)$/i;

/** An environment without the developer's own broker, database and settings: no test may use them. */
export function neutralEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !INSTALLATION.test(name)));
}
