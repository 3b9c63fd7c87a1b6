// The query page: an editor, an answer, and help beside it. The token lives in this tab only; history lives in this browser
// and holds queries, never answers or tokens.

const $ = (id) => document.getElementById(id);
const endpoint = $("app").dataset.endpoint;
const store = { token: "asem.token", draft: "asem.draft", history: "asem.history" };

// A sign-in link carries the token behind the #, which browsers do not send. Take it and clean the address.
const link = new URLSearchParams(location.hash.slice(1)).get("token");
if (link) {
  sessionStorage.setItem(store.token, link);
  history.replaceState(null, "", location.pathname);
}

async function ask(query, variables) {
  const headers = { "Content-Type": "application/json", Accept: "application/graphql-response+json" };
  const token = sessionStorage.getItem(store.token);
  if (token) headers.Authorization = `Bearer ${token}`;
  const started = performance.now();
  const response = await fetch(endpoint, { method: "POST", headers, body: JSON.stringify({ query, variables }) });
  const body = await response.json();
  return { body, ms: Math.round(performance.now() - started), status: response.status };
}

// --- asking

function variables() {
  const text = $("variables").value.trim();
  return text ? JSON.parse(text) : undefined;
}

async function run() {
  const query = $("editor").value;
  let vars;
  try {
    vars = variables();
  } catch (e) {
    say(`The variables are not JSON: ${e.message}`);
    $("variables").focus();
    return;
  }
  say("Asking …");
  $("run").disabled = true;
  try {
    const { body, ms } = await ask(query, vars);
    show(body);
    const n = body.errors?.length ?? 0;
    say(`${ms} ms` + (body.extensions?.cost ? `, cost ${body.extensions.cost}` : "") + (n ? `, ${n} ${n === 1 ? "error" : "errors"}` : ""));
    remember(query, $("variables").value);
  } catch (e) {
    say(`No answer: ${e.message}`);
  } finally {
    $("run").disabled = false;
  }
}

function say(text) { $("status").textContent = text; }

// show prints JSON with keys and null set apart. Text is only ever set as text.
function show(body) {
  const out = $("result");
  out.replaceChildren();
  out.classList.toggle("failed", Boolean(body.errors));
  const text = JSON.stringify(body, null, 2).replace(/\[\n\s+((?:-?[\d.e+-]+|null),?\s*)+\n\s+\]/g, (m) => m.replace(/\s+/g, " "));
  const part = /("(?:[^"\\]|\\.)*")(\s*:)|\bnull\b/g;
  let at = 0;
  const add = (s, kind) => {
    if (!kind) return out.append(s);
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = s;
    out.append(span);
  };
  for (const m of text.matchAll(part)) {
    add(text.slice(at, m.index));
    add(m[0], m[1] ? "k" : "n");
    at = m.index + m[0].length;
  }
  add(text.slice(at));
}

$("run").addEventListener("click", run);
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("result").textContent);
  say("Copied.");
});
for (const id of ["editor", "variables"]) {
  $(id).addEventListener("keydown", (e) => {
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
      e.preventDefault();
      run();
    } else if (e.key === "Enter" && id === "editor" && !e.shiftKey) {
      indent(e);
    }
  });
  $(id).addEventListener("input", () => localStorage.setItem(store.draft, JSON.stringify([$("editor").value, $("variables").value])));
}

