import type { RecordedEvent } from "../db/queries/events.ts";
import type { EventType, TokenPurpose } from "../db/tables.ts";
import type { Fingerprints } from "../tokens/fingerprint.ts";
import { deriveOneTimeToken } from "../tokens/one-time.ts";
import type { EventSink } from "./relay.ts";

/** A published event: a CloudEvent in structured mode, as JSON. */
interface CloudEvent {
  readonly specversion: "1.0";
  readonly id: string;
  /** The issuer of this installation's tokens. */
  readonly source: string;
  readonly type: EventType;
  /** The username of the affected account, if any. */
  readonly subject?: string;
  readonly time: string;
  readonly datacontenttype: "application/json";
  /** The event's position in the order of all events (CloudEvents extension "sequence"); compare as strings. */
  readonly sequence: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Its media type (CloudEvents AMQP binding, section 3.2). */
const CLOUD_EVENT_TYPE = "application/cloudevents+json; charset=utf-8";

/** Events that contain a one-time token, with the field and the purpose. */
const TOKENS: Partial<Record<EventType, readonly [field: string, purpose: TokenPurpose]>> = {
  "password.reset_requested": ["reset_token", "password_reset"],
  "user.verification_requested": ["verify_token", "email_verification"],
};

/** The number of digits of the greatest sequence number. */
const SEQUENCE_DIGITS = 19;

/** Publishes messages; `EventPublisher` implements it. */
export interface MessageSink {
  readonly fault: string | undefined;
  publish(message: {
    readonly id: string;
    readonly routingKey: string;
    readonly contentType: string;
    readonly content: Buffer;
  }): Promise<boolean>;
}

/** Publishes events as CloudEvents, with the event type as the routing key. */
export function cloudEventSink(sink: MessageSink, source: string, fingerprints: Fingerprints): EventSink {
  return {
    get fault() {
      return sink.fault;
    },
    publish: (event) =>
      sink.publish({
        id: event.id,
        routingKey: event.type,
        contentType: CLOUD_EVENT_TYPE,
        content: Buffer.from(JSON.stringify(toCloudEvent(event, source, fingerprints))),
      }),
  };
}

function toCloudEvent(event: RecordedEvent, source: string, fingerprints: Fingerprints): CloudEvent {
  const { id, type, username, actor, seq, time, data } = event;
  const [field, purpose] = TOKENS[type] ?? [];
  const token =
    field === undefined || purpose === undefined
      ? {}
      : { [field]: deriveOneTimeToken(fingerprints, purpose, id) };
  return {
    specversion: "1.0",
    id,
    source: encodeURI(source),
    type,
    ...(username === null ? {} : { subject: username }),
    time: time.toISOString(),
    datacontenttype: "application/json",
    sequence: String(seq).padStart(SEQUENCE_DIGITS, "0"),
    data: {
      ...(username === null ? {} : { username }),
      ...(actor === null ? {} : { actor }),
      ...data,
      ...token,
    },
  };
}
