import { z } from "zod";
import { listFactors } from "../../db/queries/factors.ts";
import { defineProcedure } from "../../rpc/procedure.ts";
import { username } from "../fields.ts";
import { requireAccount } from "../load-account.ts";

const time = z.iso.datetime();

const factor = z.object({
  id: z.string().describe("id of the factor, for `factor_remove`"),
  type: z.enum(["totp", "passkey", "recovery_codes"]).describe("kind of factor"),
  name: z.string().describe("name that the user gave it"),
  created_at: time.describe("time of the enrolment, in UTC"),
  last_use: time.nullable().describe("time of the last login with it, in UTC; null if there was none"),
  remaining: z.int().optional().describe("for recovery codes: number of unused ones"),
});

export const factorAll = defineProcedure({
  name: "factor_all",
  key: "user_workflow_get_factors",
  namespace: "user",
  method: "getFactors",
  description: "Lists the second factors of a user; for the user and admins.",
  access: "self",
  requires: "second_factor",
  errors: ["USER_NOT_FOUND"],
  input: (app) => z.object({ username: username(app).optional().describe("user; by default the caller") }),
  output: z.object({ factors: z.array(factor).describe("the oldest first") }),
  example: {
    request: {},
    reply: {
      factors: [
        {
          id: "5577006791947779410",
          type: "totp",
          name: "phone",
          created_at: "2026-01-15T08:30:00.000Z",
          last_use: "2026-03-01T16:45:12.000Z",
        },
        {
          id: "8674665223082153551",
          type: "recovery_codes",
          name: "recovery codes",
          created_at: "2026-01-15T08:30:00.000Z",
          last_use: null,
          remaining: 10,
        },
      ],
    },
  },
  async handler({ account, db }) {
    const factors = await listFactors(db, requireAccount(account).username);
    return {
      factors: factors.map(({ id, type, name, created_at, last_use, remaining }) => ({
        id: id.toString(),
        type,
        name,
        created_at: created_at.toISOString(),
        last_use: last_use?.toISOString() ?? null,
        ...(type === "recovery_codes" ? { remaining } : {}),
      })),
    };
  },
});
