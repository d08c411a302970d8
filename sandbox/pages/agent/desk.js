// The agents' workspace: who acts, which ticket is open, and drawing it again when the helpdesk says that it changed.

import { onTick, now } from "../clock.js";
import { announce, at, make, shorten, stickToEnd, sync } from "../dom.js";
import { askDesk, helpdesk, readHelpdesk } from "../helpdesk.js";
import { onTopic, paced } from "../live.js";
import { choose, chosenTicket } from "../shared.js";
import { comment, commentRows } from "./comments.js";
import { drawComposer, pauseComposer, startComposer } from "./composer.js";
import { drawProperties, readFields } from "./properties.js";
import { allTickets, drawQueue, readTickets, sawTicket, startQueue, statusName } from "./queue.js";
import { windowOf } from "./window.js";

let agents = [];
let chosenId = 0;
let drawnId = 0;
let toEnd = () => {};

const agentId = () => Number(at("acting").value);
export const bridgeId = () => agents.find((one) => one.is_api_user)?.id ?? 0;

async function readAgents() {
  agents = await askDesk("/agents");
  const before = at("acting").value;
  at("acting").replaceChildren(...agents.map((one) => (
    make("option", { value: String(one.id) }, one.is_api_user ? `${one.name} (the bridge's own user)` : `${one.name}, ${one.kind}`))));
  at("acting").value = before || String(agents.find((one) => !one.is_api_user)?.id ?? "");
}

export function chooseTicket(id) {
  chosenId = id;
  if (id !== drawnId) pauseComposer();
  at("desk").dataset.showing = "ticket";
  redrawQueue();
  redrawTicket();
}

async function drawTickets() {
  await readTickets();
  if (!chosenId && allTickets().length) {
    chosenId = allTickets()[0].id;
    pauseComposer();
    redrawTicket();
  }
  drawQueue(chosenId);
}

async function drawTicket() {
  if (!chosenId) return;
  const ticket = await askDesk(`/tickets/${chosenId}`);
  if (ticket.id !== chosenId) return;
  const isOther = drawnId !== ticket.id;
  drawnId = ticket.id;
  at("ticket-none").hidden = true;
  at("ticket").hidden = false;
  at("properties").hidden = false;
  at("ticket-subject").textContent = ticket.subject;
  at("ticket-number").textContent = `#${ticket.id}`;
  at("ticket-status").textContent = statusName(ticket.status);
  at("ticket-status").className = `status ${ticket.status}`;
  at("ticket-undelivered").hidden = !ticket.tags.includes("wa_undelivered");
  drawWindow(ticket);
  const rows = commentRows(ticket.comments, bridgeId());
  sync(at("comments"), rows, { key: (row) => row.key, draw: comment });
  if (isOther) toEnd();
  drawComposer(ticket);
  drawProperties(ticket, agentId);
  sawTicket(ticket);
  drawQueue(chosenId);
  choose("ticket", ticket);
}

function drawWindow(ticket) {
  const shown = windowOf(ticket);
  at("ticket-window").hidden = shown === null;
  at("ticket-window").className = `badge window ${shown?.state ?? ""}`;
  at("ticket-window").textContent = shown?.words ?? "";
  at("ticket-window").title = "WhatsApp lets a business write freely for 24 hours after the customer's last message.";
}

function forget() {
  chosenId = 0;
  drawnId = 0;
  at("ticket").hidden = true;
  at("properties").hidden = true;
  at("ticket-none").hidden = false;
  delete at("desk").dataset.showing;
  choose("ticket", null);
}

function tellOfOthers(topic) {
  const id = Number(topic.split(":")[1]);
  const changed = allTickets().find((one) => one.id === id);
  if (id !== chosenId && changed) announce(`Ticket ${id}, ${changed.requester_name}: ${shorten(changed.latest, 80)}`);
}

const redrawQueue = paced(drawTickets);
const redrawTicket = paced(drawTicket);
const rereadFields = paced(readFields, 2000);

async function begin() {
  const { title } = await readHelpdesk();
  at("desk-name").textContent = title;
  at("lane-helpdesk").textContent = `${title} · agents`;
  await Promise.all([readAgents(), readFields()]);
  redrawQueue();
  redrawTicket();
}

export function startDesk() {
  toEnd = stickToEnd(at("comments"));
  startComposer(agentId);
  startQueue(chooseTicket);
  onTopic((topic) => {
    if (topic === "open" || topic === "setup") begin().catch(() => {});
    else if (topic === "users") readAgents().catch(() => {});
    else if (topic === helpdesk().prefix) rereadFields();
    else if (topic === "tickets") {
      forget();
      redrawQueue();
    } else if (topic.startsWith("ticket:")) {
      redrawQueue().then(() => tellOfOthers(topic), () => {});
      if (topic === `ticket:${chosenId}`) redrawTicket();
    } else if (topic === "clock") {
      redrawQueue();
      redrawTicket();
    }
  });
  let minute = 0;
  onTick(() => {
    const current = Math.floor(now() / 60000);
    if (current === minute) return;
    minute = current;
    drawQueue(chosenId);
    if (chosenTicket() !== null) drawWindow(chosenTicket());
  });
  at("ticket-back").addEventListener("click", () => {
    delete at("desk").dataset.showing;
    at("queue").querySelector("[aria-current=true]")?.focus();
  });
  at("details-toggle").addEventListener("click", () => {
    const isShown = at("desk").classList.toggle("shows-details");
    at("details-toggle").setAttribute("aria-expanded", String(isShown));
  });
}
