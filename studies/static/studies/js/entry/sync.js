// Sends what waits to the server and acts on its receipts. One tab of the tablet at a time, in order, and only
// rows of the person who is signed in: another person's login never sends them.

import { inTurn, newId } from "./bare.js";
import * as store from "./store.js";

const BATCH = 60;
const EVERY_MS = 5000;
const PATIENCE_MS = 30_000; // a request that hangs is given up and sent again; a replay stores nothing twice
const CLOCK_MS = 2 * 60_000; // a tablet's clock further off than this is set right by the server's

/** The rows of one sheet that stand together at the head of the queue; a correction or a choice goes alone. */
function together(waiting) {
  if (waiting[0].path) return waiting.slice(0, 1);
  const end = waiting.findIndex((entry) => entry.path || entry.session !== waiting[0].session);
  return waiting.slice(0, Math.min(end < 0 ? BATCH : end, BATCH));
}

function requestOf(batch) {
  const [first] = batch;
  if (first.path) return { path: first.path, body: first.body };
  return { path: `sessions/${first.session}/measurements`, body: { rows: batch.map((entry) => entry.row) } };
}

export class Sync {
  /** `onResult(entry, result)` for each row answered, `onState(state)` when how things stand may have changed. */
  constructor({ user, urls, onResult, onState }) {
    Object.assign(this, { user, urls, onResult, onState });
    this.state = "idle";
  }

  start() {
    for (const news of ["online", "unlocked"]) window.addEventListener(news, () => this.flush());
    window.addEventListener("offline", () => this.say("offline"));
    setInterval(() => this.flush(), EVERY_MS);
    return this.flush();
  }

  /** Send everything that can be sent. Calls that come while one runs are served by one more round. */
  async flush() {
    if (this.running) {
      this.again = true;
      return;
    }
    this.running = true;
    try {
      do {
        this.again = false;
        await inTurn(() => this.round());
      } while (this.again);
    } finally {
      this.running = false;
    }
  }

  async round() {
    for (;;) {
      const waiting = (await store.unsent(this.user)).filter((entry) => !entry.problem);
      if (!waiting.length) return this.say(navigator.onLine ? "idle" : "offline");
      if (!(await this.send(together(waiting)))) return;
    }
  }

  async send(batch) {
    const token = await this.identify();
    if (!token) return false;
    batch = await Promise.all(batch.map((entry) => this.onTime(entry)));
    const { path, body } = requestOf(batch);
    const response = await this.ask(`${this.urls.api}${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": newId(), "X-CSRFToken": token },
      body: JSON.stringify(body),
    });
    if (!response) return false;
    if (response.status === 401 || response.status === 403) return this.say("signed-out");
    if (response.status !== 200) return this.failed(response, batch);
    const { answer } = response;
    for (const [place, result] of (answer.results ?? [answer]).entries()) await this.answer(batch[place], result);
    return true;
  }

  /** Status and what the server answers, or null, and said, where it does not answer whole in time. */
  async ask(url, options) {
    try {
      const response = await fetch(url, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
      return { status: response.status, answer: response.ok ? await response.json() : null };
    } catch {
      this.say("offline");
      return null;
    }
  }

  /**
   * The entry with the moment it was taken by the server's clock, where this tablet's is wrong. Both are told: the
   * answer to rule R19 carries what the tablet's clock read. Kept before it is sent, so that every try says the same.
   */
  async onTime(entry) {
    const ahead = this.aheadMs ?? 0;
    if (Math.abs(ahead) <= CLOCK_MS || entry.clocked) return entry;
    const read = entry.row.observed_at;
    const told = {
      observed_at: new Date(Date.parse(read) - ahead).toISOString(),
      confirmations: [...entry.row.confirmations, { rule: "R19", reason: `the tablet's clock read ${read}` }],
    };
    const right = { ...entry, clocked: true, row: { ...entry.row, ...told } };
    if (entry.body) right.body = { ...entry.body, ...told };
    await store.mark(right);
    return right;
  }

  /** A fresh CSRF token where the signed-in person is the one whose rows wait; null, and said, where not. */
  async identify() {
    const response = await this.ask(this.urls.whoami, { headers: { Accept: "application/json" } });
    if (!response) return null;
    if (response.status >= 500) return this.say("busy") || null;
    const who = response.answer ?? { user: null };
    if (who.now) this.aheadMs = Date.now() - who.now;
    if (who.user === this.user) return who.csrf;
    this.say(who.user === null ? "signed-out" : "someone-else");
    return null;
  }

  async failed(response, batch) {
    if (response.status >= 500 || response.status === 429) return this.say("busy");
    if (batch.length > 1) {
      for (const entry of batch) if (!(await this.send([entry]))) return false;
      return true;
    }
    await this.answer(batch[0], { http_status: response.status, rules: [] });
    return true;
  }

  async answer(entry, result) {
    const isStored = result.http_status === 200 || result.http_status === 201;
    if (isStored || result.parked) {
      const { client_id, session, user, row } = entry;
      const at = Date.now() - (this.aheadMs ?? 0); // by the server's clock, as pages are
      await store.receive(entry, { client_id, session, user, row, id: result.id, parked: result.parked, at });
    } else {
      await store.mark({ ...entry, problem: result });
    }
    await this.onResult(entry, result);
  }

  say(state) {
    this.state = state;
    this.onState(state);
    return false;
  }
}
