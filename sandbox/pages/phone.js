// Plays the customers: talks to the control API only, and redraws when the live stream says so.

const API = "/sandbox/api";
const TICKS = { accepted: "🕓", queued: "🕓", sent: "✓", delivered: "✓✓", read: "✓✓" };
const WORDS = { accepted: "waiting", queued: "waiting", sent: "sent", delivered: "delivered", read: "read" };
const at = (id) => document.getElementById(id);

let chosen = "";
let customers = [];

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

async function ask(path, content) {
  const wish = content === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
  };
  const answer = await fetch(API + path, wish);
  const said = await answer.json();
  at("problem").hidden = answer.ok;
  at("problem").textContent = answer.ok ? "" : said.error;
  if (!answer.ok) throw new Error(said.error);
  return said;
}

let drawnList = "";

async function drawCustomers() {
  customers = await ask("/customers");
  if (!customers.some((one) => one.id === chosen)) {
    chosen = customers[0]?.id ?? "";
    soon(drawThread);
  }
  drawHead();
  const list = JSON.stringify([chosen, customers.map((one) => [one.id, one.name, one.hidden_number, one.unread])]);
  if (list === drawnList) return;
  drawnList = list;
  const focused = document.activeElement?.dataset?.customer;
  at("customers").replaceChildren(...customers.map((one) => {
    const number = one.hidden_number ? `hidden (+${one.wa_id})` : `+${one.wa_id}`;
    const name = one.unread ? `${one.name} (${one.unread} new)` : one.name;
    const button = make("button", { type: "button" }, name, make("small", {}, number), make("small", {}, one.user_id));
    button.dataset.customer = one.id;
    button.setAttribute("aria-current", String(one.id === chosen));
    button.addEventListener("click", () => choose(one.id));
    return make("li", {}, button);
  }));
  if (focused) at("customers").querySelector(`[data-customer="${focused}"]`)?.focus();
}

// Opening a conversation reads it, as on a phone.
function choose(id) {
  chosen = id;
  soon(drawCustomers);
  soon(drawThread);
  ask(`/customers/${id}/read`, {});
}

function drawHead() {
  const one = customers.find((customer) => customer.id === chosen);
  at("thread-title").textContent = one ? one.name : "Nobody chosen";
  at("phone-switches").hidden = !one;
  at("text").disabled = at("write").querySelector("button").disabled = !one;
  at("typing").hidden = !one?.sees_typing;
  if (!one) { at("window").textContent = ""; return; }
  at("online").checked = one.online;
  at("reads").checked = one.reads;
  at("hidden-number").checked = one.hidden_number;
  const left = Math.max(0, ...Object.values(one.window_seconds_left));
  at("window").textContent = left > 0
    ? `Service window open for ${Math.floor(left / 3600)} h ${Math.floor(left % 3600 / 60)} min`
    : "Service window closed";
}

function bubble(one, all) {
  const item = make("li", { className: `bubble ${one.direction}` });
  const quoted = one.context && all.find((other) => other.wamid === one.context);
  if (quoted) item.append(make("span", { className: "quote" }, quoted.text));
  const time = make("time", { dateTime: one.at }, new Date(one.at).toLocaleString([], { dateStyle: "short", timeStyle: "short" }));
  const tick = make("span", { className: `tick ${one.status}`, title: WORDS[one.status] ?? one.status }, TICKS[one.status] ?? "");
  tick.setAttribute("role", "img");
  tick.setAttribute("aria-label", WORDS[one.status] ?? one.status);
  item.append(one.text, make("span", { className: "foot" }, time, " ", tick));
  return item;
}

async function drawThread() {
  const asked = chosen;
  const all = asked ? await ask(`/customers/${asked}/messages`) : [];
  if (asked !== chosen) return;
  const thread = at("thread");
  const follow = thread.scrollTop + thread.clientHeight >= thread.scrollHeight - 40;
  thread.replaceChildren(...all.slice(-200).map((one) => bubble(one, all)));
  if (follow) thread.scrollTop = thread.scrollHeight;
}

async function drawClock() {
  const clock = await ask("/clock");
  at("now").textContent = new Date(clock.now).toLocaleString();
  at("now").dateTime = clock.now;
  at("offset").textContent = clock.offset_seconds ? `(${(clock.offset_seconds / 3600).toFixed(2)} h ahead)` : "(real)";
}

