// The measurement sheet: one active row, Enter advances, every completed row is kept here and then sent.

import { inTurn, newId } from "./bare.js";
import { Bursts } from "./bursts.js";
import { readNumber, volumeMm3 } from "./numbers.js";
import { FIELDS, SIZELESS, SheetRow, element } from "./rows.js";
import { look } from "./rules.js";
import * as serial from "./serial.js";
import { play, soundIsOn, switchSound } from "./sounds.js";
import * as store from "./store.js";
import { Sync } from "./sync.js";
import { Cages } from "./cages.js";
import * as finish from "./finish.js";
import { readyOffline } from "./offline.js";

const sheet = JSON.parse(document.getElementById("sheet-data").textContent);
const page = Object.fromEntries([...document.querySelectorAll("[data-part]")].map((node) => [node.dataset.part, node]));
const preference = (name, otherwise) => localStorage.getItem(`entry-${name}`) ?? otherwise;
const prefer = (name, value) => localStorage.setItem(`entry-${name}`, value);
const told = (row) => JSON.stringify([Object.values(values(row)).map((text) => (text === null ? null : Number(text))), row.status, [...row.signs].sort()]);
const placeOf = (row) => [sheet.user, sheet.session, row.mouse.key, row.tumor, row.replicate].join("|");
const NOT_DONE = ["escaped", "under anesthesia", "in another room", "sick", "no time", "other"];
const CORRECTED = ["typing slip", "wrong mouse", "measured again", "other"];

const rows = [];
let active = null;
const done = []; // rows in the order they were completed, for undo

const handlers = {
  signs: sheet.signs,
  formula: sheet.formula,
  usesPad: () => preference("pad", matchMedia("(pointer: coarse)").matches ? "on" : "off") === "on",
  echo: (field, text) => {
    const read = number(field, text);
    return read.value && read.value !== text ? read.value : "";
  },
  activate: (row) => activate(row),
  typed: (row) => typed(row),
  keyed: (row, field, event) => keyed(row, field, event),
  coded: (row, status) => code(row, status),
  signed: (row, sign) => toggleSign(row, sign),
  confirmed: (row) => confirmAndComplete(row, "checked"),
  again: (row) => measureAgain(row),
  swapped: (row) => swap(row),
  reasoned: (row, reason) => giveReason(row, reason),
};

function number(field, text) {
  return readNumber(field, text, { implied: preference("implied", "off") === "on", decimals: sheet.limits.decimals });
}

// Moving -----------------------------------------------------------------------------------------------------------

function activate(row, field = null) {
  if (!row) return;
  row.node.hidden = false;
  if (active !== row) {
    if (active) active.set({ isActive: false });
    active = row;
    row.set({ isActive: true });
    announceCage(row);
  }
  focus(row, field);
  showActive();
}

/** At the top, under the head-count where that is asked before it; again when the screen turns or a keyboard opens. */
function showActive() {
  if (!active) return;
  const isAsked = !page.headcount.hidden && page.headcount.nextElementSibling === active.node;
  (isAsked ? page.headcount : active.node).scrollIntoView({ block: "start" });
}

function focus(row, field = null) {
  const wanted = field ?? row.fields.find((name) => !row.texts[name]) ?? row.fields[0] ?? "status";
  const answer = row.node.querySelector(".row-answers button");
  const target = (row.reasonNeeded && answer) || (row.node.querySelector(`[data-field="${wanted}"]:not(:disabled)`) ?? answer);
  if (target && document.activeElement !== target) target.focus({ preventScroll: true });
  target?.select?.();
}

function next(after) {
  const place = rows.indexOf(after);
  const order = [...rows.slice(place + 1), ...rows.slice(0, place)];
  return order.find(isToDo);
}

const isToDo = (row) => ["open", "draft"].includes(row.state) && cages.taken.has(row.mouse.cage);

function step(row, by) {
  const there = rows[rows.indexOf(row) + by];
  if (there) activate(there);
}

// Keys -------------------------------------------------------------------------------------------------------------

function keyed(row, field, event) {
  const { key } = event;
  if (key === "ArrowUp" || key === "ArrowDown") {
    event.preventDefault();
    return step(row, key === "ArrowUp" ? -1 : 1);
  }
  if (key !== "Enter" && !(key === "Tab" && !event.shiftKey && row.texts[field])) return undefined;
  event.preventDefault();
  return commitField(row, field);
}

