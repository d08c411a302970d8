// Whose phone is it? The row of customers, the dialog for a new one, and the settings of the chosen one's phone.

import { ask } from "../api.js";
import { announce, at, avatar, make, openDialog, roving, sync } from "../dom.js";
import { chosenCustomer, choose } from "../shared.js";

const SHOWN = 60;
const SETTINGS = ["online", "reads", "read_receipts", "hidden_number"];

let customers = [];
let wantedId = "";

export const allCustomers = () => customers;

export async function readCustomers() {
  customers = await ask("/customers");
  const current = customers.find((one) => one.id === wantedId) ?? customers[0] ?? null;
  wantedId = current?.id ?? "";
  drawRow();
  drawSettings(current);
  choose("customer", current);
}

// As on a phone, taking up a conversation reads what is in it.
export function chooseCustomer(id) {
  const current = customers.find((one) => one.id === id);
  if (current === undefined) return;
  wantedId = id;
  drawRow();
  drawSettings(current);
  choose("customer", current);
  at("customers").querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (current.online) readAll().catch(() => {});
}

export const readAll = () => ask(`/customers/${wantedId}/read`, {});

export async function createCustomer(wish, options) {
  const made = await ask("/customers", wish, options);
  wantedId = made.id;
  await readCustomers();
  return made;
}

function drawRow() {
  const shown = customers.slice(-SHOWN).map((one) => (
    { id: one.id, name: one.name, unread: one.unread, isChosen: one.id === wantedId, isOn: one.online }
  ));
  sync(at("customers"), shown, { key: (one) => one.id, draw: person });
}

function person(one) {
  const state = [one.isOn ? "" : "phone off", one.unread ? `${one.unread} new` : ""].filter(Boolean).join(", ");
  return make("li", {}, make("button", {
    type: "button", className: "person", title: one.name, onclick: () => chooseCustomer(one.id),
    attributes: { "aria-current": String(one.isChosen), "aria-label": state ? `${one.name}, ${state}` : one.name },
  },
  avatar(one.name, one.isOn ? "" : "off"), make("span", { className: "person-name", dir: "auto" }, one.name),
  one.unread ? make("span", { className: "unread", attributes: { "aria-hidden": "true" } }, String(one.unread)) : null));
}

function drawSettings(customer) {
  at("phone-menu").hidden = customer === null;
  if (customer === null) return;
  at("phone-owner").textContent = `${customer.name}'s phone`;
  at("phone-ids").replaceChildren(
    make("span", {}, `+${customer.wa_id}${customer.hidden_number ? " (hidden)" : ""}`),
    make("span", {}, customer.user_id),
    customer.username ? make("span", {}, `@${customer.username}`) : "");
  for (const name of SETTINGS) at(`set-${name}`).checked = customer[name];
}

const change = (wish) => ask(`/customers/${chosenCustomer().id}`, wish);

async function askForCustomer() {
  const form = at("customer-form");
  form.reset();
  at("customer-problem").hidden = true;
  for (;;) {
    if (!await openDialog(at("customer-dialog"))) return;
    const given = new FormData(form);
    try {
      const made = await createCustomer({
        name: given.get("name").trim(), wa_id: given.get("wa_id").trim() || undefined, username: given.get("username").trim(),
        hidden_number: given.get("hidden_number") === "on",
      }, { silent: true });
      announce(`${made.name} has a phone now.`);
      at("write-text").focus();
      return;
    } catch (error) {
      at("customer-problem").textContent = `That did not work: ${error.message}.`;
      at("customer-problem").hidden = false;
    }
  }
}

export function startCustomers() {
  roving(at("customers"), ".person");
  for (const name of SETTINGS) {
    at(`set-${name}`).addEventListener("change", (event) => change({ [name]: event.target.checked }).catch(() => {}));
  }
  at("turn-on").addEventListener("click", () => change({ online: true }).catch(() => {}));
  at("read-all").addEventListener("click", () => {
    at("phone-menu").open = false;
    readAll().catch(() => {});
  });
  for (const id of ["customer-new", "thread-empty-new"]) at(id).addEventListener("click", askForCustomer);
}
