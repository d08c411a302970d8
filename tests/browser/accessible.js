// What a page must offer everybody, looked at in the page itself: a list of what is wrong.
() => {
  const wrong = [];
  const all = [...document.querySelectorAll("body *")].filter((one) => !one.closest("template"));
  const isShown = (one) => one.checkVisibility({ visibilityProperty: true }) && one.getClientRects().length > 0;
  const describe = (one) => `<${one.tagName.toLowerCase()} id="${one.id}" class="${one.getAttribute("class") ?? ""}">`;

  const textOf = (one) => [...one.childNodes].map((child) => {
    if (child.nodeType === Node.TEXT_NODE) return child.textContent;
    if (child.nodeType !== Node.ELEMENT_NODE || child.getAttribute("aria-hidden") === "true") return "";
    return child.getAttribute("aria-label") ?? child.getAttribute("alt") ?? textOf(child);
  }).join("").trim();
  const nameOf = (one) => one.getAttribute("aria-label")
    || (one.getAttribute("aria-labelledby") ?? "").split(" ").filter(Boolean).map((id) => textOf(document.getElementById(id))).join(" ")
    || [...(one.labels ?? [])].map(textOf).join(" ")
    || textOf(one) || one.getAttribute("title") || "";

  const ids = new Set();
  for (const { id } of all.filter((one) => one.id)) {
    if (ids.has(id)) wrong.push(`id twice: ${id}`);
    ids.add(id);
  }

  for (const one of all.filter(isShown)) {
    if (one.matches("button, a[href], input, select, textarea, summary, [tabindex], dialog, section, aside, nav, [role]")
      && !one.matches("[role=presentation], [aria-hidden=true] *") && !nameOf(one) && !one.matches("[role=status], [role=alert]")) {
      wrong.push(`no name: ${describe(one)}`);
    }
    if (one.matches("img") && one.getAttribute("alt") === null) wrong.push(`no alt: ${describe(one)}`);
    if (one.matches("svg") && !one.closest("[aria-hidden=true]")) wrong.push(`a picture that is read out: ${describe(one.parentElement)}`);
    if (one.tabIndex > 0) wrong.push(`jumps in the order: ${describe(one)}`);
    for (const name of ["aria-controls", "aria-labelledby", "aria-describedby"]) {
      for (const id of (one.getAttribute(name) ?? "").split(" ").filter(Boolean)) {
        if (!document.getElementById(id)) wrong.push(`${name} of ${describe(one)} names nobody: ${id}`);
      }
    }
  }

  const landmarks = { "body > header": 1, main: 1, h1: 1, "[role=status]": 1 };
  for (const [selector, least] of Object.entries(landmarks)) {
    const found = document.querySelectorAll(selector).length;
    if (selector === "main" || selector === "h1" ? found !== 1 : found < least) wrong.push(`${found} of ${selector}`);
  }
  if (!document.documentElement.lang || !document.title) wrong.push("no language or title");

  // Contrast: AA asks for 4.5, and for 3 where the type is large.
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (color) => {
    if (!known.has(color)) known.set(color, drawn(color));
    return known.get(color);
  };
  const drawn = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return { red, green, blue, alpha: alpha / 255 };
  };
  const over = (top, below) => ({
    red: top.red * top.alpha + below.red * (1 - top.alpha), green: top.green * top.alpha + below.green * (1 - top.alpha),
    blue: top.blue * top.alpha + below.blue * (1 - top.alpha), alpha: 1,
  });
  const grounds = new Map([[null, { red: 255, green: 255, blue: 255, alpha: 1 }]]);
  const ground = (one) => {
    if (!grounds.has(one)) grounds.set(one, over(rgba(getComputedStyle(one).backgroundColor), ground(one.parentElement)));
    return grounds.get(one);
  };
  const light = ({ red, green, blue }) => {
    const [r, g, b] = [red, green, blue].map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faded = new Map([[null, false]]);
  const fades = (one) => {
    if (!faded.has(one)) faded.set(one, Number(getComputedStyle(one).opacity) < 1 || fades(one.parentElement));
    return faded.get(one);
  };
  for (const one of all.filter(isShown)) {
    const text = [...one.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE).map((child) => child.textContent.trim()).join("");
    if (!text || fades(one) || one.closest(":disabled, .sr, option")) continue;
    const style = getComputedStyle(one);
    const below = ground(one);
    const [a, b] = [light(over(rgba(style.color), below)), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) wrong.push(`contrast ${ratio.toFixed(2)} of “${text.slice(0, 30)}” in ${describe(one)}`);
  }
  return [...new Set(wrong)];
}
