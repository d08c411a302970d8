// Brings the page to life: each part that this page shows, then the live stream.

import { startDesk } from "./agent/desk.js";
import { startClock } from "./clock.js";
import { closeMenus, fillIcons } from "./dom.js";
import { startFrame } from "./frame.js";
import { listen } from "./live.js";
import { startLog } from "./log/log.js";
import { startPhone } from "./phone/phone.js";
import { startStory } from "./story/story.js";
import { startSwitches } from "./switches.js";

const shows = document.documentElement.dataset.shows;
fillIcons();
closeMenus();
startFrame(shows);
startClock();
if (shows !== "desk") startPhone();
if (shows !== "phone") startDesk();
startLog();
startSwitches();
if (shows === "both") startStory();
listen();
