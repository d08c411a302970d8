// The 24-hour window as a ticket lets one see it: a day from the customer's last public comment.

import { now, span } from "../clock.js";

const DAY_SECONDS = 24 * 3600;
const CLOSING_SECONDS = 2 * 3600;

export const isFromWhatsApp = (ticket) => ticket.tags.includes("whatsapp");

// {state, words}; null where the ticket is none of WhatsApp's, or the customer wrote nothing on it.
export function windowOf(ticket) {
  if (!isFromWhatsApp(ticket)) return null;
  const last = ticket.comments.findLast((one) => one.public && one.author_id === ticket.requester_id);
  if (last === undefined) return null;
  const left = DAY_SECONDS - (now() - Date.parse(last.created_at)) / 1000;
  if (left <= 0) return { state: "closed", words: `Window closed ${span(-left)} ago` };
  return { state: left < CLOSING_SECONDS ? "closing" : "open", words: `Window open, ${span(left)} left` };
}
