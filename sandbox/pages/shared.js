// What the parts of the page tell each other: who is chosen, and what was just seen.

const changes = new EventTarget();
const chosen = { customer: null, ticket: null, tab: null };

export const chosenCustomer = () => chosen.customer;
export const chosenTicket = () => chosen.ticket;

// `name` is "customer" (as the control API describes one), "ticket" (in full) or "tab"; null when there is none.
export function choose(name, value) {
  chosen[name] = value;
  changes.dispatchEvent(new Event(name));
}

export function onChosen(name, hear) {
  changes.addEventListener(name, hear);
}

// Once what is chosen is as wanted.
export function whenChosen(name, isWanted) {
  return new Promise((resolve) => {
    const look = () => {
      if (!isWanted(chosen[name])) return;
      changes.removeEventListener(name, look);
      resolve();
    };
    changes.addEventListener(name, look);
    look();
  });
}

export function remember(name, value) {
  try {
    localStorage.setItem(`deskbridge.sandbox.${name}`, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing shows the first visit each time.
  }
}

export function recall(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(`deskbridge.sandbox.${name}`)) ?? otherwise;
  } catch {
    return otherwise;
  }
}
