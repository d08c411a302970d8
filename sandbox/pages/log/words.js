// What an entry of the journal says, in words: from which party to which, of what kind, and whether it went well.

const WHATSAPP = 0;
const BRIDGE = 1;
const HELPDESK = 2;

const PARTIES = { whatsapp: WHATSAPP, product: BRIDGE, deskbridge: BRIDGE, zendesk: HELPDESK, freshdesk: HELPDESK, http: HELPDESK };
const quote = (text) => `“${text}”`;

export function told(entry) {
  const from = PARTIES[entry.source] ?? HELPDESK;
  const to = PARTIES[entry.target] ?? from;
  const said = from === WHATSAPP ? fromWhatsApp(entry)
    : entry.target === "whatsapp" ? toWhatsApp(entry)
      : from === BRIDGE ? toHelpdesk(entry)
        : to === BRIDGE ? ring(entry)
          : byAgent(entry);
  return { number: entry.number, at: entry.at, from, to, ...said };
}

function fromWhatsApp(entry) {
  if (entry.summary.startsWith("refused")) return { kind: "messages", words: `refuses: ${entry.summary.replace("refused ", "")}`, isBad: true };
  if (entry.target === "nobody") return { kind: "ticks", words: entry.summary, isBad: true };
  const [, cause, result] = /^webhook \((.*)\): (.*)$/u.exec(entry.summary) ?? [null, "", entry.summary];
  const values = valuesOf(entry.detail.body);
  const messages = values.flatMap((value) => (value.messages ?? []).map((one) => said(one, value)));
  const statuses = values.flatMap((value) => (value.statuses ?? []).map(statusWords));
  const isBad = result !== "200" || statuses.some((one) => one.startsWith("failed"));
  const words = [...messages, ...counted(statuses).map((one) => `status: ${one}`)].join(" · ") || cause;
  return { kind: messages.length || !statuses.length ? "messages" : "ticks", words, result, isBad };
}

function valuesOf(body) {
  try {
    return JSON.parse(body).entry.flatMap((entry) => entry.changes.map((change) => change.value));
  } catch {
    return [];
  }
}

function said(message, value) {
  const name = value.contacts?.[0]?.profile?.name ?? "The customer";
  return `${name}: ${message.type === "text" ? quote(message.text?.body ?? "") : message.type}`;
}

function statusWords(status) {
  return status.errors?.length ? `${status.status}: ${status.errors[0].code} ${status.errors[0].title ?? ""}`.trim() : status.status;
}

function counted(words) {
  const counts = new Map();
  for (const one of words) counts.set(one, (counts.get(one) ?? 0) + 1);
  return [...counts].map(([one, count]) => (count > 1 ? `${count} × ${one}` : one));
}

function toWhatsApp(entry) {
  const request = entry.detail.request;
  if (request) return { kind: "messages", words: `sends ${request.text ? quote(request.text.body) : `a ${request.type}`}`, result: "200" };
  return { kind: /cut/u.test(entry.summary) ? "messages" : "reads", words: entry.summary, isBad: /cut|not taken/u.test(entry.summary) };
}

const CALLS = [
  [/^POST \/tickets$/u, () => "opens a ticket"],
  [/^(?:PUT|POST) \/tickets\/(\d+)(?:\/(?:notes|reply))?$/u, (id) => `writes on ticket ${id}`],
  [/^POST \/(?:users|contacts)$/u, () => "adds the customer as a user"],
  [/^PUT \/(?:users|contacts)\/\d+$/u, () => "changes the customer's user"],
  [/^POST \/tickets\/(\S+)\/comments$/u, (id) => `writes on ticket ${id}`],
  [/^POST \/requesters$/u, () => "tells who the customer is"],
  [/^ASK \/tickets\/(\S+)\/comments$/u, (id) => `reads the comments of ticket ${id}`],
  [/^ASK \/changes$/u, () => "asks what changed"],
  [/^GET \/tickets\/(\d+)\/(?:comments|conversations)$/u, (id) => `reads the comments of ticket ${id}`],
  [/^GET \/tickets\/(\d+)$/u, (id) => `reads ticket ${id}`],
  [/^GET \/incremental\//u, () => "asks what changed"],
  [/^GET \/(?:users|contacts|search)/u, () => "looks for the customer"],
  [/^POST \/oauth\/tokens$/u, () => "signs in"],
];

function toHelpdesk(entry) {
  const [, call, result] = /^(.*): (.*)$/u.exec(entry.summary) ?? [null, entry.summary, ""];
  const [pattern, words] = CALLS.find(([one]) => one.test(call)) ?? [null, null];
  const isWrite = /^(?:POST|PUT|DELETE) \/(?:tickets|users|contacts|requesters)/u.test(call);
  return {
    kind: isWrite ? "tickets" : "reads",
    words: words ? words(...pattern.exec(call).slice(1)) : call,
    result,
    isBad: !/^2/u.test(result),
  };
}

function ring(entry) {
  const result = entry.summary.replace("webhook: ", "");
  return { kind: "rings", words: `rings: ${entry.cause || "something"} changed`, result, isBad: !/success|^2/u.test(result) };
}

function byAgent(entry) {
  const { ticket_id: id, public: isPublic } = entry.detail;
  const what = isPublic === true ? "writes a public reply on" : isPublic === false ? "writes an internal note on" : "changes";
  return { kind: "tickets", words: id ? `${entry.source} ${what} ticket ${id}` : `${entry.source}: ${entry.summary}` };
}
