// Forms that can be opened while there is no connection. They are kept whenever the page of today was shown, for whoever was signed in last. No answer is in them, and none
// that was given before is shown in them: see form.js.

import * as store from "./store.js";
import { counted } from "./send.js";

// keep asks the server for the forms that are open or soon will be, in place of those that were kept before.
export async function keep(owner) {
  const since = Date.now();
  const response = await fetch("/me/kept", { headers: { Accept: "application/json" }, redirect: "manual", cache: "no-store" });
  if (response.type === "opaqueredirect") await store.end();
  if (!response.ok) return;
  const kept = await response.json();
  if (kept.owner === owner) await store.replace("kept", owner, kept.forms.map((form, order) => [form.id, { ...form, order, since }]));
}

// How long ago something was by the clock of this phone, which may have been set back since.
const passed = (since, at = Date.now()) => Math.max(0, at - since);

// open makes what was asked for out of the page that stands for all while there is no connection: a form, or a list of those that are open.
export async function open() {
  const owner = await store.ownerOf("kept");
  if (!owner) return;
  const kept = (await store.list("kept", owner)).map((k) => k.value).filter((k) => k.opens <= passed(k.since) && passed(k.since) < k.ends);
  const form = kept.find((k) => location.pathname === `/me/f/${k.id}`);
  if (form) show(form);
  else await offer(owner, kept.sort((a, b) => a.order - b.order));
}

// show puts the server's own page of a form in place of this one. It was sealed under the key of its owner, and a page that is parsed runs no script.
function show({ page, since }) {
  const { documentElement: there, body } = new DOMParser().parseFromString(page, "text/html");
  document.documentElement.lang = there.lang;
  document.documentElement.dir = there.dir;
  document.body.replaceWith(body);
  const form = document.getElementById("form");
  const { command, at } = history.state?.opening ?? { command: crypto.randomUUID(), at: Date.now() };
  form.elements.command.value = command;
  form.elements.opened.value = passed(since, at);
  form.dataset.passed = passed(since);
  form.dataset.kept = "";
}

async function offer(owner, kept) {
  document.body.dataset.owner = owner;
  const queue = (await store.list("queue", owner)).map((q) => q.value.form);
  const waiting = document.getElementById("waiting");
  if (queue.length) waiting.textContent = counted(waiting, "waiting", queue.length);
  waiting.hidden = queue.length === 0;

  const next = new Map(); // the first part of each occasion that does not wait to be sent
  for (const k of kept) if (!queue.includes(k.id) && !next.has(k.occasion)) next.set(k.occasion, k);
  const again = document.getElementById("again");
  for (const k of next.values()) {
    const card = document.getElementById("card").content.cloneNode(true);
    const [title, lead, until, link] = card.querySelectorAll("h2, .quiet, strong, a");
    title.textContent = k.title;
    title.id = `t-${k.id}`;
    card.firstElementChild.setAttribute("aria-labelledby", title.id);
    link.setAttribute("aria-describedby", title.id);
    link.href = `/me/f/${k.id}`;
    lead.textContent = k.lead;
    lead.hidden = !k.lead;
    until.textContent = passed(k.since) < k.closes ? k.until : k.late;
    again.before(card);
  }
  again.classList.toggle("primary", next.size === 0);
  if (location.pathname === "/me" && next.size) for (const e of document.querySelectorAll("[data-kept]")) e.textContent = e.dataset.kept;
  addEventListener("online", () => fetch("/me/offline", { method: "HEAD", cache: "no-store" }).then(() => location.reload(), () => {})); // it may be gone again
}
