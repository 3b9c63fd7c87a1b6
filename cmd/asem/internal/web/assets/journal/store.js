// What this browser keeps for a person: drafts, what waits to be sent, and forms to be opened without a connection. All of it is encrypted under a key that the browser does not hand out, one for each
// person who uses this phone, and that signing out destroys.

// Forms have a database of their own: a store cannot be added to one while an older page has it open.
const stores = { journal: ["keys", "drafts", "queue"], forms: ["kept"] };

const opening = {};
function database(name) {
  opening[name] ??= new Promise((done, failed) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => stores[name].forEach((s) => request.result.createObjectStore(s));
    request.onsuccess = () => done(request.result);
    request.onerror = () => failed(request.error);
  });
  return opening[name];
}

// run does one thing in one store and waits until it is on the disk.
async function run(store, mode, work) {
  const db = await database(store === "kept" ? "forms" : "journal");
  return new Promise((done, failed) => {
    const t = db.transaction(store, mode, { durability: "strict" });
    const request = work(t.objectStore(store));
    t.oncomplete = () => done(request.result);
    t.onerror = t.onabort = () => failed(t.error ?? request.error);
  });
}

const ofOwner = (owner) => IDBKeyRange.bound([owner], [owner, []]);

async function keyOf(owner) {
  const key = await run("keys", "readonly", (s) => s.get(owner));
  if (key) return key;
  const fresh = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
  await run("keys", "readwrite", (s) => s.add(fresh, owner)).catch(() => {}); // another tab was faster
  return run("keys", "readonly", (s) => s.get(owner));
}

const bound = (store, owner, name) => new TextEncoder().encode(JSON.stringify([store, owner, name]));

async function reveal(key, store, owner, name, sealed) {
  const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: sealed.iv, additionalData: bound(store, owner, name) }, key, sealed.data);
  return JSON.parse(new TextDecoder().decode(plain));
}

// can tells whether this browser is able to keep anything. It is not in a private window of some, nor without HTTPS.
export async function can() {
  if (!globalThis.indexedDB || !globalThis.crypto?.subtle) return false;
  return database("journal").then(() => true, () => false);
}

let over = false;

async function seal(store, owner, name, value) {
  const key = await keyOf(owner);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const data = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: bound(store, owner, name) }, key, new TextEncoder().encode(JSON.stringify(value)));
  return { iv, data };
}

export async function put(store, owner, name, value) {
  const sealed = await seal(store, owner, name, value);
  if (over) return;
  await run(store, "readwrite", (s) => s.put(sealed, [owner, name]));
}

// replace keeps things of one person, as pairs of name and value, in place of all that a store has of anybody.
export async function replace(store, owner, things) {
  const sealed = await Promise.all(things.map(async ([name, value]) => [await seal(store, owner, name, value), [owner, name]]));
  if (over) return;
  await run(store, "readwrite", (s) => {
    const cleared = s.clear();
    for (const one of sealed) s.put(...one);
    return cleared;
  });
}

export async function get(store, owner, name) {
  const sealed = await run(store, "readonly", (s) => s.get([owner, name]));
  if (!sealed) return undefined;
  const value = await reveal(await keyOf(owner), store, owner, name, sealed).catch(() => undefined); // of a key that is gone
  return value && sealed.ended ? { ...value, ended: true } : value;
}

export const remove = (store, owner, name) => run(store, "readwrite", (s) => s.delete([owner, name]));

// list returns the names and values of what a person has in a store.
export async function list(store, owner) {
  const names = await run(store, "readonly", (s) => s.getAllKeys(ofOwner(owner)));
  const all = await Promise.all(names.map(async ([, name]) => ({ name, value: await get(store, owner, name) })));
  return all.filter((x) => x.value !== undefined);
}

// only removes from a store what is of anybody else.
export const only = async (store, owner) => {
  if (((await ownerOf(store)) ?? owner) !== owner) await run(store, "readwrite", (s) => s.clear());
};

// ownerOf returns whose the things in a store are that has those of one person.
export const ownerOf = async (store) => (await run(store, "readonly", (s) => s.getAllKeys(null, 1)))[0]?.[0];

// end marks the drafts that there are: the session in which they were written is over.
export const end = () =>
  run("drafts", "readwrite", (s) => {
    const each = s.openCursor();
    each.onsuccess = () => {
      each.result?.update({ ...each.result.value, ended: true });
      each.result?.continue();
    };
    return each;
  });

// leave removes what was not sent yet, and the forms. This page keeps nothing more: a draft that is being encrypted at this moment comes too late.
export function leave(owner) {
  over = true;
  return left(owner);
}

// left removes what was to be removed when somebody left.
export async function left(owner) {
  await run("drafts", "readwrite", (s) => s.delete(ofOwner(owner)));
  await run("kept", "readwrite", (s) => s.clear());
}

// forget removes everything of a person, the key first.
export async function forget(owner) {
  over = true;
  await run("keys", "readwrite", (s) => s.delete(owner));
  await left(owner);
  await run("queue", "readwrite", (s) => s.delete(ofOwner(owner)));
}