function commitField(row, field) {
  if (row.state === "asking") return confirmAndComplete(row, "checked");
  const text = row.texts[field].trim();
  if (text.length > 3 && classify(text) === "scan") return movedBy(row, field, text);
  if (field === "length_mm" && text === "0") return code(row, "not_palpable");
  if (field === "length_mm" && text === ".") return code(row, "too_small");
  const read = number(field, text);
  if (read.error) return refuse(row, field, `${labelOf(field)} ${text}: ${read.error}`);
  if (read.blank && field !== "weight_g") return refuse(row, field, `${labelOf(field)} is blank: a number, 0, . or x`);
  const early = read.blank ? null : look(only(field, read.value), null, sheet.limits, sheet.formula).find((f) => f.severity === "hard");
  if (early) return refuse(row, field, early.message);
  row.error = null;
  if (read.value) row.texts[field] = read.value;
  keepDraft(row);
  const following = row.fields[row.fields.indexOf(field) + 1];
  if (!following) return complete(row);
  row.draw();
  return focus(row, following);
}

/** A tag that a slow reader wrote like a hand: it still moves the row, and is no number. */
function movedBy(row, field, text) {
  row.texts[field] = "";
  row.draw();
  return find(text);
}

/** The same reading twice within a moment is one press too many: the first stays where it is (rule R24). */
function pressedTwice(text) {
  play("ask");
  if (active) refuse(active, document.activeElement?.dataset.field, `${text} came twice at once: the first is kept, measure this one`);
}

const only = (field, value) => ({ length_mm: null, width_mm: null, weight_g: null, [field]: value });
const labelOf = (field) => ({ length_mm: "Length", width_mm: "Width", weight_g: "Weight" })[field];

function refuse(row, field, message) {
  play("no");
  row.set({ error: { field, message } });
  focus(row, field);
}

/** False where the key means nothing here. */
function command(key) {
  if (key === "u") return undo();
  if (key === "/") return page.find.focus();
  if (!active) return false;
  const sign = sheet.signs.find((one) => one.key === key);
  const reason = active.reasonNeeded && /^[1-9]$/.test(key) ? active.reasonNeeded.choices[Number(key) - 1] : null;
  if (reason) giveReason(active, reason);
  else if (active.state === "asking" && key === "r") measureAgain(active);
  else if (active.state === "asking" && key === "s") swap(active);
  else if (key === "x") code(active, "not_done");
  else if (key === "w") code(active, active.status === "ulcerated" ? "measured" : "ulcerated");
  else if (sign) toggleSign(active, sign.code);
  else return false;
  return true;
}

function code(row, status, known = null) {
  const sizeless = SIZELESS.includes(status);
  if (sizeless) Object.assign(row.texts, { length_mm: "", width_mm: "" });
  const reasonNeeded =
    status === "not_done" && !known ? { question: "Why was it not done?", choices: NOT_DONE, act: "code" } : false;
  row.set({ status, error: null, reasonNeeded, state: row.state === "asking" ? "draft" : row.state });
  keepDraft(row);
  if (reasonNeeded) return focus(row);
  if (!row.fields.length || known) return complete(row);
  return focus(row);
}

function toggleSign(row, sign) {
  if (!row.signs.delete(sign)) row.signs.add(sign);
  row.draw();
  keepDraft(row);
  focus(row);
}

function giveReason(row, reason) {
  const corrects = row.reasonNeeded.act === "correct";
  if (corrects) row.reason = reason;
  else row.confirmations.R25 = reason;
  row.set({ reasonNeeded: false });
  if (!row.fields.length || (corrects && told(row) !== row.stands)) return complete(row);
  return focus(row, corrects ? row.fields[0] : null);
}

// Completing -------------------------------------------------------------------------------------------------------

function values(row) {
  return Object.fromEntries(
    FIELDS.map((field) => [field, row.fields.includes(field) ? (number(field, row.texts[field]).value ?? null) : null]),
  );
}

