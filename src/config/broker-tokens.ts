import type { BrokerTokenConfig } from "./broker-scopes.ts";
import type { Faults } from "./fault.ts";
import type { SigningConfig } from "./issuers.ts";
import { isSymmetric } from "./keys.ts";
import type { Section } from "./section.ts";

/** Reads `broker_settings`, with defaults and checks from other sections; adds errors to `faults`. */
export function readBrokerTokens(
  { parts, whole }: Section<"broker_settings">,
  { parts: app = {}, whole: wholeApp }: Section<"app_config">,
  signing: SigningConfig | undefined,
  faults: Faults,
): BrokerTokenConfig | undefined {
  if (parts === undefined) return undefined;
  // Retiring keys sign no tokens.
  const signers = signing && [signing, ...signing.reserve.filter(({ until }) => until === undefined)];
  const shared = signers?.find(({ method }) => isSymmetric(method));
  if (shared !== undefined)
    faults.push({
      path: "broker_settings",
      msg:
        `cannot be used with ${shared.method}: the broker could forge tokens with the shared secret. ` +
        'Change the algorithm: "authmq keys rotate --alg EdDSA"',
    });
  const vhosts = faults.has("broker_settings.vhosts")
    ? (parts.vhosts ?? [])
    : (parts.vhosts ?? app.vhosts ?? [app.default_vhost]);
  for (const vhost of vhosts) {
    if (vhost === undefined) continue;
    if (app.vhosts?.includes(vhost) === false && !faults.has("app_config.vhosts"))
      faults.push({
        path: "broker_settings.vhosts",
        msg: "has a vhost that app_config.vhosts lacks: add it there",
      });
    if (!vhost.isWellFormed())
      faults.push({ path: "broker_settings.vhosts", msg: "must be well-formed Unicode" });
  }
  if (whole === undefined || wholeApp === undefined) return undefined;
  return {
    resourceServerId: whole.resource_server_id,
    scopes: new Map(Object.entries(whole.scopes)),
    vhosts: whole.vhosts ?? wholeApp.vhosts ?? [wholeApp.default_vhost],
    lifetime: (whole.token_valid_time ?? wholeApp.access_token_valid_time) * 60,
  };
}
