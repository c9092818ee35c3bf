// Looks through the index of the site; the pages work without it.

type Part = readonly [page: string, heading: string, address: string, words: string];
/** Once the index is loaded. */
declare const searchIndex: readonly Part[];

/** So many results are shown. */
const MOST = 12;

/** So many characters are shown on both sides of what was found. */
const AROUND = 70;

const root = document.body.dataset["root"] ?? "";

const form = document.querySelector<HTMLFormElement>("form[role=search]");
if (form !== null) startSearch(form);

function startSearch(form: HTMLFormElement): void {
  const input = form.querySelector("input");
  const count = form.querySelector("[role=status]");
  const list = form.querySelector("ol");
  if (input === null || count === null || list === null) return;
  let loading: Promise<void> | undefined;
  const load = (): Promise<void> => (loading ??= loadIndex());
  const show = async (): Promise<void> => {
    await load();
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length === 0 ? [] : find(words);
    const said = found.length === 0 ? "Nothing found" : `${found.length} found`;
    count.textContent = words.length === 0 ? "" : said;
    list.replaceChildren(...found.slice(0, MOST).map((part) => itemOf(part, words)));
  };
  input.addEventListener("focus", () => void load());
  input.addEventListener("input", () => void show());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    list.querySelector("a")?.click();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    input.value = "";
    input.focus();
    void show();
  });
  form.hidden = false;
}

/** A script, because a page that nothing serves may load nothing else. */
function loadIndex(): Promise<void> {
  const script = document.createElement("script");
  script.src = `${root}assets/index.js`;
  document.head.append(script);
  return new Promise((resolve) => script.addEventListener("load", () => resolve()));
}

/** The parts that have all words, those first that have them in their headings. */
function find(words: readonly string[]): Part[] {
  return searchIndex
    .map((part) => ({ part, rank: rankOf(part, words) }))
    .filter(({ rank }) => rank > 0)
    .sort((a, b) => b.rank - a.rank)
    .map(({ part }) => part);
}

function rankOf([page, heading, , body]: Part, words: readonly string[]): number {
  const places = [heading || page, page, body].map((place) => place.toLowerCase());
  const [title = "", name = ""] = places;
  if (!words.every((word) => places.some((place) => place.includes(word)))) return 0;
  const points = words.map((word) => (title.includes(word) ? 4 : 0) + (name.includes(word) ? 2 : 0));
  return points.reduce((sum, one) => sum + one, 1);
}

function itemOf([page, heading, address, body]: Part, words: readonly string[]): Element {
  const link = document.createElement("a");
  link.href = root + address;
  link.textContent = heading === "" ? page : `${page}: ${heading}`;
  const excerpt = document.createElement("span");
  excerpt.textContent = excerptOf(body, words);
  const item = document.createElement("li");
  item.append(link, excerpt);
  return item;
}

/** What stands around the first of the words, in whole words. */
function excerptOf(body: string, words: readonly string[]): string {
  const places = words.map((word) => body.toLowerCase().indexOf(word)).filter((place) => place >= 0);
  const from = places.length === 0 ? 0 : Math.max(0, Math.min(...places) - AROUND);
  const text = body.slice(from, from + 2 * AROUND);
  const [start, end] = [from === 0 ? 0 : text.indexOf(" ") + 1, text.lastIndexOf(" ")];
  return end <= start ? text : `${from === 0 ? "" : "... "}${text.slice(start, end)} ...`;
}
