import { attack, type Attack } from "../attack.ts";
import { ok } from "../envelopes.ts";
import { assemble, claimsWith } from "../forge.ts";
import { INSTALLATIONS, SIGNER } from "../fixture.ts";

/**
 * No attacks: the tokens that the others falsify, unchanged. They are accepted, so a falsified one is rejected for
 * what is wrong with it, and not for its session, its key or its audience.
 */
export const controls: Attack[] = INSTALLATIONS.flatMap((installation) => [
  attack(
    `a token of the signing key without a fault is accepted (${installation})`,
    "user_all",
    ({ signedAccess }) => ({
      request: { access_token: signedAccess(), q: SIGNER },
      reply: ok({ users: [SIGNER] }),
    }),
    installation,
  ),
  attack(
    `a token of the signing key with one more claim is accepted (${installation})`,
    "user_all",
    ({ own, ownClaims }) => {
      const payload = claimsWith(ownClaims(), '"x":{"y":1}');
      const access_token = assemble(`{"alg":"${own.alg}","typ":"at+jwt"}`, payload, own.sign);
      return { request: { access_token, q: SIGNER }, reply: ok({ users: [SIGNER] }) };
    },
    installation,
  ),
  attack(
    `a token of the signing key for a session of the administrator is accepted (${installation})`,
    "group_user",
    async ({ sessionOf, signedAccess }) => ({
      request: { groupname: "admin", access_token: signedAccess(await sessionOf("root")), q: "root" },
      reply: ok({ users: ["root"] }),
    }),
    installation,
  ),
  attack(
    `an introspection of a token of the signing key without a fault (${installation})`,
    "introspect",
    ({ ownClaims, signedAccess }) => {
      const claims = ownClaims();
      const { user, ...described } = claims;
      return {
        request: { token: signedAccess(claims) },
        reply: ok({ active: true, typ: "at+jwt", token_type: "Bearer", username: user, ...described }),
      };
    },
    installation,
  ),
]);
