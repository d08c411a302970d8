// The phone: whom it writes to, the thread, and writing. It asks the control API, and draws again when told.

import { ask } from "../api.js";
import { onTick, now } from "../clock.js";
import { announce, at, icon, make, roving, shorten, stickToEnd, sync } from "../dom.js";
import { onTopic, paced } from "../live.js";
import { chosenCustomer, onChosen } from "../shared.js";
import { bubble, isAway, rows, words } from "./bubbles.js";
import { chooseFile, record, sendFile } from "./files.js";
import { readAll, readCustomers, startCustomers } from "./customers.js";

const SHOWN = 200;
const THUMB = "👍";
const KINDS = [
  ["pin", "Location", { type: "location", location: { latitude: 38.7223, longitude: -9.1393, name: "Rossio, Lisbon" } }],
  ["person", "Contact", { type: "contacts", contacts: [{ name: { formatted_name: "Rui Santos", first_name: "Rui" }, phones: [{ phone: "+351 910 000 222" }] }] }],
];

let business = "Business";
// Until the business listens, a message would be told to nobody.
let isConnected = false;
let quoting = null;
let editing = null;
let drawnFor = "";

async function readBusiness() {
  const [number] = await ask("/whatsapp/numbers");
  business = number?.name ?? "No business number yet";
  at("chat-name").textContent = business;
  at("chat-under").dataset.number = number ? `+${number.display_phone_number}` : "";
  const { whatsapp } = await ask("/state");
  isConnected = Object.values(whatsapp.subscribed_apps).some((apps) => apps.length > 0);
}

function drawHead() {
  const customer = chosenCustomer();
  const isTyping = customer?.sees_typing === true;
  at("chat-under").textContent = isTyping ? "typing…" : at("chat-under").dataset.number ?? "";
  at("chat-under").classList.toggle("typing", isTyping);
  const isOff = customer?.online === false;
  at("device-off").hidden = !isOff;
  at("chat-head").inert = at("thread").inert = isOff;
  for (const control of at("write").querySelectorAll("textarea, button")) control.disabled = !customer?.online || !isConnected;
}

async function drawThread() {
  const customer = chosenCustomer();
  const thread = customer === null ? [] : await ask(`/customers/${customer.id}/messages`);
  if (customer?.id !== chosenCustomer()?.id) return;
  const isOther = drawnFor !== (customer?.id ?? "");
  drawnFor = customer?.id ?? "";
  at("thread-empty").hidden = thread.length > 0;
  at("thread-empty-new").hidden = customer !== null;
  at("thread-empty-text").textContent = !isConnected
    ? "deskbridge has not connected this number yet. That takes a few seconds after its start."
    : customer === null ? "Nobody has a phone here yet." : `Nothing that ${customer.name} writes here leaves this machine.`;
  const isOff = customer?.online === false;
  const away = isOff ? thread.filter(isAway) : [];
  at("device-off-words").textContent = away.length === 0 ? "WhatsApp keeps what comes for it."
    : away.length === 1 ? "1 message waits at WhatsApp." : `${away.length} messages wait at WhatsApp.`;
  const shown = rows(thread.filter((one) => !away.includes(one)).slice(-SHOWN));
  sync(at("thread"), shown, { key: (row) => row.key, draw: (row) => bubble(row, { business, onReply: quote, onReact: react, onTap: tap, onEdit: edit, onDelete: remove }) });
  if (!isOther) return;
  toEnd();
  quote(null);
}

function quote(message) {
  quoting = message;
  editing = null;
  at("quoting").hidden = message === null;
  if (message === null) return;
  at("quoting-who").textContent = message.direction === "in" ? "You" : business;
  at("quoting-text").textContent = shorten(words(message), 80);
  at("write-text").focus();
}

// What is written next takes the place of this message. WhatsApp allows it for 15 minutes.
function edit(message) {
  quote(null);
  editing = message;
  at("quoting").hidden = false;
  at("quoting-who").textContent = "Edit";
  at("quoting-text").textContent = shorten(words(message), 80);
  at("write-text").value = message.text;
  at("write-text").focus();
}

function remove(message) {
  ask(`/customers/${chosenCustomer().id}/delete`, { wamid: message.wamid }).catch(() => {});
}

function sendChosen(file, options) {
  const context = quoting?.wamid ?? "";
  quote(null);
  toEnd();
  sendFile(chosenCustomer().id, file, { ...options, context });
}

const send = (wish) => ask(`/customers/${chosenCustomer().id}/messages`, wish);

function react(message) {
  send({ message: { type: "reaction", reaction: { message_id: message.wamid, emoji: THUMB } } }).catch(() => {});
}

async function tap(wish) {
  const led = await ask(`/customers/${chosenCustomer().id}/tap`, wish).catch(() => null);
  if (led?.url) announce(`This button opens ${led.url}`);
  else if (led?.phone_number) announce(`This button calls ${led.phone_number}`);
  else if (led?.code) announce(`Copied: ${led.code}`);
}

async function write(event) {
  event.preventDefault();
  const text = at("write-text").value.trim();
  if (!text || chosenCustomer() === null) return;
  const context = quoting?.wamid;
  const edited = editing;
  at("write-text").value = "";
  grow();
  quote(null);
  toEnd();
  if (edited) await ask(`/customers/${chosenCustomer().id}/edit`, { wamid: edited.wamid, text });
  else await send(context ? { text, context } : { text });
  await readAll();
}

function grow() {
  const box = at("write-text");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 130)}px`;
}

let toEnd = () => {};
const redrawCustomers = paced(readCustomers);
const redrawThread = paced(drawThread);

export function startPhone() {
  toEnd = stickToEnd(at("thread"));
  roving(at("thread"), ".bubble-tools button");
  startCustomers();
  onChosen("customer", () => {
    drawHead();
    redrawThread();
  });
  onTopic((topic) => {
    if (topic === "open" || topic === "setup" || topic === "subscriptions") readBusiness().then(redrawCustomers, () => {});
    else if (topic === "clock" || topic === "customers" || topic.startsWith("thread:")) redrawCustomers();
  });
  // A typing indicator ends by itself, and day separators turn at midnight.
  let minute = 0;
  onTick(() => {
    const current = Math.floor(now() / 60000);
    if (chosenCustomer()?.sees_typing || current !== minute) redrawCustomers();
    minute = current;
  });
  at("attach-kinds").append(...KINDS.map(([name, label, message]) => make("button", {
    type: "button", onclick: () => {
      at("attach").open = false;
      send({ message }).catch(() => {});
    },
  }, icon(name), label)));
  const recording = make("button", { type: "button", onclick: () => record((file) => sendChosen(file, { voice: true }), (runs) => { recording.lastChild.textContent = runs ? "Stop and send" : "Voice message"; }).catch(() => {}) }, icon("signal"), make("span", {}, "Voice message"));
  at("attach-kinds").append(
    ...[["Photo or video", "image/*,video/*"], ["File", ""]].map(([label, accept]) => make("button", {
      type: "button", onclick: () => {
        at("attach").open = false;
        chooseFile(accept, (file) => sendChosen(file));
      },
    }, icon("clip"), label)),
    recording,
    make("button", { type: "button", onclick: () => {
      at("attach").open = false;
      ask(`/customers/${chosenCustomer().id}/call`, {}).catch(() => {});
    } }, icon("phone"), "Call"),
  );
  at("write").addEventListener("submit", (event) => write(event).catch(() => {}));
  at("write-text").addEventListener("input", grow);
  at("write-text").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    at("write").requestSubmit();
  });
  at("quoting-stop").addEventListener("click", () => {
    quote(null);
    at("write-text").focus();
  });
}
