// The conversation of a ticket: what the customer wrote, what agents answered, internal notes, and the bridge's notes.

import { dayOf, fullTime, timeOf } from "../clock.js";
import { avatar, icon, make } from "../dom.js";
import { cleaned } from "./html.js";

export const isBridgeNote = (comment, bridgeId) => !comment.public && comment.author_id === bridgeId;

// Comments with a day before the first of each.
export function commentRows(comments, bridgeId) {
  const rows = [];
  let day = "";
  for (const one of comments) {
    if (dayOf(one.created_at) !== day) {
      day = dayOf(one.created_at);
      rows.push({ day, key: `day ${one.created_at}` });
    }
    rows.push({ ...one, key: `comment ${one.id}`, kind: kindOf(one, bridgeId) });
  }
  return rows;
}

function kindOf(comment, bridgeId) {
  if (isBridgeNote(comment, bridgeId)) return "bridge";
  if (!comment.public) return "note";
  return comment.author_role === "end-user" ? "customer" : "staff";
}

const LABELS = { bridge: ["bridge", "Note from the bridge"], note: ["lock", "Internal note"], customer: ["", "Customer"], staff: ["", "Public reply"] };

// A file as agents have it: a picture is seen, a sound or film is played, and everything can be opened.
function attachment(file) {
  const src = file.content_url ?? file.attachment_url;
  const name = file.file_name ?? file.name;
  const [kind] = (file.content_type ?? "").split("/");
  const link = make("a", { href: src, target: "_blank", rel: "noopener" }, icon("clip"), name);
  if (kind === "image") return [make("img", { className: "comment-image", src, alt: name, loading: "lazy" }), link];
  if (kind === "audio") return [make("audio", { src, controls: true, preload: "none", attributes: { "aria-label": name } }), link];
  if (kind === "video") return [make("video", { className: "comment-image", src, controls: true, preload: "none", attributes: { "aria-label": name } }), link];
  return [link];
}

export function comment(row) {
  if (row.day) return make("p", { className: "day" }, make("span", {}, row.day));
  const [sign, label] = LABELS[row.kind];
  const face = row.kind === "bridge"
    ? make("span", { className: "avatar bridge-face", attributes: { "aria-hidden": "true" } }, icon("bridge"))
    : avatar(row.author_name);
  const files = (row.attachments ?? []).map((file) => make("li", {}, ...attachment(file)));
  return make("article", { className: `comment ${row.kind}`, attributes: { "aria-label": `${label}, ${row.author_name}, ${timeOf(row.created_at)}` } },
    face,
    make("div", { className: "comment-body" },
      make("header", {},
        make("strong", { dir: "auto" }, row.author_name),
        make("span", { className: "comment-kind" }, sign ? icon(sign) : null, label),
        make("time", { dateTime: row.created_at, title: fullTime(row.created_at) }, timeOf(row.created_at))),
      make("div", { className: "comment-text" }, ...(row.kind === "bridge" ? note(row.plain_body) : cleaned(row.html_body))),
      files.length ? make("ul", { className: "comment-files" }, ...files) : null));
}

// The first line of a bridge's note says what it is about; what quotes a command to type stands out.
function note(text) {
  return text.split("\n").map((line, place) => {
    const parts = line.split(/(\/wa [a-z]+(?: cancel)?)(?=\s|$|\.)/u);
    const inner = parts.map((part) => (part.startsWith("/wa ") ? make("code", {}, part) : part));
    return make("p", { className: place === 0 ? "lead" : "", dir: "auto" }, ...inner);
  });
}
