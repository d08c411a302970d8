// How WhatsApp shows a text: *bold*, _italic_, ~strike~, `mono`, ```block```, > quotes and addresses.

import { make } from "../dom.js";

const EDGE = "(?<![\\p{L}\\p{N}])";
const AFTER = "(?![\\p{L}\\p{N}])";
const RULES = [
  { pattern: /```([\s\S]+?)```/u, tag: "code", isPlain: true },
  { pattern: /`([^`\n]+)`/u, tag: "code", isPlain: true },
  { pattern: new RegExp(`${EDGE}\\*(\\S|\\S[^*\\n]*\\S)\\*${AFTER}`, "u"), tag: "strong" },
  { pattern: new RegExp(`${EDGE}_(\\S|\\S[^_\\n]*\\S)_${AFTER}`, "u"), tag: "em" },
  { pattern: new RegExp(`${EDGE}~(\\S|\\S[^~\\n]*\\S)~${AFTER}`, "u"), tag: "s" },
  { pattern: /https?:\/\/[^\s<>]+[^\s<>.,;:!?)\]]/u, tag: "a" },
];

function marked(text) {
  let first = null;
  for (const rule of RULES) {
    const found = rule.pattern.exec(text);
    if (found && (first === null || found.index < first.found.index)) first = { rule, found };
  }
  if (first === null) return text ? [text] : [];
  const { rule, found } = first;
  const inner = found[1] ?? found[0];
  const element = make(rule.tag, {}, ...(rule.isPlain || rule.tag === "a" ? [inner] : marked(inner)));
  if (rule.tag === "a") Object.assign(element, { href: found[0], target: "_blank", rel: "noopener noreferrer" });
  return [...marked(text.slice(0, found.index)), element, ...marked(text.slice(found.index + found[0].length))];
}

export function paragraphs(text) {
  return text.split(/\n(?=> )|(?<=^> [^\n]*)\n/mu).map((part) => (
    part.startsWith("> ") ? make("blockquote", {}, ...marked(part.slice(2))) : make("span", {}, ...marked(part))
  ));
}
