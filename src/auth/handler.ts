import type { UserRow } from "../db/tables.ts";
import type { StillWanted } from "./lane.ts";

/** One attempt to log in: the name as it was given, and the row that has this name, if there is one. */
export interface LoginAttempt {
  readonly username: string;
  readonly password: string;
  readonly user: UserRow | undefined;
  readonly stillWanted: StillWanted;
}

/** What a login source says; it throws only when it cannot say. */
export type LoginVerdict =
  | { readonly ok: true; readonly rehashed?: Uint8Array }
  | { readonly ok: false; readonly reason: "bad-credentials" };

/** A login source: a handler returns its verdict and throws only when its source cannot give one. */
export type LoginHandler = (attempt: LoginAttempt) => Promise<LoginVerdict>;
