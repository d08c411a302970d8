// What was said between the three parties, newest first, each line an arrow from one lane to another.

import { ask } from "../api.js";
import { fullTime, secondOf } from "../clock.js";
import { at, make, roving, sync } from "../dom.js";
import { onTopic, paced } from "../live.js";
import { onChosen, recall, remember } from "../shared.js";
import { told } from "./words.js";

const FIRST = 300;
const KEPT = 1000;
const SHOWN = 250;
const PAUSE_MILLISECONDS = 300;
const KINDS = { messages: "Messages", ticks: "Ticks", tickets: "Tickets", rings: "Rings", reads: "Reads and set-up" };
const LANES = ["whatsapp", "bridge", "helpdesk"];
const NAMES = ["WhatsApp", "deskbridge", "the helpdesk"];

let entries = [];
let isOpen = false;
let shownKinds = new Set(recall("log-kinds", ["messages", "ticks", "tickets", "rings"]));

async function read({ isAnew = false } = {}) {
  if (isAnew) entries = [];
  const newest = entries[0]?.number ?? 0;
  const fresh = await ask(`/journal?limit=${newest ? KEPT : FIRST}&after=${newest}`);
  entries = [...fresh.map((entry) => ({ ...told(entry), raw: entry })), ...entries].slice(0, KEPT);
  draw();
}

function draw() {
  const search = at("log-search").value.trim().toLowerCase();
  const lines = entries.filter((one) => shownKinds.has(one.kind) || (one.isBad && one.kind !== "reads"));
  const last = lines[0];
  at("log-last").replaceChildren(...(last
    ? [make("time", {}, secondOf(last.at)), make("span", { className: `dot ${LANES[last.from]}` }), make("span", { dir: "auto" }, last.words)] : []));
  if (!isOpen) return;
  const found = lines.filter((one) => !search || `${one.words} ${one.raw.summary}`.toLowerCase().includes(search)).slice(0, SHOWN);
  sync(at("log-rows"), found, { key: (one) => one.number, draw: row });
  at("log-empty").hidden = found.length > 0;
}

function row(one) {
  const isOwn = one.from === one.to;
  const way = isOwn ? "own" : one.from < one.to ? "right" : "left";
  const spoken = isOwn ? `At ${NAMES[one.from]}` : `${NAMES[one.from]} to ${NAMES[one.to]}`;
  const line = make("summary", {},
    make("time", { dateTime: one.at, title: fullTime(one.at) }, secondOf(one.at)),
    make("span", { className: "sr" }, `${spoken}: `),
    make("span", { className: `arrow ${way} from-${LANES[one.from]} to-${LANES[one.to]}` },
      make("span", { className: "arrow-words", dir: "auto" }, one.words),
      one.isBad && one.result ? make("span", { className: "arrow-result" }, one.result) : null));
  const details = make("details", { className: one.isBad ? "bad" : "" }, line);
  details.addEventListener("toggle", () => {
    if (details.open && !details.querySelector("pre")) details.append(make("pre", { tabIndex: 0 }, pretty(one.raw)));
  });
  return make("li", {}, details);
}

function pretty(entry) {
  const detail = { ...entry.detail };
  try {
    detail.body = JSON.parse(detail.body);
  } catch {
    // A body that is no JSON is shown as it is.
  }
  return `${entry.source} → ${entry.target}: ${entry.summary}\n${JSON.stringify(detail, null, 2)}`;
}

function openLog(open) {
  isOpen = open;
  document.documentElement.dataset.log = open ? "open" : "";
  at("log-body").hidden = !open;
  at("log-tools").hidden = !open;
  at("log-last").hidden = open;
  at("log-toggle").setAttribute("aria-expanded", String(open));
  draw();
}

const refresh = paced(read, PAUSE_MILLISECONDS);
const reread = paced(() => read({ isAnew: true }), PAUSE_MILLISECONDS);

export function startLog() {
  roving(at("log-rows"), "summary");
  at("log-kinds").append(...Object.entries(KINDS).map(([kind, words]) => make("label", { className: "chip" },
    make("input", { type: "checkbox", checked: shownKinds.has(kind), onchange: (event) => {
      shownKinds = new Set(event.target.checked ? [...shownKinds, kind] : [...shownKinds].filter((one) => one !== kind));
      remember("log-kinds", [...shownKinds]);
      draw();
    } }), make("span", {}, words))));
  at("log-search").addEventListener("input", draw);
  at("log-toggle").addEventListener("click", () => {
    openLog(!isOpen);
    remember("log-open", isOpen);
  });
  onChosen("tab", () => { if (document.documentElement.dataset.tab === "log") openLog(true); });
  onTopic((topic) => {
    if (topic === "open" || topic === "tickets") reread();
    else if (topic === "journal") refresh();
  });
  openLog(recall("log-open", false));
}