function complete(row) {
  for (const field of row.fields) {
    const read = number(field, row.texts[field]);
    if (read.error) return refuse(row, field, `${labelOf(field)} ${row.texts[field]}: ${read.error}`);
    if (read.blank && field !== "weight_g") return refuse(row, field, `${labelOf(field)} is blank: a number, 0, . or x`);
    if (read.value) row.texts[field] = read.value;
  }
  if (row.stands === told(row)) return leaveAsItWas(row);
  if (row.stands && row.id && !row.reason) return askWhy(row);
  const findings = questionsOf(row);
  const refusal = findings.find((finding) => finding.severity === "hard");
  if (refusal) return refuse(row, refusal.field, refusal.message);
  const open = findings.filter(({ rule, severity }) => severity === "soft" && !row.confirmations[rule]);
  if (open.length) {
    play("ask");
    row.set({ state: "asking", findings: open, error: null });
    return focus(row, "weight_g");
  }
  return commit(row);
}

function questionsOf(row) {
  const siblings = rows.filter((one) => one.mouse === row.mouse && one !== row && one.replicate === 1 && one.isDone);
  const others = { mm3: 0, weight_g: siblings.find((one) => one.texts.weight_g)?.texts.weight_g ?? null };
  for (const { texts } of siblings) {
    if (texts.length_mm && texts.width_mm) others.mm3 += volumeMm3(Number(texts.length_mm), Number(texts.width_mm), sheet.formula);
  }
  return look({ ...values(row), status: row.status }, row.mouse.last[row.tumor], sheet.limits, sheet.formula, others);
}

/** A row opened again and left as it stood: nothing is sent. */
function leaveAsItWas(row) {
  const state = row.state === "draft" ? (row.id ? "saved" : "waiting") : row.state;
  row.set({ state, reason: "", error: null, reasonNeeded: false });
  store.dropDraft(placeOf(row));
  return moveOn(row);
}

function askWhy(row) {
  row.set({ state: "draft", error: null, reasonNeeded: { question: "Why is it corrected?", choices: CORRECTED, act: "correct" } });
  return activate(row);
}

/** A changed row that still waits takes the place of what waited; one that left meanwhile is corrected with a reason. */
async function amend(row) {
  const entry = entryOf(row);
  row.set({ state: "keeping", error: null });
  const isReplaced = await inTurn(async () => {
    const waiting = (await store.unsent(sheet.user)).find((one) => one.session === sheet.session && rowOf(one.row) === row && !one.path);
    if (waiting) await store.mark({ ...entry, order: waiting.order });
    return Boolean(waiting);
  });
  if (!isReplaced) return askWhy(row);
  row.set({ state: "waiting", stands: told(row) });
  await store.dropDraft(placeOf(row));
  await count();
  return sync.flush();
}

function confirmAndComplete(row, reason) {
  for (const finding of row.findings) row.confirmations[finding.rule] = reason;
  row.state = "draft";
  return complete(row);
}

function swap(row) {
  const { length_mm: length, width_mm: width } = row.texts;
  row.confirmations.R5 = `swapped from ${length} x ${width}`;
  row.set({ texts: { ...row.texts, length_mm: width, width_mm: length }, state: "draft", findings: [] });
  return complete(row);
}

/** The first reading is stored as it is, and another one of the same visit is asked for: both are kept. */
function measureAgain(row) {
  for (const finding of row.findings) row.confirmations[finding.rule] = "measured again";
  keep(row);
  const replicate = row.replicate + 1;
  row.reset();
  row.set({ replicate, state: "open", isActive: true });
  active = row;
  focus(row);
}

/** The next row is active before this one is on disk: a caliper's next reading may come within milliseconds. */
function commit(row) {
  done.push(row);
  tellEndpoints(row, questionsOf(row).map(({ rule, message }) => ({ id: rule, message })));
  if (row.stands && !row.id) amend(row);
  else keep(row);
  return moveOn(row);
}

function moveOn(row) {
  if (active && active !== row) return focus(active); // a row coded at the head-count: the mouse in hand stays
  const following = next(row);
  if (active === row) active = null;
  row.set({ isActive: false });
  if (following) activate(following);
  else finished();
}

