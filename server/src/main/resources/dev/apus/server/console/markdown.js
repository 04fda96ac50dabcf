// A small part of Markdown as elements: fenced code, headings, lists, quotes, bold, italics, code. Links and pictures stay text: what a
// model says must not lead, or load, anywhere.

import { el } from "./dom.js";

const FENCE = /^ {0,3}(```+|~~~+)\s*([\w+#.-]*)/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^>\s?(.*)$/;

// Shows the text in the element. Blocks that are as they were stay, so that a stream costs what is new, and what is selected stays so.
export function show(element, text) {
  const blocks = split(text);
  blocks.forEach((block, i) => {
    const old = element.children[i];
    if (old?.source !== block.source || old.kind !== block.kind) {
      const made = render(block);
      made.source = block.source;
      made.kind = block.kind;
      if (old) {
        old.replaceWith(made);
      } else {
        element.append(made);
      }
    }
  });
  while (element.children.length > blocks.length) {
    element.lastElementChild.remove();
  }
}

function split(text) {
  const lines = text.split("\n");
  const blocks = [];
  let i = 0;
  while (i < lines.length) {
    const fence = FENCE.exec(lines[i]);
    const start = i;
    let kind;
    if (fence) {
      const mark = fence[1];
      do {
        i++;
      } while (i < lines.length && !closes(lines[i], mark));
      i++;
      kind = "code";
    } else if (lines[i].trim() === "") {
      i++;
      continue;
    } else if (HEADING.test(lines[i])) {
      i++;
      kind = "heading";
    } else {
      kind = ITEM.test(lines[i]) ? "list" : QUOTE.test(lines[i]) ? "quote" : "paragraph";
      do {
        i++;
      } while (i < lines.length && goesOn(kind, lines, i));
    }
    blocks.push({ kind, source: lines.slice(start, i).join("\n") });
  }
  return blocks;
}

const closes = (line, mark) => line.trim().startsWith(mark) && line.trim().replaceAll(mark[0], "") === "";

function goesOn(kind, lines, i) {
  const line = lines[i];
  if (FENCE.test(line) && !/^\s/.test(line)) {
    return false;
  }
  if (kind === "list") {
    return ITEM.test(line) || /^\s+\S/.test(line) || (line.trim() === "" && ITEM.test(lines[i + 1] ?? ""));
  }
  if (kind === "quote") {
    return QUOTE.test(line);
  }
  return line.trim() !== "" && !HEADING.test(line) && !ITEM.test(line) && !QUOTE.test(line);
}

function render({ kind, source }) {
  const lines = source.split("\n");
  switch (kind) {
    case "code":
      return code(lines);
    case "heading": {
      const [, marks, text] = HEADING.exec(source);
      // The page has levels 1 and 2.
      return el(`h${Math.min(6, marks.length + 2)}`, {}, ...inline(text));
    }
    case "list":
      return list(lines);
    case "quote":
      return el("blockquote", {}, ...inline(lines.map((line) => QUOTE.exec(line)[1]).join("\n")));
    default:
      return el("p", {}, ...inline(source));
  }
}

function code(lines) {
  const [, mark, language] = FENCE.exec(lines[0]);
  const closed = lines.length > 1 && closes(lines.at(-1), mark);
  const text = lines.slice(1, closed ? -1 : undefined).join("\n");
  const copy = el("button", { type: "button", className: "small" }, "Copy");
  copy.onclick = () => copyText(text, copy);
  return el(
    "div",
    { className: "code" },
    el("div", { className: "bar" }, el("span", {}, language || "code"), copy),
    el("pre", { tabIndex: 0 }, el("code", {}, text)),
  );
}

// Lists within lists by their indentation.
function list(lines) {
  const root = { indent: -1, element: null };
  const open = [root];
  let top = null;
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (!item) {
      const last = open.at(-1).element?.lastElementChild;
      last?.append("\n", ...inline(line.trim()));
      continue;
    }
    const indent = item[1].length;
    while (open.length > 1 && indent < open.at(-1).indent) {
      open.pop();
    }
    if (indent > open.at(-1).indent) {
      const ordered = /\d/.test(item[2]);
      const element = el(ordered ? "ol" : "ul");
      if (ordered) {
        element.start = parseInt(item[2], 10);
      }
      (open.at(-1).element?.lastElementChild ?? (top ??= el("div"))).append(element);
      open.push({ indent, element });
    }
    open.at(-1).element.append(el("li", {}, ...inline(item[3])));
  }
  return top ?? el("div");
}

const SPAN = /(`+)([^`]|[^`].*?[^`])\1(?!`)|\*\*(?=\S)(.+?)(?<=\S)\*\*|(?<![\w*])\*(?=[^\s*])([^*]*[^\s*])\*(?![\w*])/s;

// Looking for spans costs, at worst, the square of the length: no paragraph that is meant to be read is as long.
const MOST_INLINE = 8000;

function inline(text) {
  if (text.length > MOST_INLINE) {
    return [text];
  }
  const nodes = [];
  let rest = text;
  for (let match = SPAN.exec(rest); match; match = SPAN.exec(rest)) {
    nodes.push(rest.slice(0, match.index));
    if (match[1]) {
      nodes.push(el("code", {}, match[2]));
    } else if (match[3]) {
      nodes.push(el("strong", {}, ...inline(match[3])));
    } else {
      nodes.push(el("em", {}, ...inline(match[4])));
    }
    rest = rest.slice(match.index + match[0].length);
  }
  nodes.push(rest);
  return nodes.filter((node) => node !== "");
}

// Copies, and says so on the button.
export async function copyText(text, button) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without TLS browsers have no clipboard for pages of other machines.
    button.textContent = "Not allowed";
  }
  setTimeout(() => (button.textContent = before), 1500);
}
