// Sends what waits. Each thing that waits is a form as it would be posted, under a command id, so that sending it twice does no harm.

import * as store from "./store.js";

// post sends one form and returns what became of it: the outcome of the server, or {state: "offline"}.
export async function post({ action, body }) {
  try {
    const response = await fetch(action, { method: "POST", headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" }, body, redirect: "error", cache: "no-store" });
    const outcome = await response.json();
    return outcome.state === "busy" ? { state: "offline" } : outcome;
  } catch {
    return { state: "offline" };
  }
}

// counted returns the form of words of an element that suits a number.
export const counted = (element, name, n) => element.dataset[name + (n === 1 ? "One" : n === 2 ? "Two" : "Many")].replace("99", n);

const alone = (work) => (navigator.locks ? navigator.locks.request("journal-send", work) : work());

// flush sends everything that waits for a person. It returns how many still wait, how many were refused, and whether to sign in again.
export function flush(owner) {
  return alone(async () => {
    const result = { waiting: 0, refused: 0, expired: false, received: [] };
    for (const { name, value } of await store.list("queue", owner)) {
      if (result.expired) {
        result.waiting++;
        continue;
      }
      const outcome = await post(value);
      switch (outcome.state) {
        case "received":
          await store.remove("queue", owner, name);
          await store.remove("drafts", owner, value.form);
          await store.remove("kept", owner, value.form);
          result.received.push({ form: value.form, ...outcome });
          break;
        case "offline":
        case "other": // somebody else is signed in: it stays until its owner is
          result.waiting++;
          break;
        case "expired":
          result.waiting++;
          result.expired = true;
          await store.end();
          break;
        default: // kept, closed, invalid or bad: to send it again would change nothing
          await store.remove("queue", owner, name);
          await store.remove("kept", owner, value.form);
          result.refused++;
      }
    }
    return result;
  });
}
