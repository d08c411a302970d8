// The frame around the parts: tabs where the screen is narrow.

import { at } from "./dom.js";
import { choose } from "./shared.js";

const TITLES = { both: "deskbridge sandbox", phone: "Phone · deskbridge sandbox", desk: "Helpdesk · deskbridge sandbox" };

export const isNarrow = () => matchMedia("(max-width: 47.5rem)").matches;

export function showTab(name) {
  document.documentElement.dataset.tab = name;
  for (const button of document.querySelectorAll(".tabs button")) {
    button.setAttribute("aria-current", String(button.dataset.tab === name));
  }
  choose("tab", name);
}

export function startFrame(shows) {
  document.title = TITLES[shows];
  for (const [name, part] of [["phone", "desk"], ["desk", "phone"]]) {
    if (shows !== name) continue;
    at(part).hidden = true;
    document.querySelector(`.tabs [data-tab="${part}"]`).hidden = true;
    at("story-open").hidden = true;
  }
  document.querySelector(".tabs").addEventListener("click", (event) => {
    const button = event.target.closest("[data-tab]");
    if (button) showTab(button.dataset.tab);
  });
  showTab(shows === "desk" ? "desk" : "phone");
}
