// What every page of the journal does with a script: leave at once, send what waits, keep working without a connection. Pages work without it.

import * as store from "./store.js";
import { counted, flush } from "./send.js";

// What was to be removed when somebody left is removed now, if the page was gone before it could be.
const drop = "drop";
const behind = sessionStorage.getItem(drop);
if (behind) store.left(behind).then(() => sessionStorage.removeItem(drop), () => {});

// Who left at once does not come back by the back button, not even before the server has heard of it. Signing in ends that.
const left = "left";
const gone = sessionStorage.getItem(left) !== null;

// Without a connection one page stands for all. What this phone keeps makes another of it.
if (document.body.dataset.page === "offline" && !gone) await import("./kept.js").then((kept) => kept.open()).catch(() => {});

const { owner, page } = document.body.dataset;
if (!owner && page !== "offline") {
  sessionStorage.removeItem(left);
  store.end().catch(() => {}); // whoever was signed in is so no longer
} else if (owner && gone) {
  document.documentElement.hidden = true;
  navigator.sendBeacon("/me/exit");
  location.replace("/in");
}

// Leave at once. The page goes blank before anything else happens, and what was not sent yet is removed; what waits to be sent stays, encrypted.
document.getElementById("exit")?.addEventListener("click", (e) => {
  e.preventDefault();
  document.documentElement.hidden = true;
  sessionStorage.setItem(left, "yes");
  navigator.sendBeacon("/me/exit");
  const to = e.currentTarget.dataset.to;
  if (!owner) {
    location.replace(to);
    return;
  }
  sessionStorage.setItem(drop, owner);
  const removed = store.leave(owner).then(() => sessionStorage.removeItem(drop), () => {});
  Promise.race([removed, new Promise((done) => setTimeout(done, 200))]).finally(() => location.replace(to));
});

// A page that the browser took out of its memory may be of somebody who is signed out.
addEventListener("pageshow", (e) => {
  if (e.persisted) location.reload();
});

async function today() {
  const box = document.getElementById("local");
  const text = box.querySelector("p");
  const button = box.querySelector("button");
  const tell = async (result) => {
    const queue = await store.list("queue", owner);
    for (const link of document.querySelectorAll("a[data-form]")) link.closest(".card").hidden = queue.some((q) => q.value.form === link.dataset.form);
    const lines = [];
    if (queue.length) lines.push(counted(box, "waiting", queue.length));
    if (queue.length && result?.expired) lines.push(box.dataset.signin);
    if (result?.refused) lines.push(box.dataset.failed);
    if (!navigator.onLine) lines.unshift(box.dataset.offline);
    text.textContent = lines.join(" ");
    box.hidden = lines.length === 0;
    button.hidden = queue.length === 0 || !navigator.onLine;
  };
  const send = async () => {
    if ((await store.list("queue", owner)).length === 0) return tell();
    text.textContent = box.dataset.sending;
    const result = await flush(owner);
    if (result.received.length) location.reload();
    else await tell(result);
  };
  await tell();
  button.addEventListener("click", send);
  addEventListener("online", send);
  addEventListener("offline", () => tell());
  if (navigator.onLine) await send();
}

function install() {
  const box = document.getElementById("install");
  addEventListener("beforeinstallprompt", (e) => {
    e.preventDefault();
    box.hidden = false;
    box.querySelector("button").onclick = () => e.prompt().finally(() => (box.hidden = true));
  });
}

async function out() {
  const form = document.getElementById("signout");
  const warning = document.getElementById("waiting");
  const n = (await store.list("queue", owner)).length;
  if (n) {
    warning.textContent = counted({ dataset: { nOne: warning.dataset.one, nTwo: warning.dataset.two, nMany: warning.dataset.many } }, "n", n);
    warning.hidden = false;
    const button = form.querySelector("button");
    button.textContent = warning.dataset.anyway;
    button.className = "danger wide";
  }
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    await store.forget(owner).catch(() => {});
    for (const name of await caches.keys()) if (name.startsWith("journal-")) await caches.delete(name);
    await navigator.serviceWorker?.getRegistration("/me").then((r) => r?.unregister());
    form.submit();
  });
}

function settings() {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zone = document.getElementById("zone");
  const button = document.getElementById("zone-here");
  if (!here || zone.value === here) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    if (![...zone.options].some((o) => o.value === here)) zone.add(new Option(here, here));
    zone.value = here;
    button.hidden = true;
    zone.focus();
  });
}

if (page === "settings") settings();
if (page === "today") install();
if (owner && !gone) {
  const can = await store.can();
  if (can) await store.only("kept", owner);
  if (page === "form") await import("./form.js");
  else if (can) {
    if (page === "today") {
      await today();
      import("./kept.js").then((kept) => kept.keep(owner)).catch(() => {});
    } else if (page === "out") await out();
    else if (page !== "offline") flush(owner).catch(() => {});
  }
  navigator.serviceWorker?.register(`/me/worker.js?lang=${document.documentElement.lang}`, { scope: "/me" }).catch(() => {});
}
document.documentElement.dataset.ready = "yes";
