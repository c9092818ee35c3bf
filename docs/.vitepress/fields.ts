import { type Shape, typeOf } from "../generate/settings.ts";

/** Longer patterns are only in the schema. */
const MAX_PATTERN = 60;

/** The fields of a message as a Markdown table; `present` is the label of required fields. */
export function fieldTable(shape: Shape, present: string): string {
  const rows = fieldsOf(shape, present);
  return rows.length === 0 ? "Nothing." : table(["field", "type", "", "meaning"], rows);
}

function fieldsOf({ properties = {}, required = [] }: Shape, present: string, prefix = ""): string[][] {
  return Object.entries(properties).flatMap(([name, field]) => {
    const whole = field.anyOf?.find(({ properties: inner }) => inner !== undefined) ?? field;
    const fallback =
      field.default === undefined ? "optional" : `default ${code(JSON.stringify(field.default))}`;
    const { pattern = "" } = field;
    const meaning = [
      field.description ?? "",
      pattern !== "" && pattern.length <= MAX_PATTERN ? `matches ${code(pattern)}` : "",
    ];
    return [
      [
        `\`${prefix}${name}\``,
        typeOf(field),
        required.includes(name) ? present : fallback,
        meaning.filter((part) => part !== "").join("; "),
      ],
      ...fieldsOf(whole, present, `${prefix}${name}.`),
      ...fieldsOf(whole.items ?? {}, present, `${prefix}${name}[].`),
    ];
  });
}

/** A sentence about alternative required fields of a request; empty if there are none. */
export function oneOf({ anyOf = [] }: Shape): string {
  const choices = anyOf.map(({ required = [] }) => required.map((field) => `\`${field}\``).join(" and "));
  return choices.length === 0 ? "" : `Either ${choices.join(", or ")}.`;
}

/** A code span, also for text that contains a backtick. */
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