/** Put the row into the queue. It counts as committed once this resolves; the network plays no part. */
async function keep(row) {
  const entry = entryOf(row);
  const place = placeOf(row);
  row.set({ state: "keeping", isActive: false, error: null, reason: "", stands: told(row) });
  if (active === row) active = null;
  keeping.add(entry.client_id);
  showQueue();
  try {
    await store.enqueue(entry, place);
  } catch (error) {
    keeping.delete(entry.client_id);
    play("no");
    restore(row, entry.row);
    row.set({ state: "draft", stands: null, error: { message: `This tablet could not keep the row (${error?.message ?? error}): write it down.` } });
    return activate(row);
  }
  if (row.state === "keeping") row.set({ state: "waiting" });
  play("ok");
  await count();
  keeping.delete(entry.client_id);
  return sync.flush();
}

function entryOf(row) {
  const client_id = newId();
  const body = {
    client_id,
    mouse: row.mouse.key,
    tumor: row.tumor,
    replicate: row.replicate,
    observed_at: new Date().toISOString(),
    ...Object.fromEntries(Object.entries(values(row)).map(([field, text]) => [field, text === null ? null : Number(text)])),
    status: row.status,
    signs: [...row.signs].sort(),
    device: preference("device", ""),
    confirmations: Object.entries({ ...sheetWide, ...row.confirmations }).map(([rule, reason]) => ({ rule, reason })),
  };
  const entry = { client_id, user: sheet.user, session: sheet.session, row: body };
  return row.reason ? { ...entry, ...correction(row, body) } : entry;
}

function correction(row, body) {
  const { mouse, tumor, replicate, ...values } = body;
  return { path: `measurements/${row.id}/correction`, body: { ...values, reason: row.reason } };
}

function finished() {
  page.finish.scrollIntoView({ block: "center" });
}

/** The signature is asked for when nothing is left to do; the server refuses it while a mouse lacks a row. */
async function signSheet(event) {
  event.preventDefault();
  const { username, password } = Object.fromEntries(new FormData(page.sign));
  const token = await sync.identify();
  const against = token
    ? await finish.sign(sheet.urls.api, sheet.session, token, username, password)
    : "Sign in again before you sign the sheet.";
  page.sign.elements.password.value = "";
  page.signError.hidden = !against;
  page.signError.textContent = against ?? "";
  if (!against) location.assign(sheet.urls.today);
}

async function remeasure() {
  const drawn = await finish.remeasureList(sheet.urls.api, sheet.session);
  page.remeasure.hidden = false;
  page.remeasure.querySelector("p").textContent = drawn.reason ?? finish.agreementText(drawn);
  const again = rows.filter((row) => drawn.mice?.includes(row.mouse.key) && row.isDone && row.replicate === 1);
  for (const row of again) {
    row.reset();
    row.set({ replicate: 2, state: "open" });
  }
  await count();
  if (again.length) activate(again[0]);
}

/** Rows a colleague stored on another tablet, so that nobody lifts a mouse twice. */
async function lookAround() {
  for (const mouse of await finish.storedByOthers(sheet.urls.api, sheet.session)) {
    for (const tumor of mouse.tumors) {
      const row = rows.find((one) => one.mouse.key === mouse.mouse && one.tumor === tumor.number);
      const last = tumor.readings.at(-1);
      if (!row || !last || row.state !== "open" || row === active || row.replicate > last.replicate) continue;
      restore(row, last);
      row.set({ state: "elsewhere", id: last.id, by: last.observer });
    }
  }
  await count();
}

/** What the head-count found: a dead or missing mouse is coded at once, and its exit is a page away. */
function headCount(mouse, what) {
  for (const row of rows.filter((one) => one.mouse === mouse && !one.isDone)) {
    if (what === "ear tag") row.confirmations.R15 = "ear tag hard to read";
    else {
      row.confirmations.R25 = what;
      code(row, what === "dead" ? "dead" : "not_done", what);
    }
  }
  say(`${mouse.label}: ${what}`);
}

/** A digit more makes a question's answer, and what stood, a thing of the past. */
function typed(row) {
  for (const { rule } of row.findings) delete row.confirmations[rule];
  if (row.state === "asking") row.node.querySelector(".row-questions")?.remove();
  if (row.state === "asking") row.state = "draft";
  return keepDraft(row);
}

async function keepDraft(row) {
  if (row.state === "open" || row.isDone) row.state = "draft";
  row.node.dataset.state = row.state;
  const { texts, status, replicate } = row;
  const signs = [...row.signs];
  await store.keepDraft({
    place: placeOf(row), user: sheet.user, session: sheet.session, mouse: row.mouse.key, tumor: row.tumor,
    texts, status, signs, replicate,
  }); // prettier-ignore
}

