/** A guard that verifies access tokens, offline; for handlers of RabbitMQ messages and of HTTP requests. */
import { TokenError, type VerifiedToken, type Verifier } from "@authmq/client";
import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  HttpException,
  Inject,
  Injectable,
} from "@nestjs/common";
import { Reflector } from "@nestjs/core";
import { type RmqContext, RpcException } from "@nestjs/microservices";
import type { Message } from "amqplib";

/** The provider's name. */
export const VERIFIER = Symbol("the verifier of access tokens");

/** The caller must be in one of these groups: `@Groups(["reporters", "admin"])`. */
export const Groups = Reflector.createDecorator<string[]>();

/** The tokens of accepted messages and requests. */
const accepted = new WeakMap<object, VerifiedToken>();

/** The verified token as a parameter of a guarded handler: `report(@Caller() { user }: VerifiedToken)`. */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) =>
  accepted.get(requestOf(context)),
);

@Injectable()
export class AccessTokenGuard implements CanActivate {
  constructor(
    @Inject(VERIFIER) private readonly verifier: Verifier,
    private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const anyOf = this.reflector.getAllAndOverride(Groups, [context.getHandler(), context.getClass()]);
    const token = tokenOf(context);
    try {
      accepted.set(requestOf(context), await this.verifier.verify(token, { groups: { anyOf } }));
      return true;
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      const { code, message, respCode } = error;
      if (!isHttp(context)) throw new RpcException({ code, respCode, message });
      // RFC 6750 section 3: a request without a token gets no error code, only the challenge.
      const reason = code === "FORBIDDEN" ? "insufficient_scope" : "invalid_token";
      const challenge = token === undefined ? "Bearer" : `Bearer error="${reason}"`;
      const response = context.switchToHttp().getResponse<{ setHeader(name: string, value: string): void }>();
      response.setHeader("www-authenticate", challenge);
      throw new HttpException({ error: code, msg: message }, respCode);
    }
  }
}

function isHttp(context: ExecutionContext): boolean {
  return context.getType() === "http";
}

function requestOf(context: ExecutionContext): object {
  if (isHttp(context)) return context.switchToHttp().getRequest<object>();
  return context.switchToRpc().getContext<RmqContext>().getMessage();
}

function tokenOf(context: ExecutionContext): string | undefined {
  if (isHttp(context)) {
    const { headers } = context.switchToHttp().getRequest<{ headers: { authorization?: string } }>();
    return /^Bearer +(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  }
  // Senders may set any header value; only a string can be a token.
  const { properties } = context.switchToRpc().getContext<RmqContext>().getMessage() as Message;
  const token: unknown = properties.headers?.["access_token"];
  return typeof token === "string" ? token : undefined;
}
