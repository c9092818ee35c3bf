/** Variables that select a developer's own installation. */
const INSTALLATION = /^(?:AMQP_URL|DATABASE_URL|AUTHMQ_CONFIG|AUTHMQ__.*)$/i;

/** The environment without a developer's own broker, database and settings, which tests must not use. */
export function neutralEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !INSTALLATION.test(name)));
}
