// Sends videos in pieces, so that an upload goes on where it ended (tus 1.0). Without this script the form sends the file at once.
const PIECE = 8 << 20;
const TUS = {"Tus-Resumable": "1.0.0"};

// SHA-256 (FIPS 180-4) over a file that need not fit into memory, which the browser's own does not offer.
const K = new Uint32Array(64), H = new Uint32Array(8);
for (let n = 2, i = 0; i < 64; n++) {
  if ([...Array(n).keys()].slice(2).some((d) => d * d <= n && n % d === 0)) continue;
  const part = (x) => Math.floor((x - Math.floor(x)) * 2 ** 32);
  if (i < 8) H[i] = part(Math.sqrt(n));
  K[i++] = part(Math.cbrt(n));
}

export async function sha256(file, tell) {
  const h = Uint32Array.from(H), w = new Uint32Array(64);
  const block = (view, at) => {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      w[i] = w[i - 16] + (((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3)) + w[i - 7] + (((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10));
    }
    let [a, b, c, d, e, f, g, k] = h;
    for (let i = 0; i < 64; i++) {
      const s = k + (((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7))) + ((e & f) ^ (~e & g)) + K[i] + w[i];
      const t = (((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))) + ((a & b) ^ (a & c) ^ (b & c));
      k = g; g = f; f = e; e = (d + s) | 0; d = c; c = b; b = a; a = (s + t) | 0;
    }
    [a, b, c, d, e, f, g, k].forEach((x, i) => { h[i] += x; });
  };
  let at = 0;
  for (; at + 64 <= file.size; at += PIECE) {
    const view = new DataView(await file.slice(at, at + PIECE).arrayBuffer());
    for (let i = 0; i + 64 <= view.byteLength; i += 64) block(view, i);
    tell?.(Math.min(1, at / file.size));
  }
  const rest = new Uint8Array(await file.slice(file.size - (file.size % 64)).arrayBuffer());
  const end = new Uint8Array(rest.length < 56 ? 64 : 128);
  end.set(rest);
  end[rest.length] = 0x80;
  const view = new DataView(end.buffer);
  view.setBigUint64(end.length - 8, BigInt(file.size) * 8n);
  for (let i = 0; i < end.length; i += 64) block(view, i);
  return [...h].map((x) => x.toString(16).padStart(8, "0")).join("");
}

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

class Refused extends Error {}

// ask tries again for as long as nobody answers, or the answer is that it does not work at the moment.
async function ask(path, options, says) {
  for (let n = 0; ; n++) {
    try {
      const res = await fetch(path, {...options, redirect: "error", headers: {...TUS, ...options.headers}});
      if (res.status < 500 && res.status !== 423) return res;
    } catch { /* the connection broke */ }
    if (n === 60) throw new Refused("The server does not answer. Open this page again later, and choose the same file to go on.");
    says("The connection broke. Trying again…");
    await wait(Math.min(15000, 500 * 2 ** n));
    if (options.method === "PATCH") return null; // ask first how far it came
  }
}

async function send(form, file, says, show) {
  says("Reading the file…");
  const sum = await sha256(file, (share) => show(share));
  const interaction = form.elements.interaction.value;
  const begun = document.querySelector(`form[data-open][data-interaction="${CSS.escape(interaction)}"][data-sha256="${sum}"]`);
  let path = begun?.dataset.open;
  if (!path) {
    const res = await ask(form.dataset.uploads, {method: "POST", headers: {"Upload-Length": file.size, "Upload-Metadata": `interaction ${btoa(interaction)},sha256 ${btoa(sum)}`}}, says);
    if (res.status !== 201) throw new Refused(await res.text());
    path = res.headers.get("Location");
  }
  for (let at = -1; ;) {
    if (at < 0) {
      const res = await ask(path, {method: "HEAD"}, says);
      if (!res.ok) throw new Refused("The upload is not there any more. Send the file again.");
      at = Number(res.headers.get("Upload-Offset"));
    }
    show(at / file.size);
    if (at >= file.size) return;
    says(`Sending: ${Math.floor(100 * at / file.size)} %`);
    const res = await ask(path, {method: "PATCH", headers: {"Content-Type": "application/offset+octet-stream", "Upload-Offset": at}, body: file.slice(at, at + PIECE)}, says);
    if (res && !res.ok && res.status !== 409) throw new Refused(await res.text());
    at = res?.ok ? Number(res.headers.get("Upload-Offset")) : -1;
    if (at >= file.size) return;
  }
}

for (const form of document.querySelectorAll("form[data-uploads]")) {
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    const bar = form.querySelector("progress"), line = form.querySelector("[data-says]"), button = form.querySelector("button");
    const says = (text) => { line.textContent = text; };
    button.disabled = true;
    bar.hidden = false;
    try {
      await send(form, form.elements.file.files[0], says, (share) => { bar.value = 100 * share; });
      says("All of it was sent.");
      location.assign(location.pathname);
    } catch (err) {
      says(err instanceof Refused ? err.message : "The file cannot be read. Choose it again.");
      button.disabled = false;
      bar.hidden = true;
    }
  });
}
if (document.querySelector("[data-working]")) setTimeout(() => location.assign(location.pathname), 3000);
