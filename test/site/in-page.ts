/** Expressions that are evaluated in a page. */

/** Whether the page is wider than the window. */
export const OVERFLOWS = "document.documentElement.scrollWidth > document.documentElement.clientWidth";

/** Accessibility errors of the page. */
export const ACCESSIBILITY = `(() => {
  const faults = [];
  const check = (isRight, fault) => isRight || faults.push(fault);
  check(document.documentElement.lang === "en", "no language");
  check(document.title !== "", "no title");
  check(document.querySelectorAll("h1").length === 1, "not one h1");
  check(document.querySelectorAll("main").length === 1, "not one main");
  for (const image of document.images) {
    // The logo is beside the name of the site, so it needs no text.
    check(image.hasAttribute("alt") && (image.alt !== "" || image.closest("main") === null), "no alt: " + image.src);
    check(image.naturalWidth > 0, "no picture: " + image.src);
  }
  const label = (element) =>
    element.getAttribute("aria-label") ?? document.getElementById(element.getAttribute("aria-labelledby"))?.textContent;
  for (const link of document.links)
    check(/[^\\s\\u200b]/.test(label(link) ?? link.textContent), "no words: " + link.outerHTML);
  for (const nav of document.querySelectorAll("nav")) check(label(nav), "a nav without a label");
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of ids) check(ids.indexOf(id) === ids.lastIndexOf(id), "twice: #" + id);
  let depth = 0;
  for (const heading of document.querySelectorAll("main :is(h1, h2, h3, h4)")) {
    const next = Number(heading.localName.slice(1));
    check(next <= depth + 1, "a step is left out before " + heading.textContent);
    depth = next;
  }
  for (const box of document.querySelectorAll("pre, table"))
    check(box.tabIndex === 0, "cannot be scrolled with the keyboard: " + box.textContent.slice(0, 40));
  return faults;
})()`;

/** How the first diagram of a page is shown. */
export const DIAGRAM = `(() => {
  const box = document.querySelector("main .diagram");
  const { clientWidth: width } = box.querySelector("img");
  return { scrolls: box.scrollWidth > box.clientWidth, tabIndex: box.tabIndex, width };
})()`;

/** The addresses that the search has found, the best first. */
export const FOUND = `[...document.querySelectorAll("#localsearch-list a")].map((link) => link.getAttribute("href"))`;

/** Whether the navigation is out of the window. */
export const ASIDE = "document.querySelector('.VPSidebar').getBoundingClientRect().right <= 0";

/** Texts with too little contrast (WCAG 2.2, 1.4.3: 4.5 to 1). */
export const PALE = `(() => {
  const numbers = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const over = ([...front], [...back]) => back.map((v, i) => (i === 3 ? 1 : front[i] * front[3] + v * (1 - front[3])));
  const luminance = ([...rgb]) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    if (element === null) return [255, 255, 255, 1];
    const colour = numbers(getComputedStyle(element).backgroundColor);
    return colour[3] === 1 ? colour : over(colour, behind(element.parentElement));
  };
  const faults = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const isSeen = element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
    if (!isSeen || texts.currentNode.textContent.trim() === "") continue;
    const back = behind(element);
    const front = over(numbers(getComputedStyle(element).color), back);
    const [dark, light] = [front, back].map(luminance).sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faults.add(element.localName + "." + element.className + " " + ratio.toFixed(2));
  }
  return [...faults];
})()`;

/** Whether the scripts of the page have started. */
export const STARTED = "document.querySelector('#app').__vue_app__ !== undefined";

/** The visible focus style of the focused element. */
export const FOCUS = `(() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  const { left, top, width } = document.activeElement.getBoundingClientRect();
  return { outlineStyle, outlineWidth, isSeen: left >= 0 && top >= 0 && width > 0 };
})()`;
