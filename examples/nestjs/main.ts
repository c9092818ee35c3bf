/**
 * A Nest microservice whose handlers require an access token:
 * npm install @nestjs/common @nestjs/core @nestjs/microservices amqplib amqp-connection-manager @authmq/client
 */
import "reflect-metadata";
import type { VerifiedToken } from "@authmq/client";
import { Controller, Module, UseFilters, UseGuards } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { MessagePattern, Payload, Transport } from "@nestjs/microservices";
import { AccessTokenGuard, Caller, Groups } from "./access-token.guard.ts";
import { AuthClientRMQ } from "./auth-client-rmq.ts";
import { AuthErrorFilter } from "./auth-error.filter.ts";
import { AMQP_URL, AuthModule, AuthService } from "./auth.module.ts";

const QUEUE = "reports";

@Controller()
@UseFilters(AuthErrorFilter)
class ReportsController {
  constructor(
    private readonly auth: AuthService,
    private readonly rmq: AuthClientRMQ,
  ) {}

  @MessagePattern("report")
  @UseGuards(AccessTokenGuard)
  @Groups(["reporters", "admin"])
  report(@Caller() { user }: VerifiedToken, @Payload() { title }: { readonly title: string }): string {
    return `${title}, for ${user}`;
  }

  /** With authmq's client: types, retries, and a session of this service, whose account is in no group. */
  @MessagePattern("user")
  @UseGuards(AccessTokenGuard)
  async user(@Payload() { username }: { readonly username: string }): Promise<unknown> {
    return this.auth.client.user.get({ username, access_token: await this.auth.accessToken() });
  }

  /** With Nest's ClientRMQ: the pattern is the name of the queue. */
  @MessagePattern("sign_in")
  signIn(@Payload() credentials: { readonly username: string; readonly password: string }) {
    return this.rmq.send("login", credentials);
  }
}

@Module({
  imports: [AuthModule],
  controllers: [ReportsController],
  providers: [{ provide: AuthClientRMQ, useFactory: () => new AuthClientRMQ({ urls: [AMQP_URL] }) }],
})
class AppModule {}

async function bootstrap(): Promise<void> {
  const app = await NestFactory.createMicroservice(AppModule, {
    transport: Transport.RMQ,
    options: { urls: [AMQP_URL], queue: QUEUE, prefetchCount: 16 },
  });
  app.enableShutdownHooks();
  await app.listen();
  console.log("waiting for messages");
}

void bootstrap();
