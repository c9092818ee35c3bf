/** `app_config.login_throttle` for tests with many failed logins that do not test the throttle. */
export const UNTHROTTLED = { free_failures: 1e6, free_failures_per_account: 1e6, max_failures: 1e6 };
