// Covers a page nobody touched for a while, until the same person gives the password or PIN again. The page beneath stays
// as it is, so that neither a half-filled form nor a row that waits is lost; the server locks the session by itself too.
(() => {
  "use strict";
  const { content } = document.getElementById("idle-lock-template");
  const dialog = document.importNode(content, true).querySelector("dialog"); // in the page only while it is locked
  const { user, after, lock: lockUrl, unlock: unlockUrl, whoami } = dialog.dataset;
  const limit = Number(after) * 1000;
  const key = `pdx-awake-${user}`; // every tab of this person's, so that none locks while another is in use
  const [form, secret] = [dialog.querySelector("form"), dialog.querySelector("input")];
  const [error, goOn] = [dialog.querySelector("[role=alert]"), dialog.querySelector("#idle-go-on")];
  const JSON_WANTED = { Accept: "application/json" };
  let mine = Date.now();
  let told = 0;
  let telling = null; // the request by which the server hears of this cover, once it is made
  let isTold = false; // before that, the server's word that nobody is locked out opens nothing

  const who = (query = "") => fetch(whoami + query, { headers: JSON_WANTED }).then((answer) => answer.json());
  const isLocked = () => dialog.open;

  function lastTouch() {
    try {
      return Math.max(mine, Number(localStorage.getItem(key)));
    } catch {
      return mine;
    }
  }

  function touch() {
    if (isLocked()) return;
    mine = Date.now();
    try {
      localStorage.setItem(key, String(mine));
    } catch {
      // this tab then counts for itself
    }
    if (mine - told < Math.min(60_000, limit / 3)) return;
    const asked = (told = mine); // an answer that was overtaken by an unlocking covers nothing
    who("?awake").then((answer) => answer.locked && told === asked && cover(true), () => {});
  }

  function cover(serverKnows) {
    if (isLocked()) return;
    isTold = serverKnows;
    document.documentElement.dataset.locked = "true";
    error.textContent = "";
    goOn.hidden = true;
    document.body.append(dialog);
    dialog.showModal();
    secret.focus();
  }

  function lock() {
    cover(false);
    return tell();
  }

  /** Once at a time, and again at the next try where the network failed. */
  function tell() {
    if (isTold) return Promise.resolve();
    telling ??= tellServer().finally(() => (telling = null));
    return telling;
  }

  async function tellServer() {
    const { user: seen, csrf } = await who();
    if (seen === Number(user)) {
      const answer = await fetch(lockUrl, { method: "POST", headers: { ...JSON_WANTED, "X-CSRFToken": csrf } });
      if (!answer.ok) throw new Error(`not locked: ${answer.status}`);
    }
    isTold = true;
  }

  function uncover() {
    delete document.documentElement.dataset.locked;
    secret.value = "";
    dialog.close();
    dialog.remove();
    told = 0;
    touch();
    window.dispatchEvent(new Event("unlocked"));
  }

  async function unlock() {
    await tell(); // else an answer from before the lock would open it, and the lock then come after
    const now = await who();
    if (now.user === Number(user)) return uncover(); // another tab was unlocked
    if (now.locked !== Number(user)) return location.reload(); // signed out, or someone else: the server decides
    const answer = await fetch(unlockUrl, {
      method: "POST",
      headers: { ...JSON_WANTED, "X-CSRFToken": now.csrf },
      body: new URLSearchParams({ secret: secret.value }),
    });
    if (answer.ok) return uncover();
    if (answer.status === 429) return location.reload();
    secret.value = "";
    error.textContent = "This is not it. The screen stays locked.";
  }

  /** Nothing can be checked without a network: the sheet may go on, and its rows wait until the server was told. */
  function withoutNetwork() {
    error.textContent = "There is no network, so nothing can be checked now.";
    goOn.hidden = !location.pathname.startsWith("/entry/sessions/");
  }

  function look() {
    if (isLocked()) {
      if (!isTold) return void tell().catch(() => {});
      if (Date.now() - lastTouch() < limit && !document.hidden) {
        who().then((answer) => answer.user === Number(user) && isTold && uncover(), () => {});
      }
    } else if (limit && Date.now() - lastTouch() > limit) lock().catch(withoutNetwork);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    unlock().catch(withoutNetwork);
  });
  goOn.addEventListener("click", uncover);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("close", () => document.documentElement.dataset.locked && !dialog.open && dialog.showModal());
  document.getElementById("lock-now")?.addEventListener("click", () => lock().catch(withoutNetwork));
  for (const kind of ["pointerdown", "keydown", "touchstart", "wheel"]) {
    window.addEventListener(kind, touch, { capture: true, passive: true });
  }
  // While the cover is up, no scanner or shortcut of the page beneath hears what is typed.
  window.addEventListener("keydown", (event) => isLocked() && event.stopImmediatePropagation(), { capture: true });
  document.addEventListener("visibilitychange", () => document.hidden || look());
  if (limit) setInterval(look, Math.min(5000, limit / 3));
})();
