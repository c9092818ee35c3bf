/** `app_config.login_throttle` for tests in which many logins fail, and which are about something else. */
export const UNTHROTTLED = { free_failures: 1e6, free_failures_per_account: 1e6, max_failures: 1e6 };
