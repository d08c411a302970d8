// The steps of the guided story. Each is done when that has really happened: `isDone` looks at what the phone and the
// ticket show (`seen`) and at what they showed when the step began (`before`). `settlesMilliseconds`: how long the
// world takes to know of it (deskbridge reads the clock once a second).

export const STEPS = [
  {
    name: "write",
    title: (who) => `You are ${who}, a customer`,
    text: () => "Write to the business from this phone, as you would on WhatsApp.",
    target: "write-text",
    fill: "Hello, my order has not arrived yet",
    isDone: (seen, before) => seen.written > before.written,
  },
  {
    name: "answer",
    title: () => "Now you are the agent",
    text: (who, seen, before) => {
      if (!seen.ticket) return "The message is on its way to the helpdesk…";
      if (seen.replies > before.replies) return `Submitted. It is on its way to ${who}'s phone…`;
      return "The message has become a ticket. Answer it with a public reply, and submit.";
    },
    target: "composer-text",
    fill: "I am looking into it. You will hear from me today.",
    isDone: (seen, before) => seen.replies > before.replies && seen.received > before.received,
  },
  {
    name: "wait",
    title: () => "A day goes by",
    text: (who) => `It arrived, and nothing more is said: silence means that it went well. WhatsApp lets you write freely only for 24 hours after ${who} last wrote. Turn the clock past that.`,
    target: "clock-day",
    settlesMilliseconds: 1500,
    isDone: (seen) => !seen.isWindowOpen,
  },
  {
    name: "again",
    title: () => "Answer once more",
    text: (who, seen, before) => {
      if (seen.isWindowOpen) return "The 24 hours are not over: turn the clock with “+25 h” first.";
      if (seen.replies > before.replies) return "Submitted. Watch the ticket…";
      return `${who} has been silent for a day. Send another public reply and see what becomes of it.`;
    },
    target: "composer-text",
    fill: "Good news: your parcel left the warehouse.",
    isDone: (seen, before) => seen.heldNotes > before.heldNotes,
  },
  {
    name: "held",
    title: () => "It is held, and you were told",
    text: (who) => `Nothing was sent. The note on the ticket says why, and what happens next: your reply waits until ${who} writes. Be ${who} again and write.`,
    target: "write-text",
    fill: "Any news about my order?",
    isDone: (seen, before) => seen.written > before.written && seen.received > before.received,
  },
  {
    name: "status",
    title: () => "The held reply has arrived",
    text: () => "It went out by itself. Whenever you wonder how things stand, ask: write an internal note that says /wa status.",
    target: "composer-text",
    fill: "/wa status",
    isNote: true,
    isDone: (seen, before) => seen.statusNotes > before.statusNotes,
  },
  {
    name: "end",
    title: () => "That is all an agent needs",
    text: () => "Public replies go to WhatsApp, internal notes stay, and whatever does not arrive is told on its ticket. Go on playing: turn the phone off, or open the switches and give WhatsApp a bad day.",
    isDone: () => false,
  },
];
