import type { Attack } from "../attack.ts";
import { accessTokens } from "./access-tokens.ts";
import { addresses } from "./addresses.ts";
import { apiKeys } from "./api-keys.ts";
import { controls } from "./controls.ts";
import { databaseRows } from "./database-rows.ts";
import { factorRights } from "./factor-rights.ts";
import { forgedAlgorithms } from "./forged-algorithms.ts";
import { forgedClaims } from "./forged-claims.ts";
import { forgedHeaders } from "./forged-headers.ts";
import { forgedSpellings } from "./forged-spellings.ts";
import { guesses } from "./guesses.ts";
import { introspection } from "./introspection.ts";
import { jsonBodies } from "./json-bodies.ts";
import { lastAdministrator } from "./last-administrator.ts";
import { massAssignment } from "./mass-assignment.ts";
import { messages } from "./messages.ts";
import { names } from "./names.ts";
import { otherIssuers } from "./other-issuers.ts";
import { passwords } from "./passwords.ts";
import { replays } from "./replays.ts";
import { secondFactors } from "./second-factors.ts";
import { sessions } from "./sessions.ts";
import { signingKey } from "./signing-key.ts";
import { stolenIdTokens } from "./stolen-id-tokens.ts";
import { unicodeNames } from "./unicode-names.ts";
import { wrongTypes } from "./wrong-types.ts";

/** Every attack, and first what must be accepted for the attacks to prove anything. */
export const ATTACKS: readonly Attack[] = [
  ...controls,
  ...accessTokens,
  ...addresses,
  ...apiKeys,
  ...databaseRows,
  ...factorRights,
  ...forgedAlgorithms,
  ...forgedClaims,
  ...forgedHeaders,
  ...forgedSpellings,
  ...guesses,
  ...introspection,
  ...jsonBodies,
  ...lastAdministrator,
  ...massAssignment,
  ...messages,
  ...names,
  ...otherIssuers,
  ...passwords,
  ...replays,
  ...secondFactors,
  ...sessions,
  ...signingKey,
  ...stolenIdTokens,
  ...unicodeNames,
  ...wrongTypes,
];
