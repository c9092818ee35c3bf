/** What is asked of a page from within, as code for the browser. */

/** Whether the page is wider than the window. */
export const OVERFLOWS = "document.documentElement.scrollWidth > document.documentElement.clientWidth";

/** Whatever a reader needs beside sight, and what is wrong with it. */
export const ACCESSIBILITY = `(() => {
  const faults = [];
  const check = (isRight, fault) => isRight || faults.push(fault);
  check(document.documentElement.lang === "en", "no language");
  check(document.title !== "", "no title");
  check(document.querySelectorAll("h1").length === 1, "not one h1");
  check(document.querySelectorAll("main").length === 1, "not one main");
  for (const image of document.images) {
    check(image.alt !== "", "no alt: " + image.src);
    check(image.naturalWidth > 0, "no picture: " + image.src);
  }
  for (const link of document.links) check(link.textContent.trim() !== "", "no words: " + link.outerHTML);
  for (const nav of document.querySelectorAll("nav")) check(nav.getAttribute("aria-label"), "a nav without a label");
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  for (const id of ids) check(ids.indexOf(id) === ids.lastIndexOf(id), "twice: #" + id);
  let depth = 0;
  for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
    const next = Number(heading.localName.slice(1));
    check(next <= depth + 1, "a step is left out before " + heading.textContent);
    depth = next;
  }
  for (const box of document.querySelectorAll("pre, .scroll"))
    check(box.tabIndex === 0, "cannot be scrolled with the keyboard: " + box.textContent.slice(0, 40));
  return faults;
})()`;

/** The texts whose colour is too near to what is behind them (WCAG 2.2, 1.4.3: 4.5 to 1). */
export const PALE = `(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([...rgb]) => {
    const [r, g, b] = rgb.slice(0, 3).map((v) => (v / 255 <= 0.04045 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one !== null; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour[3] !== 0) return colour;
    }
    return [255, 255, 255];
  };
  const faults = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const style = getComputedStyle(element);
    if (texts.currentNode.textContent.trim() === "" || style.opacity === "0") continue;
    const [dark, light] = [numbers(style.color), behind(element)].map(luminance).sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) faults.add(element.localName + "." + element.className + " " + ratio.toFixed(2));
  }
  return [...faults];
})()`;

/** How the element that has the focus is marked. */
export const FOCUS = `(() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  const { left, top, width } = document.activeElement.getBoundingClientRect();
  return { outlineStyle, outlineWidth, isSeen: left >= 0 && top >= 0 && width > 0 };
})()`;