// The server's word ------------------------------------------------------------------------------------------------

const sheetWide = {}; // what was confirmed once for the whole sheet: another observer, a late entry
const ONCE_A_SHEET = ["R20", "R21", "R26", "R27"];

async function answered(entry, result) {
  if (entry.session !== sheet.session) return count();
  if (answersAll({ problem: result }, sheetWide)) return resend({ ...entry, problem: null }, sheetWide); // answered already
  const row = rowOf(entry.row);
  if (row && row.replicate <= entry.row.replicate) {
    if (result.http_status < 300) {
      row.set({ state: row === active && row.state === "draft" ? "draft" : "saved", id: result.id });
      tellEndpoints(row, result.rules ?? []);
    }
    else if (result.parked) row.set({ state: "parked" });
    else await troubled(row, entry, result);
  }
  if (result.http_status >= 300 && !result.parked) await showTroubles();
  return count();
}

/** The caps and weight limits of R10, R13 and R14 hold no row back; they are said, and stand under Alerts. */
function tellEndpoints(row, rules) {
  const reached = rules.filter(({ id }) => ["R10", "R13", "R14"].includes(id));
  if (reached.length) say(`Alert, ${row.title}: ${reached.map(({ message }) => message).join("; ")}`);
}

async function troubled(row, entry, result) {
  if (row === active && row.state === "draft") return; // it is being changed already
  const rules = result.rules ?? [];
  restore(row, entry.row);
  if (result.http_status === 409) row.set({ state: "conflict" });
  else {
    const message = rules.map((rule) => rule.message).join("; ") || "the server could not read this row";
    row.set({ state: "refused", error: { field: rules[0]?.field, message } });
  }
  play("no");
}

function rowOf(body) {
  return rows.find((row) => row.mouse.key === body.mouse && row.tumor === body.tumor);
}

/** With its decimal mark, so that 22 g stay 22 g where "220" means 22.0. */
const inFull = (value) => (value === null || value === undefined ? "" : /[.]/.test(value) ? String(value) : `${value}.0`);

function restore(row, body) {
  const texts = Object.fromEntries(FIELDS.map((field) => [field, inFull(body[field])]));
  Object.assign(row, { texts, status: body.status || "measured", replicate: body.replicate, signs: new Set(body.signs) });
  row.stands = told(row);
}

/** Rows that need a person: what the server asks or refuses, with what can be done about each. */
async function showTroubles() {
  const troubled = (await store.unsent(sheet.user)).filter((entry) => entry.problem && entry.session === sheet.session);
  page.troubles.hidden = !troubled.length;
  page.troubles.replaceChildren(...troubled.map(trouble));
}

function trouble(entry) {
  const { problem, row: body } = entry;
  const row = rowOf(body);
  const rules = problem.rules ?? [];
  const told = problem.http_status === 409 ? conflictText(body, problem.stored) : rules.map((rule) => rule.message).join("; ");
  const act = (label, doIt) => element("button", { type: "button", class: "button second", onclick: doIt }, label);
  const once = rules.length && rules.every((rule) => ONCE_A_SHEET.includes(rule.id));
  const answers =
    problem.http_status === 409
      ? [
          act("Keep the stored one", () => choose(entry, row, "stored", "the stored reading stands")),
          act("Take mine", () => choose(entry, row, "sent", "chosen over the stored reading")),
          act("Keep both", () => choose(entry, row, "both", "two readings of one visit")),
        ]
      : [
          rules.length ? act(once ? "Right, for the whole sheet" : "It is right", () => confirmSent(entry, rules, once)) : null,
          act("Change it", () => change(entry, row)),
        ];
  return element(
    "li",
    {},
    element("strong", {}, row?.title ?? body.mouse),
    element("span", {}, ` ${told || "the server could not read this row"}`),
    element("div", { class: "row-answers" }, ...answers.filter(Boolean)),
  );
}

function conflictText(mine, theirs) {
  const say = (one) => [one?.length_mm && `${one.length_mm} × ${one.width_mm} mm`, one?.weight_g && `${one.weight_g} g`, !one?.length_mm && one?.status].filter(Boolean).join(", ");
  return `${theirs?.observer || "someone else"} stored ${say(theirs)}; you read ${say(mine)}`;
}

