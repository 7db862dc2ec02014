// Today's page says what still waits on this tablet.

import * as store from "./store.js";

const queue = document.querySelector("[data-part=queue]");
const waiting = await store.unsent(Number(queue.dataset.user));
queue.dataset.unsent = String(waiting.length);
queue.hidden = !waiting.length;
queue.textContent = `${waiting.length} row${waiting.length === 1 ? " waits" : "s wait"} on this tablet: open a sheet to send ${waiting.length === 1 ? "it" : "them"}`;
