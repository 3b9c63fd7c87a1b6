// The workbench: a recording that can be gone through frame by frame, and ratings by clip, interval, event, turn or trace, all of it by single keys, buttons
// or a game controller. What is noted is kept on the server within a second. Without this script the page is a form.

const $ = (id) => document.getElementById(id);

/** Frames of a clip with a constant rate. A frame is sought at its middle, so that rounding never lands on its neighbour. */
export class Frames {
  constructor(num, den, lengthMs) {
    this.num = num; this.den = den;
    this.last = Math.max(0, Math.ceil(lengthMs * num / den / 1000 - 1e-6) - 1);
  }
  seconds(n) { return (n + 0.5) * this.den / this.num; }
  at(seconds) { return Math.min(this.last, Math.max(0, Math.floor(seconds * this.num / this.den + 1e-4))); }
}

function begin() {
  const conf = JSON.parse($("conf").textContent);
  const video = $("video"), form = $("rate"), status = $("status");
  const frames = new Frames(conf.rateNum, conf.rateDen, conf.lengthMs);
  const timed = conf.unit === "event" || conf.unit === "turn", traced = conf.unit === "continuous";
  const state = { ratings: [], omitted: [], traces: [], comment: "", ...conf.draft };
  let version = conf.version, stale = false;

  // Where the recording stands.
  let frame = 0, loop = null;
  video.controls = false;
  const seek = (n) => { frame = Math.min(frames.last, Math.max(0, n)); video.currentTime = frames.seconds(frame); show(); };
  const ms = () => Math.min(conf.lengthMs, video.currentTime * 1000);
  const seekMs = (t) => seek(frames.at(t / 1000));
  const clock = (t) => `${Math.floor(t / 60000)}:${(t / 1000 % 60).toFixed(1).padStart(4, "0")}`;
  function show() {
    $("at").hidden = false;
    $("at").textContent = `${clock(ms())} · frame ${frame + 1} of ${frames.last + 1} · speed ${video.playbackRate}${loop ? ` · loop ${clock(loop[0])} to ${loop[1] === null ? "…" : clock(loop[1])}` : ""}`;
    document.documentElement.dataset.frame = frame;
  }
  function moved() {
    if (!video.paused) frame = frames.at(video.currentTime);
    if (traced) follow();
    if (loop && loop[1] !== null && ms() >= loop[1]) seekMs(loop[0]);
    if (video.currentTime * 1000 >= conf.lengthMs) { video.pause(); seek(frames.last); }
    show();
  }
  if (video.requestVideoFrameCallback) {
    const presented = (_, meta) => {
      if (!video.paused) frame = frames.at(meta.mediaTime + 0.5 * conf.rateDen / conf.rateNum);
      document.documentElement.dataset.presented = frames.at(meta.mediaTime + 0.5 * conf.rateDen / conf.rateNum);
      moved(); video.requestVideoFrameCallback(presented);
    };
    video.requestVideoFrameCallback(presented);
  }
  video.addEventListener("timeupdate", moved);
  video.addEventListener("seeked", () => { document.documentElement.dataset.sought = frame; show(); });
  video.addEventListener("error", () => { status.textContent = "The recording cannot be played. Load the page again, or give the clip back."; });
  video.addEventListener("loadedmetadata", () => seek(frame)); // where keys have led meanwhile
  if (video.readyState > 0) seek(0);

  // What can be undone, and what is kept.
  const past = [];
  const remember = () => { past.push(JSON.stringify([state.ratings, state.omitted, state.traces])); if (past.length > 200) past.shift(); };
  function undo() {
    if (!past.length) { say("There is nothing to undo."); return; }
    [state.ratings, state.omitted, state.traces] = JSON.parse(past.pop());
    draw(); changed(); say("Undone.");
  }
  let timer = 0, sending = false, again = false;
  const say = (text) => { status.textContent = text; };
  function changed() { again = true; if (!timer && !stale) timer = setTimeout(save, 400); }
  async function save() {
    timer = 0;
    if (sending || stale) return;
    sending = true; again = false;
    try {
      const res = await fetch(`/code/${conf.assignment}/draft`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ version, draft: state }) });
      if (res.ok) { version = (await res.json()).version; say("Saved."); document.documentElement.dataset.saved = version; }
      else if (res.status >= 500) { again = true; say("Not saved yet; it is tried again."); }
      else { stale = true; say(res.status === 401 ? "You are signed out. Sign in in another window, then load this page again." : (await res.text()).trim()); }
    } catch { again = true; say("No connection. It is saved when there is one again."); }
    sending = false;
    if (again && !stale && !timer) timer = setTimeout(save, 400);
  }
  addEventListener("pagehide", () => {
    if ((again || timer) && !stale) fetch(`/code/${conf.assignment}/draft`, { method: "POST", keepalive: true, headers: { "Content-Type": "application/json" }, body: JSON.stringify({ version, draft: state }) }).catch(() => {});
  });

  // Clip and interval: the cells of the form.
  const cells = [...document.querySelectorAll("[data-cell]")];
  const place = (cell) => { const [d, t, u] = cell.dataset.cell.split("."); return { d, t, u: Number(u) }; };
  const same = (x, p) => x.d === p.d && x.t === p.t && (x.u ?? 0) === p.u;
  let current = 0, minus = false;
  function put(cell, value, reason) {
    const p = place(cell);
    state.ratings = state.ratings.filter((x) => !same(x, p));
    state.omitted = state.omitted.filter((x) => !same(x, p));
    if (reason) state.omitted.push({ ...p, r: reason });
    else if (value !== null) state.ratings.push({ ...p, v: value });
    changed();
  }
  function draw() {
    for (const cell of cells) {
      const p = place(cell), r = state.ratings.find((x) => same(x, p)), o = state.omitted.find((x) => same(x, p));
      cell.querySelector("input").value = r ? r.v : "";
      cell.querySelector("select").value = o ? o.r : "";
    }
    if (timed) drawEvents();
    if (traced) drawTraces();
  }
  function choose(n) {
    if (!cells.length) return;
    current = (n + cells.length) % cells.length;
    cells.forEach((c, i) => c.classList.toggle("now", i === current));
    cells[current].querySelector("input").focus();
  }
  cells.forEach((cell, i) => {
    const input = cell.querySelector("input"), select = cell.querySelector("select");
    cell.addEventListener("focusin", () => { current = i; cells.forEach((c, k) => c.classList.toggle("now", k === i)); });
    input.addEventListener("change", () => { if (input.value === "" || input.checkValidity()) { remember(); put(cell, input.value === "" ? null : Number(input.value)); draw(); } else input.reportValidity(); });
    select.addEventListener("change", () => { remember(); put(cell, null, select.value); draw(); });
  });

  // Events, turns and traces: one dimension of one person at a time.
  const lines = [];
  for (const side of conf.sides) for (const d of conf.dimensions) lines.push({ d, side });
  let line = 0, opened = null, chosen = -1;
  const dimension = () => (cells.length ? conf.dimensions.find((d) => d.code === place(cells[current]).d) : lines[line].d);
  function drawLines() {
    const list = $("lines");
    list.replaceChildren(...lines.map((l, i) => {
      const b = document.createElement("button");
      b.type = "button"; b.textContent = `${l.side.label}: ${l.d.title}`; b.setAttribute("aria-pressed", String(i === line));
      b.addEventListener("click", () => { line = i; drawLines(); draw(); });
      return b;
    }));
  }
  const events = () => state.ratings.filter((x) => x.d === lines[line].d.code && x.t === lines[line].side.key).sort((a, b) => a.s - b.s || a.e - b.e);
  function drawEvents() {
    drawLines();
    const list = events();
    chosen = Math.min(chosen, list.length - 1);
    $("events").replaceChildren(...list.map((x, i) => {
      const li = document.createElement("li"), b = document.createElement("button");
      b.type = "button"; b.textContent = `${clock(x.s)} to ${clock(x.e)}: ${x.v}`; b.setAttribute("aria-pressed", String(i === chosen));
      b.addEventListener("click", () => { chosen = i; seekMs(x.s); drawEvents(); });
      li.append(b); return li;
    }));
    $("opened").textContent = opened === null ? "No mark is open." : `Begun at ${clock(opened)}; mark the end.`;
  }
  function mark() {
    const t = Math.round(ms());
    if (opened === null) { opened = t; say("Start marked."); drawEvents(); return; }
    remember();
    const x = { d: lines[line].d.code, t: lines[line].side.key, u: 1, v: lines[line].d.min, s: Math.min(opened, t), e: Math.max(opened, t) };
    state.ratings.push(x); opened = null; chosen = events().indexOf(x);
    say("End marked. Give it a value."); drawEvents(); changed();
  }
  function remove() {
    const x = events()[chosen];
    if (opened !== null) { opened = null; drawEvents(); return; }
    if (!x) return;
    remember(); state.ratings = state.ratings.filter((y) => y !== x); drawEvents(); changed();
  }

  // Traces. While the recording plays, the value that is held goes into every sample that is passed.
  const samples = conf.sampleMs ? Math.ceil(conf.lengthMs / conf.sampleMs) : 0;
  let held = 0, lastSample = -1, running = false;
  function trace() {
    const l = lines[line];
    let t = state.traces.find((x) => x.d === l.d.code && x.t === l.side.key);
    if (!t) { t = { d: l.d.code, t: l.side.key, v: Array(samples).fill(null) }; state.traces.push(t); }
    return t;
  }
  const hold = (v) => { const d = lines[line].d; held = Math.min(d.max, Math.max(d.min, v)); $("lever").value = held; $("held").textContent = held.toFixed(1); };
  function follow() {
    if (video.paused && !(running && video.ended)) { running = false; return; } // the last moments may pass without a picture
    const i = Math.min(samples - 1, Math.floor(ms() / conf.sampleMs)), t = trace();
    if (!running) { remember(); running = true; lastSample = i - 1; }
    if (i < lastSample || i - lastSample > Math.max(2, 2000 / conf.sampleMs)) lastSample = i - 1; // a jump
    for (let k = lastSample + 1; k <= i; k++) t.v[k] = held;
    if (i > lastSample) changed();
    lastSample = Math.max(i, lastSample);
    drawTraces();
  }
  function gap() { const i = trace().v.indexOf(null); if (i < 0) { say("There is no gap."); return; } running = false; seekMs(i * conf.sampleMs); }
  function drawTraces() {
    if (!$("lever")) return;
    const t = trace(), n = t.v.filter((x) => x !== null).length;
    $("filled").textContent = `${lines[line].side.label}: ${lines[line].d.title}: ${n} of ${samples} moments noted.`;
    document.documentElement.dataset.filled = n;
    const d = lines[line].d, points = [];
    t.v.forEach((v, i) => { if (v !== null) points.push(`${(100 * i / samples).toFixed(2)},${(30 - 30 * (v - d.min) / (d.max - d.min)).toFixed(2)}`); });
    $("curve").setAttribute("points", points.join(" "));
  }
  video.addEventListener("pause", () => { if (traced) { follow(); changed(); } });
  const element = (tag, id, text) => { const e = document.createElement(tag); if (id) e.id = id; if (text) e.textContent = text; return e; };
  const button = (text, act) => { const b = element("button", "", text); b.type = "button"; b.addEventListener("click", act); return b; };
  if (timed || traced) {
    const box = $("extra"), group = element("div", "lines");
    group.className = "row"; group.setAttribute("role", "group"); group.setAttribute("aria-label", "What is rated now");
    box.append(group);
    if (timed) {
      const row = element("p"); row.className = "row";
      row.append(button("Mark start or end", mark), button("Remove", remove), button("Lower", () => nudge(-1)), button("Raise", () => nudge(1)));
      box.append(element("p", "opened"), row, element("ol", "events"));
    } else {
      const row = element("p"), lever = element("input", "lever"), svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), curve = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      row.className = "row"; lever.type = "range"; lever.step = "any"; lever.setAttribute("aria-label", "Value now");
      lever.addEventListener("input", () => hold(Number(lever.value)));
      row.append(button("Lower", () => nudge(-1)), lever, button("Raise", () => nudge(1)), element("output", "held"), button("Next gap", gap));
      svg.setAttribute("viewBox", "0 0 100 30"); svg.setAttribute("preserveAspectRatio", "none"); svg.setAttribute("aria-hidden", "true"); svg.classList.add("curve");
      curve.id = "curve"; svg.append(curve); box.append(row, element("p", "filled"), svg);
      drawLines();
      const range = () => { lever.min = lines[line].d.min; lever.max = lines[line].d.max; hold((lines[line].d.min + lines[line].d.max) / 2); };
      range(); group.addEventListener("click", range); document.addEventListener("line", range);
      // A game controller: its first stick, up for more.
      const poll = () => {
        for (const pad of navigator.getGamepads?.() ?? []) {
          if (pad?.connected && Math.abs(pad.axes[1]) > 0.08) { const d = lines[line].d; hold((d.min + d.max) / 2 - pad.axes[1] * (d.max - d.min) / 2); }
        }
        if (navigator.getGamepads?.().some((p) => p)) requestAnimationFrame(poll); else setTimeout(poll, 1000);
      };
      poll();
    }
  }
  function turn(n) { line = (line + n + lines.length) % lines.length; chosen = -1; running = false; drawLines(); draw(); document.dispatchEvent(new Event("line")); say(`${lines[line].side.label}: ${lines[line].d.title}`); }

  // Giving a value, whatever the unit.
  function give(v) {
    const d = dimension();
    if (v < d.min || v > d.max) { say(`${v} is out of range; expected ${d.min} to ${d.max}.`); return; }
    if (traced) { hold(v); return; }
    if (timed) { const x = events()[chosen]; if (!x) { say("Mark a start and an end first."); return; } remember(); x.v = v; drawEvents(); changed(); return; }
    remember(); put(cells[current], v); draw();
    if (current + 1 < cells.length) choose(current + 1);
  }
  function nudge(by) {
    const d = dimension(), step = d.step || (d.max - d.min) / 20;
    if (traced) { hold(held + by * step); return; }
    const x = timed ? events()[chosen] : state.ratings.find((y) => same(y, place(cells[current])));
    const v = Math.min(d.max, Math.max(d.min, (x ? x.v : by > 0 ? d.min - step : d.max + step) + by * step));
    if (timed) { if (x) { remember(); x.v = v; drawEvents(); changed(); } return; }
    remember(); put(cells[current], v); draw();
  }
  function omit() {
    if (!cells.length) return;
    const select = cells[current].querySelector("select");
    remember(); select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
    put(cells[current], null, select.value); draw(); say(`Not rated: ${select.selectedOptions[0].text}`);
  }
  function step(n) { video.pause(); seek(frame + n); }
  const speeds = [0.25, 0.5, 0.75, 1, 1.25, 1.5, 2];
  const speed = (by) => { const i = speeds.indexOf(video.playbackRate) + by; video.playbackRate = speeds[Math.min(speeds.length - 1, Math.max(0, i))]; show(); };
  function looping() {
    if (!loop) loop = [ms(), null]; else if (loop[1] === null) loop[1] = Math.max(ms(), loop[0] + 200); else loop = null;
    show();
  }
  function loopUnit() { const u = cells.length ? place(cells[current]).u : 0; loop = u ? [(u - 1) * conf.everyMs, Math.min(u * conf.everyMs, conf.lengthMs) - 20] : [0, conf.lengthMs - 20]; seekMs(loop[0]); }
  const play = () => { if (video.paused) { if (frame >= frames.last) seek(0); video.play().catch(() => {}); } else { video.pause(); seek(frames.at(video.currentTime)); } };
  const next = (n) => (cells.length ? choose(current + n) : turn(n));

  /** Every action: key, what it does, and whether it is a button beside the recording. */
  const actions = [
    [" ", "Play or pause", play, true], [",", "One frame back", () => step(-1), true], [".", "One frame on", () => step(1), true],
    ["ArrowLeft", "One second back", () => seekMs(ms() - 1000), true], ["ArrowRight", "One second on", () => seekMs(ms() + 1000), true],
    ["Home", "To the beginning", () => seek(0), false], ["[", "Slower", () => speed(-1), true], ["]", "Faster", () => speed(1), true],
    ["l", "Loop: set start, set end, off", looping, true], ["i", "Loop the interval", loopUnit, !timed && !traced],
    ["n", cells.length ? "Next field" : "Next person or dimension", () => next(1), false], ["p", cells.length ? "Field before" : "Person or dimension before", () => next(-1), false],
    ["ArrowUp", "Raise the value", () => nudge(1), false], ["ArrowDown", "Lower the value", () => nudge(-1), false],
    ["-", "The next digit is negative", () => { minus = true; say("Minus"); }, false],
    ...(cells.length ? [["x", "Not rated, with a reason", omit, false]] : []),
    ...(timed ? [["m", "Mark start or end", mark, false], ["Delete", "Remove the event", remove, false], ["e", "Next event", () => { const list = events(); if (list.length) { chosen = (chosen + 1) % list.length; seekMs(list[chosen].s); drawEvents(); } }, false]] : []),
    ...(traced ? [["g", "To the next gap", gap, false]] : []),
    ["u", "Undo", undo, true], ["c", "Comment", () => $("comment").focus(), false], ["s", "Save now", save, false],
    ["q", "Submit and lock", () => $("submit").click(), false], ["?", "This list of keys", () => $("help").showModal(), true],
  ];
  const named = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓" };
  $("tools").replaceChildren(...actions.filter((a) => a[3]).map(([key, text, act]) => { const b = button(text, act); b.title = `Key: ${named[key] ?? key}`; return b; }));
  $("tools").hidden = false;
  $("list").replaceChildren(...[...actions, ["0 to 9", "Give this value"]].map(([key, text]) => { const div = element("div"); div.append(element("dt", "", named[key] ?? key), element("dd", "", text)); return div; }));
  const on = $("on");
  on.checked = localStorage.getItem("bench-keys") !== "off";
  on.addEventListener("change", () => localStorage.setItem("bench-keys", on.checked ? "on" : "off"));
  document.addEventListener("keydown", (ev) => {
    if (ev.ctrlKey || ev.altKey || ev.metaKey || $("help").open) return;
    const at = ev.target, typing = at.matches?.("textarea, select, input[type=text]");
    if (typing) { if (ev.key === "Escape") at.blur(); return; }
    if (!on.checked && ev.key !== "?") return;
    if (ev.key === " " && at.matches?.("button, summary, a")) return; // it presses what has the focus
    if (ev.key.startsWith("Arrow") && at.matches?.("input[type=range]")) return;
    const d = dimension();
    if (/^[0-9]$/.test(ev.key)) {
      if (!timed && !traced && (d.max > 9 || (d.step || 0.5) % 1 !== 0)) return; // it is typed
      ev.preventDefault(); give((minus ? -1 : 1) * Number(ev.key)); minus = false; return;
    }
    const a = actions.find(([key]) => key === ev.key);
    if (a) { ev.preventDefault(); a[2](); }
  });
  $("comment").addEventListener("input", () => { state.comment = $("comment").value; changed(); });
  form.addEventListener("submit", () => {
    clearTimeout(timer); stale = true; again = false;
    state.ratings.forEach((x) => { x.u ??= 0; });
    const all = element("input"); all.type = "hidden"; all.name = "draft"; all.value = JSON.stringify(state); form.append(all);
  });
  form.noValidate = true;
  if (traced) state.traces.forEach((t) => { if (t.v.length !== samples) t.v = Array(samples).fill(null); });
  if (conf.sides.length === 1) $("sides").hidden = true;
  draw(); choose(0); show();
  document.documentElement.dataset.ready = "yes";
}

if (typeof document !== "undefined" && $("bench")) begin();

// Until the clip was cut there is no workbench; the page stays as it is until there is.
async function wait() {
  const res = await fetch(location.pathname).catch(() => null);
  if (res?.ok && !(await res.text()).includes("data-working")) location.assign(location.pathname); else setTimeout(wait, 1000);
}
if (typeof document !== "undefined" && document.querySelector("[data-working]")) wait();
