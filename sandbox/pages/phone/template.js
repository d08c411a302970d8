// A template as the phone shows it: header, body, footer, offer, cards, and buttons that can be tapped.

import { icon, make } from "../dom.js";
import { paragraphs } from "./markup.js";

const MEDIA = { IMAGE: ["file", "Photo"], VIDEO: ["file", "Video"], DOCUMENT: ["file", "Document"], PRODUCT: ["file", "Product"], LOCATION: ["pin", "Location"] };
const SIGNS = { QUICK_REPLY: "reply", PHONE_NUMBER: "person", REQUEST_CONTACT_INFO: "person" };
const SHOWN_BUTTONS = 3;

const text = (words, className) => make("div", { className, dir: "auto" }, ...paragraphs(words));

function header(part) {
  if (part.text !== undefined) return text(part.text, "template-head");
  const [name, label] = MEDIA[part.format] ?? ["file", part.format];
  const media = Object.values(part).find((value) => typeof value === "object") ?? {};
  return make("div", { className: "template-media" }, icon(name), make("span", { dir: "auto" }, media.name || media.filename || label));
}

function button(one, tap) {
  const sign = SIGNS[one.type];
  return make("button", { type: "button", className: "template-button", dir: "auto", onclick: tap }, sign ? icon(sign) : null, one.text);
}

function buttons(part, { wamid, onTap, card }) {
  const all = part.buttons.map((one, place) => button(one, () => onTap({ wamid, button: place, card })));
  // WhatsApp shows two of more than three, and the rest behind "See all options" (fact sheet 4.3).
  if (all.length <= SHOWN_BUTTONS) return all;
  const rest = make("details", { className: "template-more" }, make("summary", {}, "See all options"), ...all.slice(2));
  return [...all.slice(0, 2), rest];
}

function parts(part, context) {
  return [
    part.header ? header(part.header) : null,
    part.offer ? text(part.offer.text, "template-offer") : null,
    part.body === undefined ? null : text(part.body, "bubble-text"),
    part.footer ? text(part.footer, "template-foot") : null,
    ...buttons(part, context),
  ];
}

export function template(shown, context) {
  const cards = (shown.cards ?? []).map((card, place) => make(
    "div", { className: "template-card", attributes: { role: "group", "aria-label": `Card ${place + 1}` } }, ...parts(card, { ...context, card: place }),
  ));
  return make("div", { className: "template" }, ...parts(shown, context),
    cards.length ? make("div", { className: "template-cards", tabIndex: 0 }, ...cards) : null);
}
