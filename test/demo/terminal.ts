import { styleText } from "node:util";
import { layOut, shorten } from "./layout.ts";

/** Maximum width of the output, in any window. */
const WIDTH = Math.min(process.stdout.columns || 100, 100);

const MARGIN = "    ";

const coloured = process.stdout.isTTY && (process.env["NO_COLOR"] ?? "") === "";

type Style = Parameters<typeof styleText>[0];

let steps = 0;

/** Prints the title, before anything happens. */
export function introduction(title: string, text: string): void {
  write(paint("bold", title));
  write(paint("dim", text));
}

/** Prints a chapter title. */
export function chapter(title: string): void {
  write(`\n${paint(["bold", "cyan"], title)}`);
}

/** Prints the next step as a numbered sentence. */
export function heading(sentence: string): void {
  const number = String(++steps).padStart(2);
  const [first = "", ...more] = wrap(sentence, WIDTH - MARGIN.length);
  write("");
  write(`${paint("dim", number)}  ${paint("bold", first)}`);
  for (const line of more) write(`${MARGIN}${paint("bold", line)}`);
}

/** Prints a command as a user would type it. */
export function command(text: string): void {
  // Break only after commas, so that a name and its value stay together.
  const [first = "", ...more] = wrap(shorten(text), WIDTH - MARGIN.length - 4, /(?<=,) /);
  write(`${MARGIN}${paint("dim", "$")} ${paint("cyan", first)}`);
  for (const line of more) write(`${MARGIN}    ${paint("cyan", line)}`);
}

/** Prints a reply with a tick, or with the expectation that it missed. */
export function reply(code: number, data: unknown, missed: string | undefined): void {
  const mark = missed === undefined ? paint("green", "✓") : paint("red", "✗");
  const number = paint(code < 400 ? "green" : "yellow", String(code));
  const indent = `${MARGIN}      `;
  const [first = "", ...more] = layOut(data, WIDTH - indent.length);
  write(`${MARGIN}${mark} ${number} ${shorten(first)}`);
  for (const line of more) write(`${indent}${shorten(line)}`);
  if (missed !== undefined) write(`${indent}${paint("red", missed)}`);
}

/** Prints a success without a reply; `data` follows below it. */
export function printDone(text: string, data?: unknown): void {
  const [first = "", ...more] = wrap(text, WIDTH - MARGIN.length - 2);
  write(`${MARGIN}${paint("green", "✓")} ${first}`);
  if (data !== undefined) more.push(...layOut(data, WIDTH - MARGIN.length - 2));
  for (const line of more) write(`${MARGIN}  ${line}`);
}

/** Prints a remark between the steps. */
export function remark(text: string): void {
  for (const line of wrap(text, WIDTH - MARGIN.length)) write(`${MARGIN}${paint("dim", line)}`);
}

/** Prints the last lines: the result and next steps. */
export function closing(result: string, lines: readonly string[]): void {
  write(`\n${paint(["bold", "green"], result)}`);
  for (const line of lines) write(line);
}

/** Prints why the demo failed or stopped. */
export function failure(text: string): void {
  process.stderr.write(`${paint("red", text)}\n`);
}

function paint(style: Style, text: string): string {
  return coloured ? styleText(style, text, { validateStream: false }) : text;
}

/** Lines of at most `width` characters, broken at spaces or at the given separators. */
function wrap(text: string, width: number, blanks: string | RegExp = " "): string[] {
  const lines: string[] = [];
  for (const word of text.split(blanks)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
