// One message as the phone shows it: bubble, quote, ticks, reactions.

import { dayOf, fullTime, timeOf } from "../clock.js";
import { icon, make, shorten } from "../dom.js";
import { file, hasFile } from "./file.js";
import { paragraphs } from "./markup.js";
import { template } from "./template.js";

const OWN = {
  queued: ["tick", "sent"],
  delivered: ["ticks", "delivered to the business"],
  read: ["ticks", "read by the business"],
};
const THEIRS = {
  accepted: ["wait", "the business knows: accepted"],
  sent: ["tick", "the business knows: sent"],
  delivered: ["ticks", "the business knows: delivered"],
  read: ["ticks", "the business knows: read"],
};
const KINDS = {
  location: ["pin", "Location"],
  contacts: ["person", "Contact"],
  image: ["file", "Photo"],
  video: ["file", "Video"],
  audio: ["file", "Audio"],
  document: ["file", "Document"],
  sticker: ["file", "Sticker"],
};

// What a message that is no text says, as far as one line can.
export function words(message) {
  if (message.type === "text" || message.shown) return message.text;
  const content = message.content?.[message.type] ?? message.content ?? {};
  const known = {
    location: [content.name, content.address].filter(Boolean).join(", "),
    contacts: Array.isArray(content) ? content.map((one) => one.name?.formatted_name ?? "").join(", ") : "",
  };
  return known[message.type] || content.caption || content.body?.text || content.filename || KINDS[message.type]?.[1] || message.type;
}

// What WhatsApp keeps for a phone that is off.
export const isAway = (message) => message.direction === "out" && (message.status === "accepted" || message.status === "sent");

// What the thread shows, in order: a day before its first message, a message with the reactions to it.
export function rows(thread) {
  const reactions = new Map();
  for (const one of thread) {
    if (one.type !== "reaction") continue;
    const { message_id: target, emoji } = one.content.reaction ?? one.content;
    reactions.set(target, { ...reactions.get(target), [one.direction]: emoji });
  }
  const shown = [];
  let day = "";
  let before = "";
  for (const one of thread) {
    if (one.type === "reaction") continue;
    if (dayOf(one.at) !== day) {
      day = dayOf(one.at);
      before = "";
      shown.push({ day, key: `day ${one.at}` });
    }
    const quoted = one.context ? thread.find((other) => other.wamid === one.context) : undefined;
    shown.push({
      ...one,
      key: one.wamid,
      isFirst: one.direction !== before,
      reactions: Object.values(reactions.get(one.wamid) ?? {}).filter(Boolean),
      quoted: quoted && { isOwn: quoted.direction === "in", text: shorten(words(quoted), 120) },
    });
    before = one.direction;
  }
  return shown;
}

function ticks(message) {
  const [name, said] = (message.direction === "in" ? OWN : THEIRS)[message.status] ?? ["wait", message.status];
  return make("span", {
    className: `ticks ${message.status}`, title: said, attributes: { role: "img", "aria-label": said },
  }, icon(name));
}

function body(message, onTap) {
  if (message.shown) return template(message.shown, { wamid: message.wamid, onTap });
  const [name, label] = KINDS[message.type] ?? [];
  if (hasFile(message)) return file(message, label);
  const text = make("div", { className: "bubble-text", dir: "auto" }, ...paragraphs(words(message)));
  return name ? make("div", { className: "bubble-kind" }, icon(name), text) : text;
}

export function bubble(row, { business, onReply, onReact, onTap, onEdit, onDelete }) {
  if (row.day) return make("p", { className: "day" }, make("span", {}, row.day));
  const isOwn = row.direction === "in";
  const who = isOwn ? "You" : business;
  const said = shorten(words(row), 40);
  const quote = row.quoted && make("div", { className: `quote ${row.quoted.isOwn ? "own" : ""}` },
    make("strong", {}, row.quoted.isOwn ? "You" : business), make("span", { dir: "auto" }, row.quoted.text));
  const tools = make("span", { className: "bubble-tools" },
    make("button", { type: "button", title: "Quote", onclick: () => onReply(row), attributes: { "aria-label": `Quote: ${said}` } }, icon("reply")),
    isOwn && row.type === "text" ? make("button", { type: "button", title: "Edit", onclick: () => onEdit(row), attributes: { "aria-label": `Edit: ${said}` } }, "✎") : null,
    isOwn ? make("button", { type: "button", title: "Delete", onclick: () => onDelete(row), attributes: { "aria-label": `Delete: ${said}` } }, icon("close")) : null,
    isOwn ? null : make("button", { type: "button", title: "React with 👍", onclick: () => onReact(row), attributes: { "aria-label": `React with a thumb up: ${said}` } }, "👍"));
  return make("article", {
    className: `bubble ${isOwn ? "own" : "theirs"} ${row.isFirst ? "first" : ""}`,
    attributes: { "aria-label": `${who}, ${timeOf(row.at)}` },
    data: { wamid: row.wamid },
  },
  quote, body(row, onTap),
  make("span", { className: "bubble-foot" },
    make("time", { dateTime: row.at, title: fullTime(row.at) }, timeOf(row.at)), ticks(row)),
  row.reactions.length ? make("span", { className: "reactions", attributes: { "aria-label": `Reactions: ${row.reactions.join(" ")}` } }, row.reactions.join(" ")) : null,
  tools);
}
