// Cages of the sheet: which ones this person takes, and the head-count before the first mouse of each is lifted.

import { element } from "./rows.js";

const TROUBLES = { dead: "dead", missing: "missing", "ear tag": "ear tag trouble" };

export class Cages {
  /** `onTake(set)` when the cages taken change; `onTrouble(mouse, what)` for each mouse not as it should be. */
  constructor(mice, session, { chips, panel, onTake, onTrouble }) {
    Object.assign(this, { mice, chips, panel, onTake, onTrouble });
    this.name = `entry-cages-${session}`;
    this.all = [...new Set(mice.map((mouse) => mouse.cage))];
    this.taken = new Set(JSON.parse(localStorage.getItem(this.name) ?? "null")?.filter((cage) => this.all.includes(cage)) ?? this.all);
    if (!this.taken.size) this.taken = new Set(this.all);
    this.counted = new Set();
    this.draw();
  }

  draw() {
    this.chips.hidden = this.all.length < 2;
    const chip = (cage) =>
      element(
        "button",
        { type: "button", class: "switch", "aria-pressed": String(this.taken.has(cage)), onclick: () => this.toggle(cage) },
        cage || "no cage",
      );
    this.chips.replaceChildren(...this.all.map(chip));
  }

  toggle(cage) {
    if (!this.taken.delete(cage)) this.taken.add(cage);
    if (!this.taken.size) this.taken = new Set(this.all);
    localStorage.setItem(this.name, JSON.stringify([...this.taken]));
    this.draw();
    this.onTake(this.taken);
  }

  /** Ask once a cage: who is there, dead, missing or hard to tell? Nothing waits for the answer. True where it is asked. */
  ask(cage) {
    if (!cage || this.counted.has(cage)) return false;
    this.counted.add(cage);
    const here = this.mice.filter((mouse) => mouse.cage === cage);
    const line = (mouse) =>
      element(
        "li",
        {},
        element("strong", {}, mouse.label),
        element("span", { class: "quiet" }, mouse.ear_tag ? ` ear ${mouse.ear_tag}` : ""),
        ...Object.entries(TROUBLES).map(([what, label]) =>
          element("button", { type: "button", class: "sign", onclick: ({ currentTarget }) => this.tell(mouse, what, currentTarget) }, label),
        ),
      );
    this.panel.hidden = false;
    this.panel.replaceChildren(
      element("h2", {}, `Cage ${cage}: ${here.length} ${here.length === 1 ? "mouse" : "mice"}?`),
      element("details", {}, element("summary", {}, "Not all are well and here"), element("ul", {}, ...here.map(line))),
      element("button", { type: "button", class: "button second", onclick: () => this.close() }, `All ${here.length} are here`),
    );
    return true;
  }

  tell(mouse, what, button) {
    button.setAttribute("aria-pressed", "true");
    this.onTrouble(mouse, what);
  }

  close() {
    this.panel.hidden = true;
  }
}