async function confirmSent(entry, rules, once) {
  const given = Object.fromEntries(rules.map((rule) => [rule.id, "checked"]));
  if (once) Object.assign(sheetWide, given);
  const concerned = once ? (await store.unsent(sheet.user)).filter((one) => one.problem && answersAll(one, given)) : [entry];
  for (const one of concerned) await resend(one, given);
  await afterTrouble();
}

const answersAll = ({ problem }, given) => problem.http_status === 422 && problem.rules?.length && problem.rules.every((rule) => rule.id in given);

/** Send a refused row again with what was confirmed. Nothing was stored under the old id; a new body takes a new one. */
async function resend(entry, given) {
  const client_id = newId();
  const told = Object.fromEntries(entry.row.confirmations.map(({ rule, reason }) => [rule, reason]));
  const confirmations = Object.entries({ ...told, ...given }).map(([rule, reason]) => ({ rule, reason }));
  const again = { ...entry, client_id, problem: null, row: { ...entry.row, client_id, confirmations } };
  if (entry.body) again.body = { ...entry.body, client_id, confirmations };
  await store.mark(again);
  rowOf(entry.row)?.set({ state: "waiting", error: null });
}

async function afterTrouble() {
  await showTroubles();
  await count();
  if (active) focus(active); // the button that was pressed is gone
  sync.flush();
}

async function change(entry, row) {
  row.set({ state: "draft", error: null, stands: standsAfter(entry, row) });
  await keepDraft(row);
  await store.drop(entry.order);
  await afterTrouble();
  activate(row, "length_mm");
}

/** Without this entry: a correction leaves a reading on record, which is not what the row shows; a first reading nothing. */
const standsAfter = (entry, row) => (entry.body && row.id ? "on record" : null);

/** Settle two readings of one place: the server is told which stands, and keeps the other in its history. */
async function choose(entry, row, choice, reason) {
  const body = { choice, reason, row: entry.row };
  await store.mark({ ...entry, problem: null, path: `measurements/${entry.problem.id}/choice`, body });
  if (choice === "stored") restore(row, { ...entry.problem.stored, replicate: row.replicate });
  row.set({ state: "waiting", error: null });
  await afterTrouble();
}

/** Open the last completed row again. One that has not left yet is simply taken back; else it is corrected. */
async function undo() {
  const row = done.pop();
  if (!row) return;
  await inTurn(async () => {
    const waiting = (await store.unsent(sheet.user)).filter((entry) => rowOf(entry.row) === row && entry.session === sheet.session);
    if (waiting.length) {
      await keepDraft(row);
      await store.drop(waiting.at(-1).order);
      row.stands = standsAfter(waiting.at(-1), row);
    } else row.reasonNeeded = { question: "Why is it corrected?", choices: CORRECTED, act: "correct" };
  });
  row.set({ state: "draft" });
  await keepDraft(row);
  await count();
  activate(row, row.reasonNeeded ? null : "length_mm");
}

// The frame --------------------------------------------------------------------------------------------------------

const SAYING = {
  offline: "no connection: what you enter is kept on this tablet",
  "signed-out": "sign in again: what you entered is kept on this tablet",
  "someone-else": "someone else is signed in: your rows wait for you",
  busy: "the server cannot store now: what you entered is kept on this tablet",
};

let waiting = []; // what was last read from the queue
const keeping = new Set(); // client ids on their way into it: counted from the key press on, never too few

async function count() {
  waiting = await store.unsent(sheet.user);
  showQueue();
}

