// A file as the phone shows it: a picture, a film or a sound that plays, a document that can be saved.

import { icon, make } from "../dom.js";
import { paragraphs } from "./markup.js";

const FILES = ["image", "video", "audio", "document", "sticker"];

const contentOf = (message) => message.content?.[message.type] ?? message.content ?? {};

export const hasFile = (message) => FILES.includes(message.type) && Boolean(contentOf(message).id);

const viewers = {
  image: (src, label) => make("img", { src, alt: label, className: "bubble-picture", loading: "lazy" }),
  sticker: (src, label) => make("img", { src, alt: label, className: "bubble-sticker", loading: "lazy" }),
  video: (src, label) => make("video", { src, controls: true, preload: "metadata", className: "bubble-picture", attributes: { "aria-label": label } }),
  audio: (src, label) => make("audio", { src, controls: true, preload: "metadata", className: "bubble-sound", attributes: { "aria-label": label } }),
  document: (src, label) => make("a", { href: src, download: label, className: "bubble-document" }, icon("file"), make("span", { dir: "auto" }, label)),
};

export function file(message, label) {
  const content = contentOf(message);
  const src = `/sandbox/api/whatsapp/media/${encodeURIComponent(content.id)}`;
  const isVoice = message.type === "audio" && content.voice === true;
  const caption = content.caption && make("div", { className: "bubble-text", dir: "auto" }, ...paragraphs(content.caption));
  return make("div", { className: "bubble-file", data: { file: isVoice ? "voice" : message.type } },
    viewers[message.type](src, content.filename || (isVoice ? "Voice message" : label)), caption || null);
}
