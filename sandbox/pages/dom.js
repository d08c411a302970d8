// Small hands for the document: find, make, keep in step with a list, say aloud.

export const at = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const { data, attributes, ...plain } = properties;
  const element = Object.assign(document.createElement(tag), plain);
  for (const [name, value] of Object.entries(data ?? {})) element.dataset[name] = value;
  for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function icon(name) {
  const drawn = at("icons").content.querySelector(`[data-name="${name}"]`).cloneNode(true);
  drawn.removeAttribute("data-name");
  drawn.setAttribute("aria-hidden", "true");
  return drawn;
}

export function fillIcons() {
  for (const place of document.querySelectorAll("[data-icon]")) place.replaceChildren(icon(place.dataset.icon));
}

export function avatar(name, extra = "") {
  const words = name.split(/\s+/u).filter(Boolean);
  const initials = [...new Set([words[0], words.at(-1)])].map((word) => [...(word ?? "?")][0]).join("");
  const drawn = make("span", { className: `avatar ${extra}`, attributes: { "aria-hidden": "true" } }, initials);
  let hue = 7;
  for (const sign of name) hue = (hue * 31 + sign.codePointAt(0)) % 360;
  drawn.style.setProperty("--hue", String(hue));
  return drawn;
}

const signatures = new WeakMap();

// Children of `parent` become one element per item. What did not change stays as it is: so a screen reader hears only
// what is new, and the focus stays where it is.
export function sync(parent, items, { key, draw }) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.closest("[data-key]")?.dataset.key : undefined;
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = items.map((item) => {
    const name = String(key(item));
    const signature = JSON.stringify(item);
    const before = known.get(name);
    if (before !== undefined && signatures.get(before) === signature) return before;
    const fresh = draw(item);
    fresh.dataset.key = name;
    signatures.set(fresh, signature);
    return fresh;
  });
  const kept = new Set(wanted);
  for (const child of known.values()) if (!kept.has(child)) child.remove();
  wanted.forEach((child, place) => {
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  if (focused !== undefined && !parent.contains(document.activeElement)) {
    const again = wanted.find((child) => child.dataset.key === focused);
    (again?.matches("button, [tabindex]") ? again : again?.querySelector("button, [tabindex]"))?.focus();
  }
}

// Text that no part of the page shows as new by itself.
export function announce(text) {
  at("announcer").textContent = text;
}

// A conversation stays at its end while it grows or its box changes, until one scrolls up to read.
export function stickToEnd(box) {
  let isAtEnd = true;
  const settle = () => { if (isAtEnd) box.scrollTop = box.scrollHeight; };
  box.addEventListener("scroll", () => { isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40; });
  new ResizeObserver(settle).observe(box);
  new MutationObserver(settle).observe(box, { childList: true, subtree: true });
  return () => {
    isAtEnd = true;
    settle();
  };
}

export function shorten(text, length) {
  const one = text.replace(/\s+/gu, " ").trim();
  return one.length > length ? `${one.slice(0, length - 1).trimEnd()}…` : one;
}

export function openDialog(dialog) {
  for (const button of dialog.querySelectorAll("[data-closes]")) button.onclick = () => dialog.close("");
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"), { once: true });
  });
}

export async function areYouSure(title, text, yes) {
  at("sure-title").textContent = title;
  at("sure-text").textContent = text;
  at("sure-yes").textContent = yes;
  return openDialog(at("sure-dialog"));
}

const STEPS = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 };

// A long list is one stop of the Tab key; arrows, Home and End move within it.
export function roving(box, selector) {
  const all = () => [...box.querySelectorAll(selector)];
  const settle = () => {
    const stops = all();
    const current = stops.find((one) => one === document.activeElement)
      ?? stops.find((one) => one.getAttribute("aria-current") === "true") ?? stops[0];
    for (const one of stops) one.tabIndex = one === current ? 0 : -1;
  };
  new MutationObserver(settle).observe(box, { childList: true, subtree: true });
  box.addEventListener("focusin", settle);
  box.addEventListener("keydown", (event) => {
    const stops = all();
    const place = stops.indexOf(document.activeElement);
    if (place < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const wanted = { Home: 0, End: stops.length - 1 }[event.key] ?? place + (STEPS[event.key] ?? NaN);
    if (stops[wanted] === undefined) return;
    event.preventDefault();
    stops[wanted].focus();
  });
  settle();
}

// A menu closes when one leaves it, chooses something in it, or presses Escape.
export function closeMenus() {
  for (const menu of document.querySelectorAll("details.menu")) {
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }
  document.addEventListener("pointerdown", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
}
