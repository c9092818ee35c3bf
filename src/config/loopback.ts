const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/;

/** Whether a host name or address is this host's loopback interface. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}
