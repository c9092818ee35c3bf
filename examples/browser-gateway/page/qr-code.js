// QR codes (ISO/IEC 18004): bytes, error correction level L, versions 1 to 20, mask 0.

/** Error correction codewords in a block, and the number of blocks, by version from 1 on. */
const CHECK_WORDS = [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28];
const BLOCKS = [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8];

/** Level L and mask 0, with their check bits. */
const FORMAT = 0x77c4;
/** Light modules around the code. */
const MARGIN = 4;
const SVG = "http://www.w3.org/2000/svg";

/** Draws a text as a QR code into an element; hides the element if the text is too long. */
export function drawQrCode(element, text) {
  const code = pathOf(text);
  element.hidden = code === undefined;
  if (code === undefined) return;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${code.size} ${code.size}`);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", code.path);
  svg.append(path);
  element.replaceChildren(svg);
}

/** The dark modules of a text's QR code as a path of SVG, and its size with the margin; undefined if it is too long. */
export function pathOf(text) {
  const bytes = new TextEncoder().encode(text);
  const version = CHECK_WORDS.findIndex((_, index) => capacity(index + 1) >= bytes.length) + 1;
  if (version === 0) return undefined;
  const modules = drawPatterns(version);
  drawData(modules, protect(wordsOf(bytes, version), version));
  const dark = modules.flatMap((row, y) =>
    row.flatMap(({ isDark }, x) => (isDark ? [`M${x + MARGIN} ${y + MARGIN}h1v1h-1z`] : [])),
  );
  return { path: dark.join(""), size: modules.length + 2 * MARGIN };
}

const bitOf = (value, index) => ((value >>> index) & 1) === 1;
const alignments = (version) => (version === 1 ? 0 : Math.floor(version / 7) + 2);
const lengthBits = (version) => (version < 10 ? 8 : 16);

/** All codewords of a version. */
function totalWords(version) {
  const count = alignments(version);
  const patterns = count === 0 ? 0 : (25 * count - 10) * count - 55;
  return Math.floor(((16 * version + 128) * version + 64 - patterns - (version < 7 ? 0 : 36)) / 8);
}

const dataWords = (version) => totalWords(version) - CHECK_WORDS[version - 1] * BLOCKS[version - 1];

const capacity = (version) => Math.floor((dataWords(version) * 8 - 4 - lengthBits(version)) / 8);

/** The data codewords: mode, length, bytes, padding. */
function wordsOf(bytes, version) {
  const bits = [0, 1, 0, 0];
  const add = (value, length) => {
    for (let index = length - 1; index >= 0; index--) bits.push((value >>> index) & 1);
  };
  add(bytes.length, lengthBits(version));
  for (const byte of bytes) add(byte, 8);
  add(0, Math.min(4, dataWords(version) * 8 - bits.length));
  add(0, (8 - (bits.length % 8)) % 8);
  for (let padding = 0xec; bits.length < dataWords(version) * 8; padding ^= 0xec ^ 0x11) add(padding, 8);
  return Array.from({ length: bits.length / 8 }, (_, word) =>
    bits.slice(word * 8, word * 8 + 8).reduce((value, bit) => value * 2 + bit, 0),
  );
}

/** Splits the words into blocks, and interleaves these and their Reed-Solomon check words. */
function protect(words, version) {
  const count = BLOCKS[version - 1];
  const checks = CHECK_WORDS[version - 1];
  const short = count - (totalWords(version) % count); // the other blocks have one word more
  const length = Math.floor(totalWords(version) / count) - checks;
  const divisor = divisorOf(checks);
  const blocks = Array.from({ length: count }, (_, index) => {
    const start = index * length + Math.max(0, index - short);
    return words.slice(start, start + length + (index < short ? 0 : 1));
  });
  const interleave = (lists, size) =>
    Array.from({ length: size }, (_, index) => lists.flatMap((list) => list.slice(index, index + 1))).flat();
  return [
    ...interleave(blocks, length + 1),
    ...interleave(
      blocks.map((block) => remainderOf(block, divisor)),
      checks,
    ),
  ];
}

/** The product in GF(256) with the polynomial 0x11d. */
function multiply(left, right) {
  let product = 0;
  for (let index = 7; index >= 0; index--)
    product = (product << 1) ^ ((product >>> 7) * 0x11d) ^ (((right >>> index) & 1) * left);
  return product;
}

function divisorOf(degree) {
  const result = new Array(degree).fill(0).with(-1, 1);
  for (let step = 0, root = 1; step < degree; step++, root = multiply(root, 2))
    for (let index = 0; index < degree; index++)
      result[index] = multiply(result[index], root) ^ (result[index + 1] ?? 0);
  return result;
}

function remainderOf(words, divisor) {
  let result = divisor.map(() => 0);
  for (const word of words) {
    const factor = word ^ result[0];
    result = divisor.map((part, index) => (result[index + 1] ?? 0) ^ multiply(part, factor));
  }
  return result;
}

/** The modules of a version, with everything that is not data: finders, timing, alignment, format, version. */
function drawPatterns(version) {
  const size = version * 4 + 17;
  const modules = Array.from({ length: size }, () => new Array(size).fill({ isDark: false, isData: true }));
  const set = (x, y, isDark) => {
    if (modules[y]?.[x] !== undefined) modules[y][x] = { isDark, isData: false };
  };
  /** Concentric squares around a point; `light` are the distances of the light ones. */
  const drawSquares = (centerX, centerY, radius, light) => {
    for (let y = -radius; y <= radius; y++)
      for (let x = -radius; x <= radius; x++)
        set(centerX + x, centerY + y, !light.includes(Math.max(Math.abs(x), Math.abs(y))));
  };
  for (let index = 0; index < size; index++) {
    set(6, index, index % 2 === 0);
    set(index, 6, index % 2 === 0);
  }
  for (const [x, y] of [
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ])
    drawSquares(x, y, 4, [2, 4]);
  const centers = centersOf(version, size);
  for (const y of centers)
    for (const x of centers) {
      const isAtFinder = [x, y].includes(6) && (x === y || [x, y].includes(size - 7));
      if (!isAtFinder) drawSquares(x, y, 2, [1]);
    }
  for (let index = 0; index < 15; index++) {
    const isDark = bitOf(FORMAT, index);
    // Column and row 6 belong to the timing patterns.
    if (index < 8) set(8, index + (index < 6 ? 0 : 1), isDark);
    else set(index === 8 ? 7 : 14 - index, 8, isDark);
    if (index < 8) set(size - 1 - index, 8, isDark);
    else set(8, size - 15 + index, isDark);
  }
  set(8, size - 8, true);
  let check = version;
  for (let step = 0; step < 12; step++) check = (check << 1) ^ ((check >>> 11) * 0x1f25);
  for (let index = 0; version >= 7 && index < 18; index++) {
    const [near, far] = [Math.floor(index / 3), size - 11 + (index % 3)];
    const isDark = bitOf((version << 12) | check, index);
    set(far, near, isDark);
    set(near, far, isDark);
  }
  return modules;
}

/** The coordinates of the alignment patterns. */
function centersOf(version, size) {
  const count = alignments(version);
  const step = Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  return Array.from({ length: count }, (_, index) =>
    index === 0 ? 6 : size - 7 - (count - 1 - index) * step,
  );
}

/** Draws the words in columns of two modules, from the right, up and down in turn. */
function drawData(modules, words) {
  const size = modules.length;
  let index = 0;
  for (let column = size - 1; column > 0; column -= 2) {
    if (column === 6) column = 5;
    const isUpward = ((column + 1) & 2) === 0;
    for (let step = 0; step < size; step++)
      for (const x of [column, column - 1]) {
        const y = isUpward ? size - 1 - step : step;
        if (!modules[y][x].isData) continue;
        const isDark = bitOf(words[index >>> 3] ?? 0, 7 - (index & 7));
        modules[y][x] = { isDark: isDark !== ((x + y) % 2 === 0), isData: true };
        index++;
      }
  }
}
