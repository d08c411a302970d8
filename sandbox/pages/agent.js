// Plays the agents: talks to the control API only, and redraws when the live stream says so.

const API = "/sandbox/api";
const STATUSES = ["new", "open", "pending", "hold", "solved"];
const SAFE_TAGS = new Set(["A", "B", "BLOCKQUOTE", "BR", "CODE", "DEL", "DIV", "EM", "I", "LI", "OL", "P", "PRE", "S", "SPAN", "STRONG", "UL"]);
const at = (id) => document.getElementById(id);

let chosen = 0;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function complaint(said) {
  const error = said?.error;
  if (typeof error !== "object" || error === null) return String(error ?? "That did not work");
  const details = Object.values(error.details ?? {}).flat().map((detail) => detail.description);
  return details.join("; ") || error.description || error.message || JSON.stringify(error);
}

async function ask(path, content, method) {
  const wish = { method: method ?? (content === undefined ? "GET" : "POST") };
  if (content !== undefined) {
    wish.headers = { "Content-Type": "application/json" };
    wish.body = JSON.stringify(content);
  }
  const answer = await fetch(API + path, wish);
  const said = await answer.json();
  at("problem").hidden = answer.ok;
  at("problem").textContent = answer.ok ? "" : complaint(said);
  if (!answer.ok) throw new Error(complaint(said));
  return said;
}

// Only harmless elements of a comment's HTML come onto this page; links lose everything but their address.
function cleaned(html) {
  const copy = (node) => {
    if (node.nodeType === Node.TEXT_NODE) return [node.textContent];
    if (node.nodeType !== Node.ELEMENT_NODE) return [];
    const children = [...node.childNodes].flatMap(copy);
    if (!SAFE_TAGS.has(node.tagName)) return children;
    const element = make(node.tagName, {}, ...children);
    const address = node.getAttribute("href") ?? "";
    if (node.tagName === "A" && /^https?:/i.test(address)) Object.assign(element, { href: address, target: "_blank", rel: "noopener" });
    return [element];
  };
  return [...new DOMParser().parseFromString(html, "text/html").body.childNodes].flatMap(copy);
}

function shortTime(text) {
  return text.replace("T", " ").replace("Z", "");
}

async function drawAgents() {
  const agents = await ask("/zendesk/agents");
  const before = at("agent").value;
  at("agent").replaceChildren(...agents.map((one) => {
    const kind = one.is_api_user ? "the bridge's own user" : one.kind;
    return make("option", { value: String(one.id) }, `${one.name} (${kind})`);
  }));
  const first = agents.find((one) => !one.is_api_user);
  at("agent").value = before || String(first.id);
}

async function drawQueue() {
  const tickets = await ask(`/zendesk/tickets?view=${at("view").value}&limit=200`);
  const focused = document.activeElement?.dataset?.ticket;
  at("queue").replaceChildren(...tickets.map((one) => {
    const button = make("button", { type: "button" },
      `#${one.id} ${one.subject ?? ""} `,
      make("span", { className: "state" }, one.status),
      make("small", {}, one.requester_name ?? ""),
      make("small", {}, one.latest));
    button.dataset.ticket = String(one.id);
    button.setAttribute("aria-current", String(one.id === chosen));
    button.addEventListener("click", () => choose(one.id));
    return make("li", {}, button);
  }));
  if (!tickets.length) at("queue").append(make("li", { className: "quiet" }, "Nothing here."));
  if (focused) at("queue").querySelector(`[data-ticket="${focused}"]`)?.focus();
  if (!chosen && tickets.length) choose(tickets[0].id);
}

function choose(id) {
  chosen = id;
  drawnTicket = 0;
  soon(drawQueue);
  soon(drawTicket);
}

function drawComment(comment) {
  const staff = comment.author_role !== "end-user";
  const header = make("header", {},
    make("strong", {}, comment.author_name),
    comment.public ? "public" : "private note",
    `via ${comment.via.channel}`,
    make("time", { dateTime: comment.created_at }, shortTime(comment.created_at)));
  const files = comment.attachments.map((file) => make("li", {},
    make("a", { href: file.content_url, target: "_blank", rel: "noopener" }, `${file.file_name} (${file.content_type})`)));
  return make("li", { className: `comment ${staff ? "staff" : "customer"} ${comment.public ? "public" : "private"}` },
    header, make("div", {}, ...cleaned(comment.html_body)), ...(files.length ? [make("ul", { className: "list" }, ...files)] : []));
}

let drawnTicket = 0;
let statusTouched = false;

