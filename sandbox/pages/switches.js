// What goes wrong out there, and what the vendors leave open: every switch with its line of explanation.

import { ask, complain } from "./api.js";
import { announce, at, make, sync } from "./dom.js";
import { isNarrow, showTab } from "./frame.js";
import { helpdesk } from "./helpdesk.js";
import { onTopic, paced } from "./live.js";
import { onChosen } from "./shared.js";

const PARTIES = { whatsapp: "WhatsApp", zendesk: "Zendesk", freshdesk: "Freshdesk", http: "Your CRM" };
const IS_OPEN_QUESTION = /unconfirmed|seen in|in one source|in another/iu;

let faults = {};
let isOpen = false;
let opener = null;

const isTouched = (fault) => JSON.stringify(fault.value) !== JSON.stringify(fault.default);
const title = (key) => {
  const words = key.slice(key.indexOf(".") + 1).replaceAll("_", " ");
  return words[0].toUpperCase() + words.slice(1);
};

// The group says "unconfirmed" already, and a form needs no spelling of its JSON.
function sentence(help) {
  const words = help.replace(/^Unconfirmed: |^\{.*?\}: | \(unconfirmed\)/gu, "");
  return words[0].toUpperCase() + words.slice(1);
}

async function read() {
  faults = await ask("/faults");
  draw();
}

function draw() {
  const touched = Object.values(faults).filter(isTouched).length;
  at("switches-count").hidden = touched === 0;
  at("switches-count").textContent = String(touched);
  at("switches-open").setAttribute("aria-label", touched ? `Switches, ${touched} not at their default` : "Switches");
  at("switches-default").disabled = touched === 0;
  if (!isOpen) return;
  const search = at("switches-search").value.trim().toLowerCase();
  const shown = Object.entries(faults)
    .map(([key, fault]) => ({ key, party: key.split(".")[0], ...fault }))
    .filter((one) => one.party === "whatsapp" || one.party === helpdesk().prefix)
    .filter((one) => !search || `${one.key} ${title(one.key)} ${one.help}`.toLowerCase().includes(search));
  const groups = [];
  for (const party of new Set(shown.map((one) => one.party))) {
    const own = shown.filter((one) => one.party === party);
    groups.push({ name: `${PARTIES[party] ?? party}: bad days`, party, rows: own.filter((one) => !IS_OPEN_QUESTION.test(one.help)) });
    groups.push({ name: `${PARTIES[party] ?? party}: unconfirmed facts`, party, rows: own.filter((one) => IS_OPEN_QUESTION.test(one.help)) });
  }
  const places = groups.filter((group) => group.rows.length);
  sync(at("switches-body"), places.map((group) => ({ name: group.name, party: group.party })), { key: (group) => group.name, draw: drawGroup });
  places.forEach((group, place) => {
    sync(at("switches-body").children[place].querySelector(".switch-rows"), group.rows, { key: (one) => one.key, draw: drawSwitch });
  });
  if (!places.length) at("switches-body").replaceChildren(make("p", { className: "empty" }, "No switch says that."));
}

function drawGroup(group) {
  return make("section", { attributes: { "aria-label": group.name } },
    make("h3", {}, make("span", { className: `dot ${group.party === "whatsapp" ? "whatsapp" : "helpdesk"}` }), group.name),
    make("div", { className: "switch-rows" }));
}

function set(key, value) {
  ask("/faults", { [key]: value }).then((said) => {
    faults = said;
    draw();
  }, () => read());
}

function drawSwitch(fault) {
  const id = `switch ${fault.key}`.replaceAll(/[ .]/gu, "-");
  const help = make("p", { id: `${id}-help` }, sentence(fault.help));
  const described = { "aria-describedby": help.id };
  const name = make(fault.key.endsWith("fail_next") ? "span" : "label", { className: "switch-name", htmlFor: id }, title(fault.key));
  return make("div", { className: `switch-row ${isTouched(fault) ? "touched" : ""}`, data: { switch: fault.key } },
    make("div", { className: "switch-words" }, name, help), control(fault, id, described));
}

