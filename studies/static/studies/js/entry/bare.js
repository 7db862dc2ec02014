// Two things a browser keeps from pages on an insecure connection, done by hand there: rows are entered all the same.

const NAME = "pdx-entry-send";
let last = Promise.resolve();

/** A random UUID (version 4). */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** Run `act` alone among all tabs; without locks among this tab's: what another tab sends too, the server stores once. */
export function inTurn(act) {
  if (navigator.locks) return navigator.locks.request(NAME, act);
  const mine = last.then(act, act);
  last = mine.catch(() => null);
  return mine;
}