// indent keeps the indentation of the line above, one step deeper behind an opening brace.
function indent(e) {
  const box = e.target;
  const before = box.value.slice(0, box.selectionStart);
  const line = before.slice(before.lastIndexOf("\n") + 1);
  const space = line.match(/^\s*/)[0] + (/[{(\[]\s*$/.test(line) ? "  " : "");
  if (!space) return;
  e.preventDefault();
  box.setRangeText("\n" + space, box.selectionStart, box.selectionEnd, "end");
}

function fill(query, vars) {
  $("editor").value = query;
  $("variables").value = vars ?? "";
}
function load(query, vars) {
  fill(query, vars);
  $("editor").dispatchEvent(new Event("input"));
  $("editor").focus();
}

// --- help: tabs, examples, history

const tabs = [...document.querySelectorAll("[role=tab]")];
function select(tab) {
  for (const t of tabs) {
    const on = t === tab;
    t.setAttribute("aria-selected", on);
    t.tabIndex = on ? 0 : -1;
    $(t.getAttribute("aria-controls")).hidden = !on;
  }
  if (tab.id === "tab-schema") loadSchema();
}
for (const [i, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", (e) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!step) return;
    const next = tabs[(i + step + tabs.length) % tabs.length];
    select(next);
    next.focus();
  });
}

function entry(title, note, act) {
  const li = document.createElement("li");
  const b = document.createElement("button");
  b.type = "button";
  b.textContent = title;
  if (note) {
    const small = document.createElement("small");
    small.textContent = note;
    b.append(small);
  }
  b.addEventListener("click", act);
  li.append(b);
  return li;
}

async function loadExamples() {
  const list = await (await fetch("/query/examples.json")).json();
  $("examples").replaceChildren(...list.map((x) => entry(x.title, "", () => load(x.query, x.variables))));
  if (!$("editor").value && list.length) fill(list[0].query, list[0].variables);
}

function remembered() {
  try { return JSON.parse(localStorage.getItem(store.history)) ?? []; } catch { return []; }
}
function remember(query, vars) {
  const list = [{ query, vars, at: new Date().toISOString() }, ...remembered().filter((h) => h.query !== query || h.vars !== vars)].slice(0, 30);
  localStorage.setItem(store.history, JSON.stringify(list));
  showHistory();
}
function showHistory() {
  const list = remembered();
  $("history").replaceChildren(...list.map((h) => entry(h.query.replace(/\s+/g, " ").slice(0, 90), new Date(h.at).toLocaleString(), () => load(h.query, h.vars))));
  $("forget").hidden = !list.length;
  if (!list.length) $("history").textContent = "Queries you run appear here, in this browser only.";
}
$("forget").addEventListener("click", () => { localStorage.removeItem(store.history); showHistory(); });

// --- help: the schema, from introspection

const typeRef = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";
const introspection = `{ __schema { types { kind name description
  fields { name description args { name description type { ${typeRef} } } type { ${typeRef} } }
  inputFields { name description type { ${typeRef} } } enumValues { name description } } } }`;
let types;

async function loadSchema() {
  if (types) return;
  const { body } = await ask(introspection);
  if (!body.data) {
    $("schema").textContent = body.errors?.[0]?.message ?? "The schema could not be read.";
    return;
  }
  types = body.data.__schema.types.filter((t) => !t.name.startsWith("__")).sort((a, b) => (b.name === "Query") - (a.name === "Query") || a.name.localeCompare(b.name));
  showSchema("");
}

function typeText(t) {
  if (t.kind === "NON_NULL") return [...typeText(t.ofType), "!"];
  if (t.kind === "LIST") return ["[", ...typeText(t.ofType), "]"];
  return [{ type: t.name }];
}
function typeNodes(t) {
  return typeText(t).map((x) => {
    if (!x.type) return x;
    const b = document.createElement("button");
    b.type = "button";
    b.className = "type";
    b.textContent = x.type;
    b.addEventListener("click", () => open(x.type));
    return b;
  });
}
function open(name) {
  $("search").value = "";
  showSchema("");
  const d = $(`type-${name}`);
  if (!d) return;
  d.open = true;
  d.scrollIntoView({ block: "start" });
  d.querySelector("summary").focus();
}
function showSchema(search) {
  const want = search.trim().toLowerCase();
  const hit = (x) => x.name.toLowerCase().includes(want) || (x.description ?? "").toLowerCase().includes(want);
  const found = [];
  for (const t of types) {
    const members = t.fields ?? t.inputFields ?? t.enumValues ?? [];
    const shown = !want || hit(t) ? members : members.filter(hit);
    if (want && !hit(t) && !shown.length) continue;
    const d = document.createElement("details");
    d.id = `type-${t.name}`;
    d.open = Boolean(want) || t.name === "Query";
    const summary = document.createElement("summary");
    summary.textContent = t.name;
    d.append(summary);
    if (t.description) d.append(Object.assign(document.createElement("p"), { className: "hint", textContent: t.description }));
    const dl = document.createElement("dl");
    for (const m of shown) {
      const div = document.createElement("div");
      const dt = document.createElement("dt");
      dt.append(m.name);
      if (m.args?.length) {
        dt.append("(");
        m.args.forEach((a, i) => dt.append(i ? ", " : "", `${a.name}: `, ...typeNodes(a.type)));
        dt.append(")");
      }
      if (m.type) dt.append(": ", ...typeNodes(m.type));
      div.append(dt);
      if (m.description) div.append(Object.assign(document.createElement("dd"), { textContent: m.description }));
      dl.append(div);
    }
    d.append(dl);
    found.push(d);
  }
  $("schema").replaceChildren(...found);
  if (!found.length) $("schema").textContent = "Nothing of that name.";
}
$("search").addEventListener("input", (e) => types && showSchema(e.target.value));

// --- who asks

// whoami shows who asks: whoever a token is for, or else who is signed in as staff.
async function whoami() {
  const token = Boolean(sessionStorage.getItem(store.token));
  const { body } = await ask("{ viewer { role studies } }");
  const v = body.data?.viewer;
  if (token && !v) {
    sessionStorage.removeItem(store.token);
    await whoami();
    $("who").textContent = "That token is not valid.";
    return;
  }
  $("signin").hidden = Boolean(v);
  $("signout").hidden = !token;
  $("who").textContent = v ? `${v.role}, may read ${v.studies.join(", ")}` : "";
}
$("signin").addEventListener("submit", async (e) => {
  e.preventDefault();
  sessionStorage.setItem(store.token, $("token").value.trim());
  $("token").value = "";
  types = undefined;
  await whoami();
});
$("signout").addEventListener("click", async () => {
  sessionStorage.removeItem(store.token);
  types = undefined;
  $("result").replaceChildren();
  await whoami();
});

$("app").hidden = false;
try {
  const [query, vars] = JSON.parse(localStorage.getItem(store.draft)) ?? [];
  if (query) { $("editor").value = query; $("variables").value = vars ?? ""; }
} catch { /* no draft */ }
showHistory();
loadExamples();
whoami();
