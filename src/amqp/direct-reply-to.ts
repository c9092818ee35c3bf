const PREFIX = "amq.rabbitmq.reply-to.";

/** Tags of Erlang's external term format: a pid (old, new) and an atom with a length of two bytes or one. */
const VERSION = 131;
const PID = { old: 103, new: 88 };
const ATOM = { latin: 100, latinSmall: 115, utf8: 118, utf8Small: 119 };

/**
 * Whether a reply can be published to this address without harm to the connection. RabbitMQ up to 3.x decodes a direct
 * reply-to address as an Erlang pid and ends the whole connection when that fails, so what does not look like one is
 * kept apart.
 */
export function isSafeReplyTo(replyTo: string): boolean {
  if (!replyTo.startsWith("amq.rabbitmq.reply-to")) return true;
  const [pid, key, ...rest] = replyTo.slice(PREFIX.length).split(".");
  if (!replyTo.startsWith(PREFIX) || pid === undefined || key === undefined || rest.length > 0 || key === "")
    return false;
  const bytes = Buffer.from(pid, "base64");
  return bytes.toString("base64") === pid && isPid(bytes);
}

/** `<<131, Pid, Atom, Id:32, Serial:32, Creation:8 or 32>>` (erlang.org/doc/apps/erts/erl_ext_dist). */
function isPid(bytes: Buffer): boolean {
  const [version, tag, atom] = bytes;
  if (version !== VERSION || (tag !== PID.old && tag !== PID.new)) return false;
  const tail = 8 + (tag === PID.new ? 4 : 1);
  switch (atom) {
    case ATOM.latinSmall:
    case ATOM.utf8Small:
      return bytes.length >= 4 && bytes.length === 4 + bytes.readUInt8(3) + tail;
    case ATOM.latin:
    case ATOM.utf8:
      return bytes.length >= 5 && bytes.length === 5 + bytes.readUInt16BE(3) + tail;
    default:
      return false;
  }
}
