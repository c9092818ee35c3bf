import type { Faults } from "./fault.ts";
import type { Parts } from "./parts.ts";
import type { AppConfig } from "./schema.ts";

/** A domain as URLs have it: in lower case, and in ASCII. The last label of a domain is no number, unlike in IPv4. */
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

const SECTION = "app_config.passkeys";

/**
 * Checks what browsers require of a relying party (WebAuthn Level 3, sections 5.1.2 and 13.4.9), so that a mistake is
 * found before users enrol passkeys; adds errors to `faults`.
 */
export function checkPasskeys(
  { rp_id: domain, origins = [] }: Parts<NonNullable<AppConfig["passkeys"]>>,
  faults: Faults,
): void {
  const isDomain = domain !== undefined && DOMAIN.test(domain);
  if (domain !== undefined && !isDomain)
    faults.push({
      path: `${SECTION}.rp_id`,
      msg:
        "must be a domain without scheme, port and path, in lower case and ASCII, for example example.com; " +
        "or localhost",
    });
  for (const [index, origin] of origins.entries()) {
    if (origin === undefined) continue;
    const path = `${SECTION}.origins.${index}`;
    const host = hostOf(origin);
    if (host === undefined)
      faults.push({
        path,
        msg:
          "must be an https origin without path or slash at its end, in lower case, for example " +
          "https://login.example.com; or http://localhost, with a port if needed",
      });
    else if (isDomain && host !== domain && !isBelow(host, domain))
      faults.push({
        path,
        msg: `must have the host ${SECTION}.rp_id or a subdomain of it: browsers reject passkeys of another domain`,
      });
  }
}

/** The host of an origin that may use passkeys, exactly as browsers write it; undefined for any other text. */
function hostOf(text: string): string | undefined {
  const url = URL.parse(text);
  if (url?.origin !== text) return undefined;
  return url.protocol === "https:" || (url.protocol === "http:" && url.hostname === "localhost")
    ? url.hostname
    : undefined;
}

/** No host is below a domain of one label: `com` is nobody's, and `localhost` is one host. */
function isBelow(host: string, domain: string): boolean {
  return domain.includes(".") && host.endsWith(`.${domain}`);
}
