// Writing on a ticket: a public reply or an internal note, files, and the status it is submitted as.

import { at, make } from "../dom.js";
import { askDesk, helpdesk } from "../helpdesk.js";
import { isFromWhatsApp } from "./window.js";

const drafts = new Map();
let current = null;
let isStatusChosen = false;
let isSubmitting = false;

const isPublic = () => at("composer").elements.kind.value === "public";

export function setKind(kind) {
  at("composer").elements.kind.value = kind;
  drawKind();
}

function drawKind() {
  at("composer").classList.toggle("private", !isPublic());
  at("composer-label").textContent = isPublic() ? "Public reply" : "Internal note";
  const isOurs = current !== null && isFromWhatsApp(current);
  at("composer-to").textContent = isPublic() && isOurs ? `to ${current.requester?.name ?? "the customer"} on WhatsApp` : "";
  at("composer-text").placeholder = isPublic()
    ? "What you write here the customer reads. Ctrl+Enter submits."
    : "Only your team reads this. “/wa status” asks the bridge.";
}

function disable(isDisabled) {
  for (const control of [at("composer-text"), at("composer-submit"), ...at("composer").elements.kind]) control.disabled = isDisabled;
}

// Another ticket is on its way. Until it is here nothing can be written, lest it land on the one before, or be public
// where a note was meant.
export function pauseComposer() {
  if (current !== null) drafts.set(current.id, at("composer-text").value);
  current = null;
  at("composer-text").value = "";
  setKind("public");
  disable(true);
}

// A ticket came, or changed: its draft and the statuses that it can be submitted as.
export function drawComposer(ticket) {
  const isOther = current?.id !== ticket.id;
  current = ticket;
  disable(false);
  at("composer-submit").disabled = isSubmitting;
  if (isOther) {
    at("composer-text").value = drafts.get(ticket.id) ?? "";
    isStatusChosen = false;
  }
  drawKind();
  const statuses = Object.entries(helpdesk().statuses).filter(([name]) => name !== "new" || ticket.status === "new");
  const kept = isStatusChosen ? at("composer-status").value : "";
  at("composer-status").replaceChildren(...statuses.map(([value, words]) => make("option", { value }, words)));
  at("composer-status").value = kept || (ticket.status === "new" ? "open" : ticket.status);
  const isOver = ticket.status === "deleted" || (ticket.status === "closed" && helpdesk().canClose);
  at("composer").hidden = isOver;
  at("ticket-over").hidden = !isOver;
  at("ticket-over").textContent = `This ticket is ${ticket.status}: nothing can be added. If the customer writes, a new one follows.`;
}

function encoded(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onerror = () => reject(reader.error);
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.readAsDataURL(file);
  });
}

async function submit(agentId) {
  const ticket = current;
  const files = [...at("files").files];
  const text = at("composer-text").value.trim() || files.map((file) => file.name).join(", ");
  const wish = { agent: agentId, status: at("composer-status").value };
  const kind = { public: isPublic() };
  isSubmitting = true;
  at("composer-submit").disabled = true;
  try {
    if (text) {
      const attachments = await Promise.all(files.map(async (file) => (
        { filename: file.name, content_type: file.type || "application/octet-stream", data: await encoded(file) })));
      await askDesk(`/tickets/${ticket.id}/comments`, { ...wish, ...kind, text, attachments });
    } else {
      await askDesk(`/tickets/${ticket.id}`, wish);
    }
    drafts.delete(ticket.id);
    if (current?.id === ticket.id) at("composer-text").value = "";
    at("files").value = "";
    drawFiles();
    isStatusChosen = false;
  } finally {
    isSubmitting = false;
    at("composer-submit").disabled = current === null;
  }
}

function drawFiles() {
  const count = at("files").files.length;
  at("files-words").textContent = count === 0 ? "Attach" : count === 1 ? at("files").files[0].name : `${count} files`;
}

export function startComposer(agentId) {
  at("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit(agentId()).then(() => at("composer-text").focus(), () => {});
  });
  at("composer").addEventListener("change", (event) => {
    if (event.target.name === "kind") drawKind();
    if (event.target.id === "files") drawFiles();
    if (event.target.id === "composer-status") isStatusChosen = true;
  });
  at("composer-text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("composer").requestSubmit();
  });
}
