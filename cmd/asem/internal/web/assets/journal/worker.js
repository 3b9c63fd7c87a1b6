// Answers for the server while there is no connection. It keeps scripts, styles and one page that is the same for everybody, and never anything personal. What that page
// turns into is up to its script: see kept.js.

const cache = "journal-" + "VERSION";
const keep = ["KEEP"];
const offline = "OFFLINE";

self.addEventListener("install", (e) => e.waitUntil(caches.open(cache).then((c) => c.addAll(keep)).then(() => self.skipWaiting())));

self.addEventListener("activate", (e) =>
  e.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter((n) => n.startsWith("journal-") && n !== cache).map((n) => caches.delete(n))))
      .then(() => self.clients.claim()),
  ),
);

self.addEventListener("fetch", (e) => {
  const { request } = e;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") {
    e.respondWith(fetch(request).catch(() => caches.match(offline)));
  } else if (new URL(request.url).pathname.startsWith("/assets/v/")) {
    e.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  }
});
