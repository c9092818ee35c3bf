/** A Nest module with authmq's own client and verifier: npm install ./authmq-client-*.tgz */
import { readFileSync } from "node:fs";
import { type AuthClient, connect, createSession, createVerifier, type Session } from "@authmq/client";
import { Global, Injectable, Module, type OnModuleDestroy, type OnModuleInit } from "@nestjs/common";
import { AccessTokenGuard, VERIFIER } from "./access-token.guard.ts";

export const AMQP_URL = process.env["AMQP_URL"] ?? "amqp://guest:guest@127.0.0.1:5672/%2F";

/** Calls authmq. `accessToken()` returns a fresh access token of this service, for its API key. */
@Injectable()
export class AuthService implements OnModuleInit, OnModuleDestroy {
  #client: AuthClient | undefined;
  #session: Session | undefined;

  /** Connects before the application starts; the start fails if the broker refuses or is away for ten seconds. */
  async onModuleInit(): Promise<void> {
    this.#client = await connect({ url: AMQP_URL });
    this.#session = createSession(this.#client, {
      apiKey: () => readFileSync(process.env["API_KEY_FILE"] ?? "reports.key", "utf8").trimEnd(),
    });
  }

  /** Closes the connection; call `app.enableShutdownHooks()` for signals. */
  async onModuleDestroy(): Promise<void> {
    await this.#session?.close();
    await this.#client?.close();
  }

  get client(): AuthClient {
    if (this.#client === undefined) throw new Error("the module has not started");
    return this.#client;
  }

  async accessToken(): Promise<string> {
    if (this.#session === undefined) throw new Error("the module has not started");
    return this.#session.accessToken();
  }
}

const verifier = {
  provide: VERIFIER,
  useFactory: () =>
    createVerifier({
      issuer: process.env["ISSUER"] ?? "authmq",
      keys: readFileSync(process.env["PUBLIC_KEY"] ?? "signing-key.pub.pem", "utf8"),
    }),
};

@Global()
@Module({
  providers: [AuthService, AccessTokenGuard, verifier],
  exports: [AuthService, AccessTokenGuard, verifier],
})
export class AuthModule {}
