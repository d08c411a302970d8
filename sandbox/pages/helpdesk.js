// Which helpdesk is set up, and what it calls things. The agents' routes have one shape under each one's prefix.

import { ask } from "./api.js";

const KNOWN = {
  zendesk: {
    prefix: "zendesk",
    title: "Zendesk",
    statuses: { new: "New", open: "Open", pending: "Pending", hold: "On-hold", solved: "Solved" },
    canClose: true,
  },
  freshdesk: {
    prefix: "freshdesk",
    title: "Freshdesk",
    statuses: { open: "Open", pending: "Pending", solved: "Resolved", closed: "Closed" },
    canClose: false,
  },
  http: {
    prefix: "http",
    title: "Your CRM",
    statuses: { open: "Open", pending: "Pending", hold: "On hold", solved: "Solved" },
    canClose: true,
  },
};

let current = KNOWN.zendesk;

export const helpdesk = () => current;

export async function readHelpdesk() {
  const { helpdesks } = await ask("/state");
  current = KNOWN[helpdesks[0]] ?? KNOWN.zendesk;
  return current;
}

export const askDesk = (path, content, options) => ask(`/${current.prefix}${path}`, content, options);