function faultInput(key, fault) {
  const id = `fault-${key}`;
  const value = fault.value;
  const input = make("input", { id });
  if (typeof value === "boolean") Object.assign(input, { type: "checkbox", checked: value });
  else if (typeof value === "number") Object.assign(input, { type: "number", min: 0, step: "any", value });
  else input.value = JSON.stringify(value);
  input.addEventListener("change", () => {
    let wish = input.checked;
    if (input.type !== "checkbox") {
      try {
        wish = JSON.parse(input.value || "null");
      } catch {
        at("problem").hidden = false;
        at("problem").textContent = `${key} takes JSON`;
        return;
      }
    }
    ask("/faults", { [key]: wish }).finally(() => soon(drawFaults));
  });
  return input;
}

async function drawFaults() {
  const faults = await ask("/faults");
  const focused = document.activeElement?.id;
  at("faults").replaceChildren(...Object.entries(faults).filter(([key]) => key.startsWith("whatsapp.")).map(([key, fault]) => {
    const touched = JSON.stringify(fault.value) !== JSON.stringify(fault.default);
    return make("div", { className: touched ? "fault on" : "fault" },
      faultInput(key, fault),
      make("label", { htmlFor: `fault-${key}` }, key.replace("whatsapp.", "").replaceAll("_", " ")),
      make("p", {}, fault.help));
  }));
  if (focused?.startsWith("fault-")) at(focused)?.focus();
}

const openEntries = new Set();

async function drawJournal() {
  const entries = await ask("/journal?limit=60");
  at("journal").replaceChildren(...entries.map((entry) => {
    const details = make("details", { open: openEntries.has(entry.number) },
      make("summary", {},
        make("time", { dateTime: entry.at }, entry.at.slice(11, 23)), ` ${entry.source} → ${entry.target}: ${entry.summary}`),
      make("pre", {}, JSON.stringify(entry.detail, null, 1)));
    details.addEventListener("toggle", () => openEntries[details.open ? "add" : "delete"](entry.number));
    return make("li", {}, details);
  }));
}

const drawn = new Map();
function soon(draw) {
  // One redraw at a time, and one more if something changed meanwhile.
  if (drawn.has(draw)) { drawn.set(draw, true); return; }
  drawn.set(draw, false);
  draw().catch(() => {}).finally(() => setTimeout(() => {
    const again = drawn.get(draw);
    drawn.delete(draw);
    if (again) soon(draw);
  }, 150));
}

function drawAll() { [drawCustomers, drawThread, drawFaults, drawClock, drawJournal].forEach(soon); }

const live = new EventSource(`${API}/live`);
live.addEventListener("open", drawAll);
live.addEventListener("message", (event) => {
  const { topic } = JSON.parse(event.data);
  if (topic === `thread:${chosen}`) soon(drawThread);
  if (topic === "customers" || topic.startsWith("thread:")) soon(drawCustomers);
  if (topic === "clock") { soon(drawClock); soon(drawCustomers); }
  if (topic === "faults") soon(drawFaults);
  if (topic === "journal") soon(drawJournal);
});
setInterval(() => { soon(drawClock); soon(drawCustomers); }, 5000);

at("new-customer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  const made = await ask("/customers", {
    name: form.get("name"), wa_id: form.get("wa_id") || undefined, username: form.get("username"),
    hidden_number: form.get("hidden_number") === "on",
  });
  chosen = made.id;
  drawAll();
});

at("write").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = at("text").value.trim();
  if (!text || !chosen) return;
  at("text").value = "";
  await ask(`/customers/${chosen}/messages`, { text });
  await ask(`/customers/${chosen}/read`, {});
});
at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    at("write").requestSubmit();
  }
});

at("read").addEventListener("click", () => ask(`/customers/${chosen}/read`, {}));
for (const [id, key] of [["online", "online"], ["reads", "reads"], ["hidden-number", "hidden_number"]]) {
  at(id).addEventListener("change", (event) => ask(`/customers/${chosen}`, { [key]: event.target.checked }));
}
at("clock-buttons").addEventListener("click", (event) => {
  const seconds = event.target.dataset.seconds;
  if (seconds === undefined) return;
  ask("/clock", seconds === "0" ? { offset_seconds: 0 } : { advance_seconds: Number(seconds) });
});
