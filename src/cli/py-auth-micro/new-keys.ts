import { randomBytes } from "node:crypto";
import { z } from "zod";
import { BadSetting } from "../../config/fault.ts";
import { isSymmetric, readSigningKey, readVerificationKey } from "../../config/keys.ts";
import { issuerSchema, jwtCreation, type SecretSetting, type SignMethod } from "../../config/sections/jwt.ts";
import type { Notes } from "./notes.ts";

type Settings = Readonly<Record<string, unknown>>;

const creation = jwtCreation.pick({ issuer: true, signmethod: true, secret: true }).required();
/** Without the check of the methods: py_auth_micro lists some that its key does not fit. */
const issuer = issuerSchema.pick({ name: true, secret: true }).extend({ methods: z.array(z.string()) });

/**
 * The sections `jwt_creation` and `jwt_validation` for authmq. Sections that are not valid stay as they are: the check of
 * the whole configuration describes their faults.
 */
export function newKeys(
  { jwt_creation: given, jwt_validation: trusted }: Settings,
  folder: string,
  notes: Notes,
): Settings {
  const { data: own } = creation.safeParse(given);
  const secret = own && newSecret(own.secret, own.signmethod, folder, notes);
  const issuers = Array.isArray(trusted)
    ? trusted.flatMap((entry: unknown, index) => newIssuer(entry, index, { own: own?.issuer, folder, notes }))
    : trusted;
  return {
    ...(given === undefined
      ? {}
      : { jwt_creation: secret === undefined ? given : { ...own, ...asObject(given), secret } }),
    ...(issuers === undefined ? {} : { jwt_validation: issuers }),
  };
}

/** A secret of the right length if the old one is too short. It is text, because py_auth_micro reads text only. */
function newSecret(
  secret: SecretSetting,
  method: SignMethod,
  folder: string,
  notes: Notes,
): SecretSetting | undefined {
  if (!isSymmetric(method)) return undefined;
  try {
    readSigningKey(secret, method, folder);
    return undefined;
  } catch (error) {
    const [, length] = error instanceof BadSetting ? (/^has (\d+) bytes/.exec(error.message) ?? []) : [];
    if (length === undefined) return undefined;
    const needed = Number(method.slice(2)) / 8;
    notes.decide(
      "jwt_creation.secret",
      `had ${length} bytes, and ${method} needs ${needed}; now a new secret. Services that verify with the old one ` +
        "reject the new tokens: give them the new one first",
    );
    return { type: "plain", value: randomBytes(needed).toString("base64url") };
  }
}

interface Context {
  readonly own: string | undefined;
  readonly folder: string;
  readonly notes: Notes;
}

/** The entry of an issuer with the methods that its key fits; none if there are none, or if it is authmq itself. */
function newIssuer(entry: unknown, index: number, { own, folder, notes }: Context): unknown[] {
  const { data } = issuer.safeParse(entry);
  if (data === undefined) return [entry];
  const path = `jwt_validation.${index}`;
  if (data.name === own) {
    notes.change(
      path,
      `removed: authmq accepts the tokens of its own issuer (${data.name}) without an entry`,
    );
    return [];
  }
  const faults: string[] = [];
  const fitting = data.methods.filter((method) => {
    try {
      // The schema of the section rejects methods that do not exist.
      readVerificationKey(data.secret, [method as SignMethod], folder);
      return true;
    } catch (error) {
      if (!(error instanceof BadSetting)) throw error;
      faults.push(error.message);
      return false;
    }
  });
  if (fitting.length === data.methods.length) return [entry];
  if (fitting.length > 0) {
    notes.change(
      `${path}.methods`,
      `now ${fitting.join(", ")}: the key of ${data.name} does not fit the others`,
    );
    return [{ ...asObject(entry), methods: fitting }];
  }
  notes.decide(
    path,
    `removed: the key of ${data.name} ${faults[0] ?? "has no method"}. Its tokens are not accepted until you add it with another key`,
  );
  return [];
}

function asObject(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {};
}