function control(fault, id, attributes) {
  const change = (read) => (event) => {
    const value = read(event.target);
    if (value === undefined) return complain(`${title(fault.key)} takes a number.`);
    return set(fault.key, value);
  };
  if (typeof fault.value === "boolean") {
    return make("span", { className: "toggle" }, make("input", {
      type: "checkbox", id, checked: fault.value, attributes: { ...attributes, role: "switch" }, onchange: change((input) => input.checked),
    }));
  }
  if (fault.choices) {
    const select = make("select", { id, attributes, onchange: change((input) => input.value) },
      ...fault.choices.map((choice) => make("option", { value: choice }, choice.replaceAll("_", " "))));
    select.value = fault.value;
    return select;
  }
  if (typeof fault.value === "number") {
    return make("input", {
      type: "number", id, attributes, value: String(fault.value), step: "any", min: fault.key.startsWith("whatsapp.") ? "0" : "-1",
      onchange: change((input) => (input.value === "" ? null : Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : undefined)),
    });
  }
  if (typeof fault.value === "string") return make("input", { id, attributes, value: fault.value, spellcheck: false, onchange: change((input) => input.value) });
  return failure(fault, attributes);
}

// The next sends fail with a code of Meta's, at once or later by a status.
function failure(fault, attributes) {
  const { code = "", where = "status", count = 1 } = fault.value;
  const field = (words, input) => make("label", {}, words, input);
  const codeInput = make("input", { type: "number", name: "code", value: String(code), placeholder: "131026", required: true });
  const whereInput = make("select", { name: "where" },
    make("option", { value: "status" }, "later, by a status"), make("option", { value: "sync" }, "at once"));
  whereInput.value = where;
  const countInput = make("input", { type: "number", name: "count", value: String(count), min: "1", required: true });
  return make("form", {
    className: "failure", attributes: { ...attributes, "aria-label": title(fault.key) },
    onsubmit: (event) => {
      event.preventDefault();
      set(fault.key, { code: codeInput.valueAsNumber, where: whereInput.value, count: countInput.valueAsNumber });
    },
  },
  field("Code", codeInput), field("Fails", whereInput), field("Sends", countInput),
  make("button", { className: "quiet-button" }, code === "" ? "Set" : "Change"),
  code === "" ? null : make("button", { type: "button", className: "quiet-button", onclick: () => set(fault.key, null) }, "Off"));
}

function openSwitches(open) {
  isOpen = open;
  at("switches").hidden = !open;
  at("switches-open").setAttribute("aria-expanded", String(open));
  if (open) {
    read().catch(() => {});
    at("switches-search").focus({ preventScroll: true });
  } else if (opener?.isConnected) {
    opener.focus();
  }
}

const refresh = paced(read, 1000);

export function startSwitches() {
  at("switches-open").addEventListener("click", (event) => {
    opener = event.currentTarget;
    if (isNarrow()) showTab("switches");
    else openSwitches(!isOpen);
  });
  at("switches-close").addEventListener("click", () => (isNarrow() ? showTab("phone") : openSwitches(false)));
  at("switches").addEventListener("keydown", (event) => { if (event.key === "Escape" && !isNarrow()) openSwitches(false); });
  at("switches-search").addEventListener("input", draw);
  at("switches-default").addEventListener("click", async () => {
    const touched = Object.entries(faults).filter(([, fault]) => isTouched(fault)).map(([key]) => key);
    faults = await ask("/faults", Object.fromEntries(touched.map((key) => [key, null])));
    draw();
    announce("All switches are back at their default.");
  });
  onChosen("tab", () => {
    const wanted = document.documentElement.dataset.tab === "switches";
    if (wanted !== isOpen && (wanted || isNarrow())) openSwitches(wanted);
  });
  // Those that count down do so without a word: what is said tells that one may have.
  onTopic((topic) => { if (topic === "open" || topic === "faults" || topic === "journal") refresh(); });
}
