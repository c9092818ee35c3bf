/** Matches a JWS in compact form anywhere in a text. */
const TOKEN = /eyJ[\w-]+\.[\w-]+\.[\w-]+/g;

/** Shortens tokens to their first and last characters, because they are long and begin alike. */
export function shorten(text: string): string {
  return text.replaceAll(TOKEN, (token) => `${token.slice(0, 8)}…${token.slice(-6)}`);
}

/** JSON in one line, with spaces for readability. */
export function oneLine(value: unknown): string {
  return JSON.stringify(value, null, 1).replaceAll(/\n */g, " ");
}

/** JSON in as few lines of `width` characters as possible, without breaking members if possible. */
export function layOut(value: unknown, width: number): string[] {
  const line = oneLine(value);
  if (shorten(line).length <= width || typeof value !== "object" || value === null) return [line];
  const [open, close] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  const members = Object.entries(value as Record<string, unknown>);
  const lines: string[] = [];
  for (const [index, [key, member]] of members.entries()) {
    const name = Array.isArray(value) ? "" : `${JSON.stringify(key)}: `;
    const [first = "", ...more] = layOut(member, width - 4 - name.length);
    const comma = index < members.length - 1 ? "," : "";
    const block = [`${name}${first}`, ...more.map((text) => " ".repeat(name.length) + text)];
    block.push(`${block.pop() ?? ""}${comma}`);
    const last = lines.at(-1);
    const joined = `${last ?? ""} ${block[0] ?? ""}`;
    if (last !== undefined && block.length === 1 && shorten(joined).length <= width - 4) {
      lines[lines.length - 1] = joined;
    } else lines.push(...block);
  }
  return lines.map((text, index) => {
    const begin = index === 0 ? `${open} ` : "  ";
    return index === lines.length - 1 ? `${begin}${text} ${close}` : `${begin}${text}`;
  });
}
