/** Says why this Node cannot run a worker and what to do; undefined if it can. Node 20 must be able to parse this file. */
export function unsupportedNode(version = process.versions.node): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > 24 || (major === 24 && minor >= 15)) return undefined;
  return `authmq needs Node 24.15 or newer, but this is ${version}: update Node, or install @authmq/client to call a worker`;
}