function showQueue() {
  const unsent = waiting.filter((entry) => !keeping.has(entry.client_id)).length + keeping.size;
  page.queue.dataset.unsent = String(unsent);
  const minutes = Math.round((sync.aheadMs ?? 0) / 60_000);
  const clock = `this tablet's clock is ${Math.abs(minutes)} min ${minutes > 0 ? "ahead" : "behind"}: set it right`;
  const problem = SAYING[sync.state] ?? (Math.abs(minutes) > 2 ? clock : undefined);
  const rowsWait = `${unsent} row${unsent === 1 ? " waits" : "s wait"} on this tablet`;
  page.queue.textContent = unsent ? (problem ? `${rowsWait} · ${problem}` : rowsWait) : (problem ?? "all saved");
  page.queue.className = `queue ${problem ? "is-offline" : unsent ? "is-waiting" : "is-saved"}`;
  page.signIn.hidden = !["signed-out", "someone-else"].includes(sync.state);
  const finished = rows.filter((row) => row.isDone).length;
  const coded = rows.filter((row) => row.isDone && row.status !== "measured" && row.status !== "ulcerated").length;
  page.progress.textContent = `${finished} done · ${rows.length - finished} to do · ${coded} coded`;
  page.meter.value = finished;
  const missing = finish.missingText(rows);
  if (missing) page.progress.textContent += ` · ${missing}`;
  const wasHidden = page.sign.hidden;
  page.sign.hidden = Boolean(missing) || unsent > 0;
  if (wasHidden && !page.sign.hidden && document.activeElement === document.body) page.sign.elements.password.focus();
  page.askRemeasure.hidden = finished === 0;
}

function announceCage(row) {
  const { cage } = row.mouse;
  if (cages.ask(cage)) row.node.before(page.headcount); // the question stands where the hands are
  const mice = sheet.mice.filter((mouse) => mouse.cage === cage).length;
  page.cage.textContent = cage ? `cage ${cage} · ${cages.all.indexOf(cage) + 1} of ${cages.all.length} · ${mice} mice` : "";
}

function find(text) {
  const wanted = text.trim().toLowerCase();
  const row =
    rows.find((one) => one.mouse.tags.some((tag) => tag.toLowerCase() === wanted)) ??
    rows.find((one) => one.mouse.cage.toLowerCase() === wanted && !one.isDone) ??
    rows.find((one) => one.mouse.cage.toLowerCase() === wanted);
  page.find.value = "";
  if (!row) return unknown(text);
  say(`${row.title} found`);
  return activate(row);
}

function unknown(text) {
  play("no");
  if (classify(text) === "value") say(`${text}: no field is open for it`);
  else say(`${text} is no mouse or cage of this sheet`);
}

function say(text) {
  page.said.textContent = text;
}

