// What changed just now: the sandbox's stream of topics, and drawing no more often than it is worth.

import { at } from "./dom.js";

const listeners = [];

// `hear` gets every topic; and "open" whenever the stream begins, since anything may have changed meanwhile.
export function onTopic(hear) {
  listeners.push(hear);
}

export function listen() {
  const stream = new EventSource("/sandbox/api/live");
  const tell = (topic) => listeners.forEach((hear) => hear(topic));
  stream.addEventListener("open", () => {
    if (document.documentElement.dataset.live === "no") at("problem").hidden = true;
    document.documentElement.dataset.live = "yes";
    tell("open");
  });
  stream.addEventListener("error", () => {
    document.documentElement.dataset.live = "no";
    at("problem").textContent = "No connection to the sandbox. This page goes on by itself once ./scripts/up runs again.";
    at("problem").hidden = false;
  });
  stream.addEventListener("message", (event) => tell(JSON.parse(event.data).topic));
}

const PAUSE_MILLISECONDS = 120;

// One run of `draw` at a time, and one more when it was asked for meanwhile.
export function paced(draw, pause = PAUSE_MILLISECONDS) {
  let isBusy = false;
  let isWanted = false;
  return async function run() {
    if (isBusy) {
      isWanted = true;
      return;
    }
    isBusy = true;
    isWanted = false;
    try {
      await draw();
    } catch (error) {
      console.warn(error.message);
    }
    setTimeout(() => {
      isBusy = false;
      if (isWanted) run();
    }, pause);
  };
}
