// A form, one question at a time. Without this script it is one page with all of them. Answers are kept as they are given; what is sent waits on this phone until
// the server has it.
//
// A form from the server shows the answers of before, as its owner is signed in. One that this phone had kept anybody may have opened, so it begins empty. Only the same opening,
// loaded again because the phone had put its tab away, has its answers: for as long as a session lasts untouched, and until one is over. The others come back with the server's.

import * as store from "./store.js";
import { flush, post } from "./send.js";

const form = document.getElementById("form");
const panels = [...form.querySelectorAll(".question")];
const state = document.getElementById("state");
const { owner } = document.body.dataset;
const id = form.dataset.id;
const words = form.dataset;
const kept = "kept" in words;
const since = Date.now() - Number(words.passed ?? 0); // when the form was made
const opening = { command: form.elements.command.value, at: since + Number(form.elements.opened.value) };
const untouched = 30 * 60 * 1000;
const keeps = await store.can();

const fields = (panel) => [...panel.querySelectorAll("input:not([type=hidden]), textarea")];
const last = panels.at(-1); // the one to send from

const applies = (panel) => {
  const { gate, is } = panel.dataset;
  return !gate || form.querySelector(`input[name="${CSS.escape(gate)}"]:checked`)?.value === is;
};
const steps = () => panels.filter(applies);
const answered = (panel) => fields(panel).some((f) => (f.type === "radio" || f.type === "checkbox" ? f.checked : f.value.trim() !== ""));
const needed = (panel) => panel !== last && !panel.querySelector("textarea");
const open = () => steps().filter((p) => needed(p) && !answered(p));
const fill = (text, a, b) => text.replace("101", a).replace("102", b);
const counted = (n, one, two, many) => (n === 1 ? one : n === 2 ? two : many);

// --- the frame around the questions

const along = document.createElement("div");
along.className = "along";
const place = document.createElement("output");
place.setAttribute("aria-live", "off"); // the question itself is what is read
const bar = document.createElement("progress");
bar.setAttribute("aria-label", document.querySelector("h1").textContent);
along.append(place, bar);
const tap = document.createElement("p");
tap.className = "quiet small tap";
tap.textContent = words.tap;

const button = (text, look) => Object.assign(document.createElement("button"), { type: "button", textContent: text, className: look });
const back = button(words.back, "back");
const next = button(words.next, "primary");
const bottom = document.createElement("div");
bottom.className = "bottom";
bottom.append(back, next);

const check = document.createElement("div");
check.className = "field";
const checkTitle = Object.assign(document.createElement("h2"), { textContent: words.check });
const checkText = document.createElement("p");
const toMissing = button(words.missing, "wide");
check.append(checkTitle, checkText, toMissing);
last.prepend(check);
last.tabIndex = -1;
const sendButton = last.querySelector("button.send");

let at = 0;
let depth = 0; // entries that this form has put into the history

