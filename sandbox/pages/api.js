// Talks to the sandbox's control API; what it refuses is shown, and thrown.

import { at } from "./dom.js";

const API = "/sandbox/api";

function complaint(said) {
  const error = said?.error;
  if (typeof error !== "object" || error === null) return String(error ?? "That did not work.");
  const details = Object.values(error.details ?? {}).flat().map((detail) => detail.description);
  return details.join("; ") || error.description || error.message || String(error.error ?? "That did not work.");
}

let hiding = 0;

export function complain(text) {
  at("problem").textContent = text;
  at("problem").hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { at("problem").hidden = true; }, 9000);
}

export async function ask(path, content, { method, silent = false } = {}) {
  const wish = { method: method ?? (content === undefined ? "GET" : "POST") };
  if (content !== undefined) {
    wish.headers = { "Content-Type": "application/json" };
    wish.body = JSON.stringify(content);
  }
  let answer;
  let said;
  try {
    answer = await fetch(API + path, wish);
    said = await answer.json();
  } catch (error) {
    if (!silent) complain("The sandbox does not answer. Does ./scripts/up still run?");
    throw error;
  }
  if (answer.ok) return said;
  if (!silent) complain(complaint(said));
  throw new Error(complaint(said));
}
