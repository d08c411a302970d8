// Views with their counts, and the list of tickets in the chosen one.

import { ago } from "../clock.js";
import { at, avatar, make, roving, shorten, sync } from "../dom.js";
import { askDesk, helpdesk } from "../helpdesk.js";

const MOST = 500;
const VIEWS = [
  { name: "open", title: "Open", has: (ticket) => ticket.status === "new" || ticket.status === "open" },
  { name: "pending", title: "Pending", has: (ticket) => ticket.status === "pending" || ticket.status === "hold" },
  { name: "solved", title: "Solved", has: (ticket) => ticket.status === "solved" || ticket.status === "closed" },
  { name: "all", title: "All", has: () => true },
];
const NOTHING = { open: "Nothing open. Well done.", pending: "Nothing waits for a customer.", solved: "Nothing is solved yet.", all: "No tickets yet." };

let tickets = [];
let view = "open";
let chosenId = 0;
let onChoose = () => {};
const seen = new Map();

export const allTickets = () => tickets;
export const statusName = (status) => helpdesk().statuses[status] ?? status[0].toUpperCase() + status.slice(1);

export async function readTickets() {
  tickets = await askDesk(`/tickets?limit=${MOST}`);
}

export function sawTicket(ticket) {
  seen.set(ticket.id, ticket.comments.length);
}

export function startQueue(choose) {
  roving(at("queue"), ".queue-row");
  onChoose = choose;
}

export function drawQueue(chosen = chosenId) {
  chosenId = chosen;
  const counted = VIEWS.map((one) => ({ name: one.name, title: one.title, count: tickets.filter(one.has).length, isChosen: one.name === view }));
  sync(at("views"), counted, {
    key: (one) => one.name,
    draw: (one) => make("button", {
      type: "button", attributes: { "aria-pressed": String(one.isChosen) },
      onclick: () => {
        view = one.name;
        drawQueue();
      },
    }, one.title, " ", make("span", { className: "count-words" }, String(one.count))),
  });
  const shown = tickets.filter(VIEWS.find((one) => one.name === view).has).map((ticket) => ({
    id: ticket.id,
    subject: ticket.subject ?? "",
    status: ticket.status,
    requester: ticket.requester_name ?? "Somebody deleted",
    latest: shorten(ticket.latest ?? "", 90),
    ago: ago(ticket.updated_at),
    isUndelivered: ticket.tags.includes("wa_undelivered"),
    isNews: ticket.comment_count > (seen.get(ticket.id) ?? 0),
    isChosen: ticket.id === chosenId,
  }));
  sync(at("queue"), shown, { key: (one) => one.id, draw: row });
  at("queue-empty").hidden = shown.length > 0;
  at("queue-empty").textContent = NOTHING[tickets.length ? view : "all"];
}

function row(one) {
  const button = make("button", {
    type: "button", className: "queue-row", onclick: () => onChoose(one.id), attributes: { "aria-current": String(one.isChosen) },
  },
  avatar(one.requester),
  make("span", { className: "queue-words" },
    make("span", { className: "queue-top" },
      make("strong", { dir: "auto" }, one.requester), make("span", { className: "queue-ago" }, one.ago)),
    make("span", { className: "queue-latest", dir: "auto" }, one.latest),
    make("span", { className: "queue-foot" },
      make("span", { className: `status ${one.status}` }, statusName(one.status)), ` #${one.id}`,
      one.isUndelivered ? make("span", { className: "badge trouble" }, "Undelivered") : null)),
  one.isNews ? make("span", { className: "news", attributes: { role: "img", "aria-label": "something new" } }) : null);
  return make("li", {}, button);
}