function show(panel, { focus = true } = {}) {
  const list = steps();
  at = Math.max(0, list.indexOf(panel));
  for (const p of panels) p.hidden = p !== list[at];
  for (const p of panels) p.querySelector(".when")?.toggleAttribute("hidden", true);
  const questions = list.length - 1;
  place.textContent = panel === last ? words.check : fill(words.progress, at + 1, questions);
  bar.max = questions;
  bar.value = at;
  tap.hidden = panel.querySelector("input[type=radio]") === null || at > 0;
  back.classList.toggle("gone", at === 0);
  next.hidden = panel === last;
  sendButton.hidden = panel !== last;
  if (panel === last) {
    const all = list.filter(needed).length;
    const done = all - open().length;
    checkText.textContent = fill(counted(done, words.checkOne, words.checkTwo, words.checkMany), done, all);
    toMissing.hidden = done === all;
    sendButton.disabled = done < all;
  }
  if (focus) {
    const target = panel.matches("fieldset, #send") ? panel : panel.querySelector("input, textarea");
    panel.classList.add("arrives");
    target.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

function go(panel) {
  depth++;
  history.pushState({ panel: panels.indexOf(panel), depth, opening }, "");
  show(panel);
}

function onward() {
  const list = steps();
  if (at < list.length - 1) go(list[at + 1]);
}

addEventListener("popstate", (e) => {
  depth = e.state?.depth ?? 0;
  show(panels[e.state?.panel ?? 0] ?? panels[0]);
});
back.addEventListener("click", () => (depth > 0 ? history.back() : show(steps()[Math.max(0, at - 1)])));
next.addEventListener("click", onward);
toMissing.addEventListener("click", () => go(open()[0]));

// A tap on an answer goes on; moving through the answers by keyboard does not, as it would choose each on the way.
form.addEventListener("click", (e) => {
  if (e.target.type !== "radio" || e.detail === 0) return;
  const panel = e.target.closest(".question");
  setTimeout(() => steps()[at] === panel && onward(), 140);
});
form.addEventListener("keydown", (e) => {
  if (e.key !== "Enter" || e.target.matches("button, textarea, a")) return;
  e.preventDefault();
  onward();
});

// --- keeping answers

const answers = () => {
  const kept = {};
  for (const f of panels.flatMap(fields)) {
    if (f.type === "radio" || f.type === "checkbox" ? f.checked : f.value !== "") (kept[f.name] ??= []).push(f.value);
  }
  return kept;
};

let saving;
let sending = false;
let before; // answers that are not shown
function keep() {
  if (!keeps) return;
  clearTimeout(saving);
  saving = setTimeout(async () => {
    const done = await store.put("drafts", owner, id, { answers: answers(), before, command: opening.command, at: Date.now() }).then(() => true, () => false);
    if (done && navigator.onLine && !sending) state.textContent = words.saved;
  }, 120);
}
form.addEventListener("input", keep);

function restore(given) {
  for (const f of panels.flatMap(fields)) {
    const values = given[f.name] ?? [];
    if (f.type === "radio" || f.type === "checkbox") f.checked = values.includes(f.value);
    else if (values.length) f.value = values.at(-1);
  }
}

// --- sending

form.addEventListener("submit", async (e) => {
  e.preventDefault();
  if (sending) return;
  if (open().length > 0) {
    go(open()[0]);
    return;
  }
  sending = true;
  sendButton.disabled = true;
  clearTimeout(saving);
  form.elements.after.value = Math.max(Date.now() - since, form.elements.opened.value);
  const command = form.elements.command.value;
  const sent = { form: id, action: form.getAttribute("action"), body: new URLSearchParams(new FormData(form)).toString() };
  state.textContent = words.sending;
  const safe = keeps && (await store.put("queue", owner, command, sent).then(() => true, () => false));
  const outcome = await post(sent);
  switch (outcome.state) {
    case "received":
      await settle(command);
      state.textContent = words.received.replace("20:14", outcome.at ?? "");
      leave(outcome.to);
      return;
    case "offline":
      if (safe) {
        waiting();
        return;
      }
      state.textContent = words.unavailable;
      break;
    default: // the server's own page says what is the matter, and keeps the answers where they can be sent again
      if (outcome.state !== "expired") await settle(command);
      form.submit();
      return;
  }
  sending = false;
  sendButton.disabled = false;
});

async function settle(command) {
  if (!keeps) return;
  await store.remove("queue", owner, command).catch(() => {});
  await store.remove("drafts", owner, id).catch(() => {});
  await store.remove("kept", owner, id).catch(() => {});
}

// waiting shows that the answers are on this phone, and goes on once they have arrived.
function waiting() {
  for (const p of panels) p.hidden = true;
  along.hidden = tap.hidden = bottom.hidden = true;
  state.textContent = words.savedSend;
  state.className = "notice";
  const home = Object.assign(document.createElement("a"), { href: "/me", className: "button wide", textContent: words.home });
  state.after(home);
  document.getElementById("main").focus();
  const again = async () => {
    const { received, refused, expired } = await flush(owner);
    const mine = received.find((r) => r.form === id);
    if (mine) leave(mine.to);
    else if (refused || expired) location.replace("/me");
  };
  addEventListener("online", again);
  setInterval(again, 15000);
}

// leave goes back over what this form put into the history, so that the back button leads out of it, and then shows the page.
function leave(to) {
  const away = () => location.replace(to);
  if (depth === 0) {
    away();
    return;
  }
  addEventListener("popstate", (e) => (e.stopImmediatePropagation(), away()), { capture: true, once: true });
  history.go(-depth);
  setTimeout(away, 400);
}

// --- beginning

if (keeps && (await store.list("queue", owner)).some((q) => q.value.form === id)) {
  waiting();
  dispatchEvent(new Event("online"));
} else {
  const draft = keeps && !("posted" in words) ? await store.get("drafts", owner, id) : undefined;
  const same = draft?.command === opening.command && !draft.ended && Math.abs(Date.now() - draft.at) < untouched;
  before = draft && kept ? (same ? draft.before : { ...draft.before, ...draft.answers }) : undefined;
  if (draft && (same || !kept)) restore(kept ? draft.answers : { ...draft.before, ...draft.answers });
  form.classList.add("stepping");
  form.prepend(along, tap);
  document.getElementById("questions").after(bottom);
  bottom.append(sendButton);
  const faulty = panels.find((p) => p.matches(".faulty"));
  const began = steps().find(answered);
  const first = faulty ?? (began ? (open()[0] ?? last) : steps()[0]);
  history.replaceState({ panel: panels.indexOf(first), depth: 0, opening }, "");
  show(first, { focus: false });
  if (draft && began) state.textContent = words.restored;
  else if (kept) state.textContent = words.offline;
  document.getElementById("faults")?.addEventListener("click", (e) => {
    const panel = document.getElementById(decodeURIComponent(e.target.closest("a")?.hash.slice(1) ?? ""))?.closest(".question");
    if (!panel) return;
    e.preventDefault();
    go(panel);
  });
  document.getElementById("faults")?.focus();
  if (!keeps && !navigator.onLine) state.textContent = words.unavailable;
  addEventListener("offline", () => (state.textContent = keeps ? words.offline : words.unavailable));
  addEventListener("online", () => (state.textContent = ""));
}
document.documentElement.dataset.ready = "yes";
