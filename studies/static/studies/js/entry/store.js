// What waits on this tablet: completed rows, half-typed rows, and receipts of today's rows. Coded ids and numbers only.
// Each write is durable before its promise resolves, so that a killed browser loses nothing committed.

const VERSION = 1;
const NAME = "pdx-entry";
let opening = null;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const db = request.result;
      db.createObjectStore("rows", { keyPath: "order", autoIncrement: true }).createIndex("id", "client_id", {
        unique: true,
      });
      db.createObjectStore("drafts", { keyPath: "place" });
      db.createObjectStore("receipts", { keyPath: "client_id" });
    };
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/** Run `act(objectStores)` in one transaction; resolves with what its requests gave once it is on disk. */
async function within(names, mode, act) {
  const db = await open();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(names, mode, mode === "readwrite" ? { durability: "strict" } : {});
    const stores = names.map((name) => transaction.objectStore(name));
    const requests = [act(...stores)].flat().filter(Boolean);
    transaction.oncomplete = () => resolve(requests.map((request) => request.result));
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** Put a completed row at the end of the queue, and take its draft away, at once. */
export const enqueue = (entry, place) =>
  within(["rows", "drafts"], "readwrite", (rows, drafts) => [rows.add(entry), drafts.delete(place)]);

/** Every row of one person still unsent, in the order they were completed. */
export async function unsent(user) {
  const [rows] = await within(["rows"], "readonly", (store) => store.getAll());
  return rows.filter((row) => row.user === user);
}

export const mark = (entry) => within(["rows"], "readwrite", (rows) => rows.put(entry));
export const drop = (order) => within(["rows"], "readwrite", (rows) => rows.delete(order));

/** The server has it: the row leaves the queue and its receipt stays for today's sheet. */
export const receive = (entry, receipt) =>
  within(["rows", "receipts"], "readwrite", (rows, receipts) => [rows.delete(entry.order), receipts.put(receipt)]);

export async function receiptsOf(user, session) {
  const [found] = await within(["receipts"], "readonly", (store) => store.getAll());
  return found.filter((receipt) => receipt.user === user && receipt.session === session);
}

/** Receipts older than a day serve nobody. */
export const forgetOld = (before) =>
  within(["receipts"], "readwrite", (store) => {
    store.openCursor().onsuccess = ({ target: { result: cursor } }) => {
      if (!cursor) return;
      if (cursor.value.at < before) cursor.delete();
      cursor.continue();
    };
  });

export const keepDraft = (draft) => within(["drafts"], "readwrite", (drafts) => drafts.put(draft));

export const dropDraft = (place) => within(["drafts"], "readwrite", (drafts) => drafts.delete(place));

export async function draftsOf(user, session) {
  const [found] = await within(["drafts"], "readonly", (store) => store.getAll());
  return found.filter((draft) => draft.user === user && draft.session === session);
}
