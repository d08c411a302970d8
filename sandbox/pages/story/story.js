// The guided story of the first visit. It shows where to act and goes on when that has happened; it does nothing itself,
// but to give the first customer a phone where nobody has one, and to put suggested words into a field.

import { ask } from "../api.js";
import { bridgeId, chooseTicket } from "../agent/desk.js";
import { isBridgeNote } from "../agent/comments.js";
import { setKind } from "../agent/composer.js";
import { at, icon, make } from "../dom.js";
import { isNarrow, showTab } from "../frame.js";
import { askDesk } from "../helpdesk.js";
import { onTopic, paced } from "../live.js";
import { allCustomers, chooseCustomer, createCustomer, readCustomers } from "../phone/customers.js";
import { chosenCustomer, onChosen, recall, remember, whenChosen } from "../shared.js";
import { STEPS } from "./steps.js";

const FIRST_CUSTOMER = "Ines";

// {step, customer, before}: null while no story is told.
let story = null;
let last = null;

async function look() {
  const customer = allCustomers().find((one) => one.id === story.customer);
  if (!customer) return null;
  const thread = await ask(`/customers/${customer.id}/messages`);
  const tickets = (await askDesk("/tickets?limit=200")).filter((one) => one.requester_name === customer.name);
  const ticket = tickets.length ? await askDesk(`/tickets/${tickets[0].id}`) : null;
  const comments = ticket?.comments ?? [];
  const notes = comments.filter((one) => isBridgeNote(one, bridgeId())).map((one) => one.plain_body);
  return {
    ticket: ticket?.id ?? 0,
    written: thread.filter((one) => one.direction === "in").length,
    received: thread.filter((one) => one.direction === "out").length,
    replies: comments.filter((one) => one.public && one.author_role !== "end-user").length,
    heldNotes: notes.filter((note) => /\bheld\b/u.test(note) && !note.startsWith("Window:")).length,
    statusNotes: notes.filter((note) => note.startsWith("Window:")).length,
    isWindowOpen: Object.values(customer.window_seconds_left).some((left) => left > 0),
  };
}

async function watch() {
  if (story === null) return;
  await readCustomers();
  const seen = await look();
  if (story === null) return;
  if (seen === null) return begin();
  story.before ??= seen;
  while (STEPS[story.step].isDone(seen, story.before)) {
    const told = story;
    if (STEPS[story.step].settlesMilliseconds) await pause(STEPS[story.step].settlesMilliseconds);
    if (story !== told) return;
    story = { ...story, step: story.step + 1, before: seen };
  }
  last = seen;
  remember("story", STEPS[story.step].name === "end" ? "done" : story);
  draw();
}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
const rewatch = paced(watch);

async function begin() {
  await readCustomers();
  if (!allCustomers().length) await createCustomer({ name: FIRST_CUSTOMER });
  story = { step: 0, customer: chosenCustomer().id, before: null };
  last = null;
  rewatch();
}

function end() {
  remember("story", story && STEPS[story.step].name !== "end" ? "dismissed" : "done");
  story = null;
  at("story").hidden = true;
  light(null);
  at("story-open").focus();
}

function draw() {
  const step = STEPS[story.step];
  const who = allCustomers().find((one) => one.id === story.customer)?.name ?? "the customer";
  at("story").hidden = false;
  at("story").dataset.step = step.name;
  setText("story-title", step.title(who));
  setText("story-text", step.text(who, last ?? story.before, story.before));
  at("story-steps").replaceChildren(...STEPS.slice(0, -1).map((one, place) => {
    const state = place < story.step ? "done" : place === story.step ? "current" : "";
    return make("li", { className: state, attributes: state === "current" ? { "aria-current": "step" } : {} },
      state === "done" ? icon("done") : String(place + 1), make("span", { className: "sr" }, state === "done" ? `${one.title(who)}: done` : one.title(who)));
  }));
  const isEnd = step.name === "end";
  at("story-fill").hidden = !step.fill;
  at("story-show").hidden = isEnd;
  // There is no place to answer before there is a ticket.
  const isEarly = !isEnd && paneOf(step.target) === "desk" && !last?.ticket;
  at("story-fill").disabled = at("story-show").disabled = isEarly;
  at("story-again").hidden = !isEnd;
  light(step);
}

// The live region speaks only what changed.
function setText(id, text) {
  if (at(id).textContent !== text) at(id).textContent = text;
}

const paneOf = (id) => at(id).closest("#phone, #desk")?.id;

function light(step) {
  for (const lit of document.querySelectorAll("[data-lit]")) delete lit.dataset.lit;
  if (!step?.target) return;
  const target = at(step.target);
  (target.closest(".write, .composer") ?? target).dataset.lit = "";
  const pane = paneOf(step.target);
  if (pane && pane !== document.documentElement.dataset.tab) document.querySelector(`.tabs [data-tab="${pane}"]`).dataset.lit = "";
}

// The place to act, with the story's customer and ticket in it.
async function goThere() {
  const step = STEPS[story.step];
  const pane = paneOf(step.target);
  if (pane && isNarrow()) showTab(pane);
  if (pane === "phone") chooseCustomer(story.customer);
  if (pane === "desk" && last?.ticket) {
    chooseTicket(last.ticket);
    await whenChosen("ticket", (ticket) => ticket?.id === last.ticket);
  }
  if (step.isNote) setKind("private");
  at(step.target).focus();
}

async function fill() {
  const step = STEPS[story.step];
  await goThere();
  const field = at(step.target);
  field.value = step.fill;
  field.dispatchEvent(new Event("input"));
}

export function startStory() {
  at("story-open").addEventListener("click", () => begin().catch(() => {}));
  at("story-again").addEventListener("click", () => begin().catch(() => {}));
  at("story-close").addEventListener("click", end);
  at("story-show").addEventListener("click", goThere);
  at("story-fill").addEventListener("click", fill);
  onChosen("tab", () => { if (story) light(STEPS[story.step]); });
  onTopic((topic) => {
    if (topic === "open") wake().catch(() => {});
    else if (story && (topic === "clock" || topic === "customers" || topic.startsWith("thread:") || topic.startsWith("ticket:"))) rewatch();
  });
}

async function wake() {
  if (story) return rewatch();
  const kept = recall("story", null);
  if (kept === "done" || kept === "dismissed") return undefined;
  if (kept === null) return begin();
  story = kept;
  return rewatch();
}
