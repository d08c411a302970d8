// A comment's HTML, of which only harmless elements come onto this page; links keep nothing but their address.

import { make } from "../dom.js";

const SAFE = new Set(["A", "B", "BLOCKQUOTE", "BR", "CODE", "DEL", "DIV", "EM", "I", "LI", "OL", "P", "PRE", "S", "SPAN", "STRONG", "UL"]);

export function cleaned(html) {
  const copy = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return [node.textContent];
    if (node.nodeType !== Node.ELEMENT_NODE) return [];
    const children = [...node.childNodes].flatMap(copy);
    if (!SAFE.has(node.tagName)) return children;
    const element = make(node.tagName, {}, ...children);
    const address = node.getAttribute("href") ?? "";
    if (node.tagName === "A" && /^https?:/iu.test(address)) {
      Object.assign(element, { href: address, target: "_blank", rel: "noopener noreferrer" });
    }
    if (node.tagName === "P" || node.tagName === "DIV") element.dir = "auto";
    return [element];
  };
  return [...new DOMParser().parseFromString(html, "text/html").body.childNodes].flatMap(copy);
}
