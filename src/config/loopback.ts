const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|::1)$/;

/** Whether what is sent to a host stays on this one. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}
