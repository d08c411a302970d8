// What else a ticket has: requester, fields, tags, and what can be done with the ticket as a whole.

import { areYouSure, at, avatar, make, openDialog, sync } from "../dom.js";
import { askDesk, helpdesk } from "../helpdesk.js";
import { allTickets, statusName } from "./queue.js";

let options = new Map();

// Drop-downs show the words of their values.
export async function readFields() {
  const fields = await askDesk("/fields", undefined, { silent: true }).catch(() => []);
  options = new Map(fields.flatMap((field) => (field.custom_field_options ?? []).map((one) => [one.value, one.name])));
}

function shown(value) {
  if (value === true || value === false) return value ? "Yes" : "No";
  return options.get(value) ?? String(value ?? "–");
}

function drawRequester(person) {
  if (!person) {
    at("requester").replaceChildren(make("p", {}, "Deleted"));
    return;
  }
  at("requester").replaceChildren(avatar(person.name),
    make("div", {}, make("strong", { dir: "auto" }, person.name),
      ...[person.phone ?? person.mobile, person.email, person.external_id].filter(Boolean).map((line) => make("span", {}, String(line)))));
}

export function drawProperties(ticket, agentId) {
  drawRequester(ticket.requester);
  const rows = { Assignee: ticket.assignee?.name ?? "Nobody", ...ticket.fields_by_title };
  at("fields").replaceChildren(...Object.entries(rows).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, shown(value))]));
  const isOver = ticket.status === "closed" || ticket.status === "deleted";
  const save = (tags) => askDesk(`/tickets/${ticket.id}`, { agent: agentId(), tags }).catch(() => {});
  sync(at("tags"), ticket.tags.map((tag) => ({ tag, isOver, ticket: ticket.id })), {
    key: (one) => one.tag,
    draw: (one) => make("li", {}, one.tag, one.isOver ? null : make("button", {
      type: "button", attributes: { "aria-label": `Remove the tag ${one.tag}` },
      onclick: () => save([...at("tags").children].map((child) => child.dataset.key).filter((tag) => tag !== one.tag)),
    }, "×")),
  });
  at("tag-form").hidden = isOver;
  at("tag-form").onsubmit = (event) => {
    event.preventDefault();
    const added = at("tag-new").value.split(/\s+/u).filter(Boolean);
    at("tag-new").value = "";
    if (added.length) save([...ticket.tags, ...added]);
  };
  drawActs(ticket, agentId);
}

function drawActs(ticket, agentId) {
  const acts = [];
  if (ticket.status !== "deleted") {
    if (ticket.status !== "closed") acts.push(["Merge…", () => merge(ticket, agentId())]);
    if (ticket.status !== "closed" && helpdesk().canClose) acts.push(["Close for good", () => askDesk(`/tickets/${ticket.id}/close`, {})]);
    acts.push(["Delete…", () => remove(ticket)]);
  }
  at("acts").replaceChildren(...acts.map(([words, act]) => make("button", {
    type: "button", className: "quiet-button", onclick: () => act().catch(() => {}),
  }, words)));
}

async function merge(ticket, agentId) {
  const others = allTickets().filter((one) => one.id !== ticket.id && one.status !== "closed");
  const own = others.filter((one) => one.requester_id === ticket.requester_id);
  const offered = [...own, ...others.filter((one) => !own.includes(one))];
  at("merge-into").replaceChildren(...offered.map((one) => (
    make("option", { value: String(one.id) }, `#${one.id} ${one.requester_name ?? ""}, ${statusName(one.status).toLowerCase()}: ${one.subject ?? ""}`))));
  at("merge-form").querySelector(".primary").disabled = offered.length === 0;
  if (await openDialog(at("merge-dialog"))) {
    await askDesk(`/tickets/${ticket.id}/merge`, { agent: agentId, into: Number(at("merge-into").value) });
  }
}

async function remove(ticket) {
  if (await areYouSure(`Delete ticket #${ticket.id}?`, "If the customer writes again, a new ticket names this one.", "Delete")) {
    await askDesk(`/tickets/${ticket.id}`, undefined, { method: "DELETE" });
  }
}
