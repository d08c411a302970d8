// Files from the phone: choosing or recording one, and sending it.

import { complain } from "../api.js";
import { make } from "../dom.js";

const API = "/sandbox/api";
const kindOf = (file) => {
  const [kind] = file.type.split("/");
  return ["image", "video", "audio"].includes(kind) ? kind : "document";
};

export async function sendFile(customerId, file, { voice = false, caption = "", context = "" } = {}) {
  const kind = voice ? "audio" : kindOf(file);
  const asked = new URLSearchParams({ type: kind, mime_type: file.type || "application/octet-stream" });
  if (kind === "document") asked.set("filename", file.name);
  if (voice) asked.set("voice", "true");
  if (caption && kind !== "audio") asked.set("caption", caption);
  if (context) asked.set("context", context);
  const answer = await fetch(`${API}/customers/${customerId}/files?${asked}`, { method: "POST", body: file }).catch(() => null);
  if (answer === null || !answer.ok) complain("The file could not be sent.");
}

// Asks for a file; nothing happens when none is chosen.
export function chooseFile(accept, then) {
  const input = make("input", { type: "file", accept });
  input.addEventListener("change", () => { if (input.files.length) then(input.files[0]); });
  input.click();
}

let recorder = null;

// The first press begins a recording, the second sends it. `onState` is told whether one is running.
export async function record(send, onState) {
  if (recorder !== null) {
    recorder.stop();
    return;
  }
  const stream = await navigator.mediaDevices?.getUserMedia({ audio: true }).catch(() => null);
  if (!stream) {
    complain("This browser gives no microphone. Choose an audio file instead.");
    return;
  }
  const heard = [];
  recorder = new MediaRecorder(stream);
  recorder.addEventListener("dataavailable", (event) => heard.push(event.data));
  recorder.addEventListener("stop", () => {
    for (const track of stream.getTracks()) track.stop();
    const type = recorder.mimeType;
    recorder = null;
    onState(false);
    send(new File(heard, "recording", { type }));
  });
  recorder.start();
  onState(true);
}