async function drawTicket() {
  if (!chosen) return;
  const ticket = await ask(`/zendesk/tickets/${chosen}`);
  if (ticket.id !== chosen) return;
  const fresh = drawnTicket !== ticket.id;
  drawnTicket = ticket.id;
  at("ticket").hidden = false;
  at("ticket-title").textContent = `#${ticket.id} ${ticket.subject}`;
  const facts = {
    Status: ticket.status,
    Requester: ticket.requester ? [ticket.requester.name, ticket.requester.phone, ticket.requester.external_id].filter(Boolean).join(" · ") : "deleted",
    Assignee: ticket.assignee?.name ?? "nobody",
    Tags: ticket.tags.join(" ") || "none",
    ...Object.fromEntries(Object.entries(ticket.fields_by_title).map(([name, value]) => [name, String(value ?? "empty")])),
    "External id": ticket.external_id ?? "none",
  };
  at("facts").replaceChildren(...Object.entries(facts).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  const list = at("comments");
  const atEnd = fresh || list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.replaceChildren(...ticket.comments.map(drawComment));
  if (atEnd) list.scrollTop = list.scrollHeight;
  const over = ticket.status === "closed" || ticket.status === "deleted";
  for (const control of at("ticket").querySelectorAll("button, textarea, input, select")) control.disabled = over;
  const offered = STATUSES.filter((status) => status !== "new" || ticket.status === "new");
  if (fresh) statusTouched = false;
  const kept = statusTouched ? at("status").value : "";
  at("status").replaceChildren(...offered.map((status) => make("option", { value: status }, status)));
  at("status").value = offered.includes(kept) ? kept : ticket.status === "new" ? "open" : ticket.status;
  if (document.activeElement !== at("tags")) at("tags").value = ticket.tags.join(" ");
}

function encoded(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onerror = () => reject(reader.error);
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.readAsDataURL(file);
  });
}

async function submitComment(event) {
  event.preventDefault();
  const text = at("text").value.trim();
  const wish = { agent: Number(at("agent").value), status: at("status").value };
  statusTouched = false;
  if (!text) {
    await ask(`/zendesk/tickets/${chosen}`, wish);
    return;
  }
  const isPublic = at("composer").elements.public.value === "yes";
  const attachments = await Promise.all([...at("files").files].map(async (file) => (
    { filename: file.name, content_type: file.type || "application/octet-stream", data: await encoded(file) })));
  await ask(`/zendesk/tickets/${chosen}/comments`, { ...wish, text, public: isPublic, attachments });
  at("text").value = "";
  at("files").value = "";
}

// Several wake-ups at once cause one redraw of a kind.
const waiting = new Set();
function soon(draw) {
  if (waiting.has(draw)) return;
  waiting.add(draw);
  setTimeout(() => {
    waiting.delete(draw);
    draw().catch((error) => console.warn(error.message));
  }, 50);
}

function act(id, kind, work) {
  at(id).addEventListener(kind, (event) => {
    event.preventDefault();
    work(event).catch((error) => console.warn(error.message));
  });
}

act("composer", "submit", submitComment);
act("tags-form", "submit", () => ask(`/zendesk/tickets/${chosen}`, { agent: Number(at("agent").value), tags: at("tags").value.split(/\s+/) }));
act("merge-form", "submit", async () => {
  await ask(`/zendesk/tickets/${chosen}/merge`, { agent: Number(at("agent").value), into: Number(at("into").value) });
  at("into").value = "";
});
act("close", "click", () => ask(`/zendesk/tickets/${chosen}/close`, {}));
act("delete", "click", async () => {
  await ask(`/zendesk/tickets/${chosen}`, undefined, "DELETE");
  soon(drawTicket);
});
act("view", "change", drawQueue);
at("composer").addEventListener("change", () => {
  at("composer").classList.toggle("private", at("composer").elements.public.value !== "yes");
});
at("status").addEventListener("change", () => {
  statusTouched = true;
});
at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("composer").requestSubmit();
});

let offsetMilliseconds = 0;
async function drawClock() {
  const clock = await ask("/clock");
  offsetMilliseconds = clock.offset_seconds * 1000;
}
setInterval(() => {
  at("now").textContent = new Date(Date.now() + offsetMilliseconds).toLocaleString();
}, 1000);

function drawAll() {
  for (const draw of [drawAgents, drawQueue, drawTicket, drawClock]) soon(draw);
}

const live = new EventSource(`${API}/live`);
live.addEventListener("open", drawAll);
live.addEventListener("message", (message) => {
  const { topic } = JSON.parse(message.data);
  if (topic.startsWith("ticket:")) soon(drawQueue);
  if (topic === `ticket:${chosen}`) soon(drawTicket);
  if (topic === "users") soon(drawAgents);
  if (topic === "clock") soon(drawClock);
  if (topic === "tickets") {
    chosen = 0;
    at("ticket").hidden = true;
    at("ticket-title").textContent = "No ticket chosen";
    soon(drawQueue);
  }
});
