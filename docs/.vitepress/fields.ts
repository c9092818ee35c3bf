import { type Shape, typeOf } from "../generate/settings.ts";

/** A longer pattern is only in the schema. */
const MAX_PATTERN = 60;

/** The words of the column that says whether a field can be absent. */
interface Presence {
  readonly title: string;
  readonly always: string;
  readonly optional: string;
}

const IN_REQUEST: Presence = { title: "required", always: "yes", optional: "no" };
const IN_REPLY: Presence = { title: "present", always: "always", optional: "not always" };

/** The fields of a request as a table in Markdown. */
export function requestTable(shape: Shape): string {
  return fieldTable(shape, IN_REQUEST);
}

/** The fields of a reply as a table in Markdown. */
export function replyTable(shape: Shape): string {
  return fieldTable(shape, IN_REPLY);
}

function fieldTable(shape: Shape, presence: Presence): string {
  const rows = fieldsOf(shape, presence);
  return rows.length === 0 ? "No fields." : table(["field", "type", presence.title, "meaning"], rows);
}

function fieldsOf({ properties = {}, required = [] }: Shape, presence: Presence, prefix = ""): string[][] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const whole = field.anyOf?.find(({ properties: inner }) => inner !== undefined) ?? field;
    const byDefault = field.default === undefined ? "" : `, default ${code(JSON.stringify(field.default))}`;
    const { pattern = "" } = field;
    const meaning = [
      field.description ?? "",
      pattern !== "" && pattern.length <= MAX_PATTERN ? `matches ${code(pattern)}` : "",
    ];
    return [
      [
        `\`${prefix}${name}\``,
        typeOf(field),
        required.includes(name) ? presence.always : `${presence.optional}${byDefault}`,
        meaning.filter((part) => part !== "").join("; "),
      ],
      ...fieldsOf(whole, presence, `${prefix}${name}.`),
      ...fieldsOf(whole.items ?? {}, presence, `${prefix}${name}[].`),
    ];
  });
}

/** A sentence about the fields of which a request needs one set, or an empty text. */
export function oneOf({ anyOf = [] }: Shape): string {
  const choices = anyOf.map(({ required = [] }) => required.map((field) => `\`${field}\``).join(" and "));
  return choices.length === 0 ? "" : `A request needs either ${choices.join(", or ")}.`;
}

/** A code span, even if the text contains a backtick. */
function code(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}

/** A Markdown table. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => "---"), ...rows];
  return lines
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n");
}