function classify(text) {
  const wanted = text.toLowerCase();
  const known = rows.some((row) => row.mouse.tags.some((tag) => tag.toLowerCase() === wanted) || row.mouse.cage.toLowerCase() === wanted);
  if (known) return "scan";
  return /^[0-9]{1,3}([.,][0-9]{1,3})? ?(mm|cm|in|"|g|kg|mg)?$/i.test(text.trim()) ? "value" : "unknown";
}

function switches() {
  const flip = (part, name, read, write) => {
    const draw = () => page[part].setAttribute("aria-pressed", String(read()));
    page[part].addEventListener("click", () => { write(!read()); draw(); active?.draw(); if (active) focus(active); drawPad(); }); // prettier-ignore
    draw();
  };
  flip("sound", "sound", soundIsOn, switchSound);
  flip("implied", "implied", () => preference("implied", "off") === "on", (on) => prefer("implied", on ? "on" : "off"));
  flip("padSwitch", "pad", handlers.usesPad, (on) => prefer("pad", on ? "on" : "off"));
  page.device.value = preference("device", "");
  page.device.addEventListener("change", () => prefer("device", page.device.value.trim()));
  page.serial.hidden = !serial.isOffered();
  page.serial.addEventListener("click", attachSerial);
}

async function attachSerial() {
  try {
    await serial.connect({
      onReading: (reading) => takeReading(reading),
      onNoise: (line) => say(`the device sent ${line}, which is no reading`),
      onEnd: () => say("the device was unplugged"),
    });
    say("the device is connected");
  } catch (error) {
    say(`no device: ${error.message}`);
  }
}

/** A reading goes where its unit belongs: lengths to the field in hand, a weight to the weight. */
function takeReading({ value, unit }) {
  if (!active) return;
  const inHand = document.activeElement?.dataset?.field;
  const field = unit === "g" ? "weight_g" : ["length_mm", "width_mm"].includes(inHand) ? inHand : null;
  if (!field || !active.fields.includes(field)) return say(`${value} ${unit} does not belong in this field`);
  active.texts[field] = `${value} ${unit}`;
  return commitField(active, field);
}

function drawPad() {
  page.pad.hidden = !handlers.usesPad();
  document.body.classList.toggle("with-pad", handlers.usesPad());
}

function press(key) {
  if (key === "u") return undo();
  const input = document.activeElement?.dataset?.kind === "number" ? document.activeElement : active?.node.querySelector("input:not(:disabled)");
  if (!input) return;
  input.focus({ preventScroll: true });
  if (key === "Enter") input.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  else if (key === "x") command(key);
  else {
    const selected = input.selectionStart !== input.selectionEnd;
    const kept = selected ? "" : input.value;
    input.value = key === "Backspace" ? kept.slice(0, -1) : kept + key;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

// Start ------------------------------------------------------------------------------------------------------------

let cages = null;

function showTaken(taken) {
  for (const row of rows) row.node.hidden = !taken.has(row.mouse.cage);
}

const sync = new Sync({ user: sheet.user, urls: sheet.urls, onResult: answered, onState: () => count() });

async function begin() {
  for (const mouse of sheet.mice) for (const tumor of mouse.tumors) rows.push(new SheetRow(mouse, tumor, handlers));
  for (const row of rows) {
    const stored = row.mouse.stored?.[row.tumor];
    if (stored) {
      restore(row, stored);
      row.set({ state: "elsewhere", id: stored.id });
    }
  }
  page.rows.replaceChildren(...rows.map((row) => row.node));
  cages = new Cages(sheet.mice, sheet.session, { chips: page.cages, panel: page.headcount, onTake: showTaken, onTrouble: headCount });
  showTaken(cages.taken);
  await recall();
  page.meter.max = rows.length;
  switches();
  drawPad();
  page.pad.addEventListener("pointerdown", (event) => event.preventDefault());
  page.pad.addEventListener("click", (event) => event.target.closest("[data-key]") && press(event.target.closest("[data-key]").dataset.key));
  page.find.addEventListener("keydown", (event) => event.key === "Enter" && find(page.find.value));
  page.undo.addEventListener("click", undo);
  document.addEventListener("keydown", beginByKey);
  window.addEventListener("resize", showActive);
  page.sign.addEventListener("submit", signSheet);
  page.askRemeasure.addEventListener("click", remeasure);
  setInterval(lookAround, 20_000);
  const heard = { classify, onScan: find, onUnknown: unknown, onTwice: pressedTwice, onCommand: command };
  new Bursts({ ...heard, twiceMs: sheet.limits.burst_ms }).listen(document);
  await count();
  if (!active && rows.some(isToDo)) page.cage.textContent = "scan or tap a mouse, or press Enter to begin";
  readyOffline(sheet.urls.worker, (text) => { page.insecure.hidden = !text; page.insecure.textContent = text; }); // prettier-ignore
  navigator.storage?.persist?.();
  document.documentElement.dataset.ready = "true";
  await sync.start();
}

/** Enter beside every field and button begins, or goes on, with the first mouse to do. */
function beginByKey(event) {
  if (event.key !== "Enter" || event.defaultPrevented || active || event.target !== document.body) return;
  event.preventDefault();
  activate(rows.find(isToDo));
}

/** What this tablet holds of the sheet: receipts first, then what waits, then what was half typed. */
async function recall() {
  await store.forgetOld(Date.now() - 36 * 3600e3);
  // The page is newer than a receipt unless it was opened without the network: the server has the word on the rest.
  for (const { row, id, parked, at } of await store.receiptsOf(sheet.user, sheet.session)) {
    if (parked ? rowOf(row)?.state === "open" : at > sheet.as_of) recallRow(row, parked ? "parked" : "saved", id);
  }
  for (const entry of await store.unsent(sheet.user)) {
    if (entry.session !== sheet.session) continue;
    recallRow(entry.row, "waiting");
    const row = rowOf(entry.row);
    if (row && entry.problem) await troubled(row, entry, entry.problem);
  }
  for (const draft of await store.draftsOf(sheet.user, sheet.session)) {
    const row = rowOf(draft);
    if (!row || row.isDone) continue;
    row.set({ texts: draft.texts, status: draft.status, signs: new Set(draft.signs), replicate: draft.replicate, state: "draft" });
  }
  await showTroubles();
}

function recallRow(body, state, id = null) {
  const row = rowOf(body);
  if (!row || body.replicate < row.replicate) return;
  restore(row, body);
  row.set({ state, id: id ?? row.id });
}

begin();
