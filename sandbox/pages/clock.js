// The sandbox's clock: what time it is there, how times are written, and the buttons that turn it.

import { ask } from "./api.js";
import { announce, at } from "./dom.js";
import { onTopic, paced } from "./live.js";

const HOUR = 3600;
const DAY_MILLISECONDS = 24 * HOUR * 1000;

let ahead = 0;
let offsetSeconds = 0;
const watchers = [];

export const now = () => Date.now() + ahead;
export const onTick = (watch) => watchers.push(watch);

const hours = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });

export const timeOf = (when) => hours.format(new Date(when));
export const secondOf = (when) => seconds.format(new Date(when));
export const fullTime = (when) => `${days.format(new Date(when))}, ${seconds.format(new Date(when))}`;

const midnight = (when) => new Date(when).setHours(0, 0, 0, 0);

export function dayOf(when) {
  const away = Math.round((midnight(now()) - midnight(when)) / DAY_MILLISECONDS);
  return { 0: "Today", 1: "Yesterday" }[away] ?? days.format(new Date(when));
}

export function ago(when) {
  const minutes = Math.floor((now() - Date.parse(when)) / 60000);
  if (minutes < 1) return "now";
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 60 / 24)} d`;
}

export function span(secondsLeft) {
  const minutes = Math.floor(secondsLeft / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${Math.floor(minutes / 60)} h`;
}

function tick() {
  const moment = new Date(now());
  at("clock-now").textContent = `${days.format(moment)}, ${hours.format(moment)}`;
  at("clock-now").dateTime = moment.toISOString();
  at("device-time").textContent = hours.format(moment);
  watchers.forEach((watch) => watch());
}

const readClock = paced(async () => {
  const clock = await ask("/clock");
  ahead = Date.parse(clock.now) - Date.now();
  if (clock.offset_seconds !== offsetSeconds && document.documentElement.dataset.live) {
    announce(`The sandbox's clock says ${fullTime(now())}`);
  }
  offsetSeconds = clock.offset_seconds;
  const isTurned = Math.abs(offsetSeconds) >= 1;
  at("clock-ahead").hidden = !isTurned;
  const hoursAhead = offsetSeconds / HOUR;
  at("clock-ahead").textContent = hoursAhead < 1000 ? `${+hoursAhead.toFixed(1)} h ahead` : `${Math.round(hoursAhead / 24)} days ahead`;
  tick();
});

export function startClock() {
  at("clock").addEventListener("click", (event) => {
    const wanted = event.target.closest("[data-hours]")?.dataset.hours;
    if (wanted === undefined) return;
    ask("/clock", { advance_seconds: Number(wanted) * HOUR }).catch(() => {});
  });
  onTopic((topic) => { if (topic === "open" || topic === "clock") readClock(); });
  setInterval(tick, 1000);
}
