// One row of the sheet on the screen: a tumor of a mouse. Draws itself; knows neither network nor storage.

import { volumeMm3 } from "./numbers.js";

export const FIELDS = ["length_mm", "width_mm", "weight_g"];
const NAMES = { length_mm: "Length in mm", width_mm: "Width in mm", weight_g: "Weight in g" };
const SHORT = { length_mm: "Length", width_mm: "Width", weight_g: "Weight" };
export const STATUSES = {
  measured: "measured",
  not_palpable: "not palpable (0)",
  too_small: "too small (.)",
  ulcerated: "ulcerated (w)",
  not_done: "not done (x)",
  dead: "dead",
  excluded: "excluded",
};
export const SIZELESS = ["not_palpable", "too_small", "not_done", "dead", "excluded"];
const STATES = {
  open: "", draft: "begun", asking: "look again", keeping: "being kept", waiting: "waits on this tablet", saved: "saved",
  refused: "refused", conflict: "two readings", parked: "parked", elsewhere: "saved",
}; // prettier-ignore

export const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
};

export class SheetRow {
  constructor(mouse, tumor, handlers) {
    Object.assign(this, { mouse, tumor, handlers });
    this.replicate = 1;
    this.state = "open";
    this.reset();
    this.node = element("li", { class: "row", "data-mouse": mouse.key, "data-tumor": tumor, onclick: () => handlers.activate(this) });
    this.draw();
  }

  reset() {
    this.texts = { length_mm: "", width_mm: "", weight_g: "" };
    this.status = "measured";
    this.signs = new Set();
    this.confirmations = {};
    this.findings = [];
    this.error = null;
    this.reasonNeeded = false;
    this.id = null;
    this.stands = null; // what of this row is in the queue or on record, as `handlers.told` words it
  }

  /** Fields this row asks for: the weight is the mouse's, so only its first tumor asks for it. */
  get fields() {
    if (this.state === "parked") return []; // the director decides about it
    const sizes = SIZELESS.includes(this.status) ? [] : ["length_mm", "width_mm"];
    return this.tumor === this.mouse.tumors[0] ? [...sizes, "weight_g"] : sizes;
  }

  get title() {
    const tumor = this.mouse.tumors.length > 1 ? ` tumor ${this.tumor}` : "";
    return `${this.mouse.label}${tumor}`;
  }

  get isDone() {
    return ["keeping", "waiting", "saved", "elsewhere", "parked"].includes(this.state);
  }

  set(changes) {
    Object.assign(this, changes);
    this.draw();
  }

  /** Draws the row anew; whoever types in it goes on typing. */
  draw() {
    const held = this.node.contains(document.activeElement) ? document.activeElement : null;
    this.node.dataset.state = this.state;
    this.node.classList.toggle("active", this.isActive === true);
    this.node.replaceChildren(this.head(), ...(this.isActive ? this.body() : []));
    const again = held?.dataset.field && this.node.querySelector(`[data-field="${held.dataset.field}"]`);
    again?.focus({ preventScroll: true });
    if (again?.dataset.kind) again.setSelectionRange(held.selectionStart, held.selectionEnd);
  }

  head() {
    const { ear_tag: ear, cage } = this.mouse;
    const where = [ear && `ear ${ear}`, this.isActive && cage && `cage ${cage}`].filter(Boolean).join(" · ");
    const open = element(
      "button",
      { type: "button", class: "row-open", "aria-expanded": String(this.isActive === true) },
      element("strong", {}, this.title),
      element("span", { class: "row-where" }, where),
      element("span", { class: "row-values" }, this.isActive ? "" : this.summary()),
      element("span", { class: `row-state is-${this.state}` }, STATES[this.state]),
    );
    return open;
  }

  /** The values once they are in: what was read, the volume, and how that compares with the last visit. */
  summary() {
    if (!this.isDone && this.state !== "refused" && this.state !== "conflict") return "";
    const { length_mm: length, width_mm: width, weight_g: weight } = this.texts;
    const size = length && width ? `${length} × ${width} mm` : STATUSES[this.status].replace(/ \(.\)/, "");
    return [size, weight && `${weight} g`, this.compared()].filter(Boolean).join(" · ");
  }

  compared() {
    const last = this.mouse.last?.[this.tumor];
    const { length_mm: length, width_mm: width, weight_g: weight } = this.texts;
    const percent = (now, then) => `${now >= then ? "+" : "−"}${Math.abs((now / then - 1) * 100).toFixed(0)} %`;
    const told = [];
    if (length && width) {
      const volume = volumeMm3(Number(length), Number(width), this.handlers.formula);
      told.push(`→ ${volume.toFixed(0)} mm³`);
      if (last?.volume_mm3) told.push(`${percent(volume, last.volume_mm3)} since ${last.when}`);
    }
    if (weight && last?.weight_g) told.push(`weight ${percent(Number(weight), Number(last.weight_g))}`);
    // In an open study alone, and for a doser at the same cage: the doses due, by the weight just read.
    if (weight) told.push(...(this.mouse.ml_per_kg ?? []).map((perKg) => `dose ${((perKg * Number(weight)) / 1000).toFixed(2)} mL`));
    return told.join(", ");
  }

  body() {
    const shown = ["length_mm", "width_mm", ...(this.fields.includes("weight_g") ? ["weight_g"] : [])];
    const fields = element("div", { class: "row-fields" }, ...shown.map((field) => this.input(field)), this.statusField());
    return [fields, this.errorLine(), this.questions(), this.reasons(), this.signButtons(), this.pageLink()].filter(Boolean);
  }

  input(field) {
    const off = !this.fields.includes(field);
    const input = element("input", {
      type: "text",
      inputmode: this.handlers.usesPad() ? "none" : "decimal",
      autocomplete: "off",
      maxlength: "24",
      enterkeyhint: "next",
      "data-field": field,
      "data-kind": "number",
      "aria-label": `${NAMES[field]}, mouse ${this.title}`,
      "aria-invalid": this.error?.field === field ? "true" : null,
      disabled: off,
    });
    input.value = this.texts[field];
    const echo = element("output", { class: "echo", "aria-hidden": "true" }, this.handlers.echo(field, input.value));
    input.addEventListener("input", () => {
      this.texts[field] = input.value;
      echo.textContent = this.handlers.echo(field, input.value);
      this.handlers.typed(this, field);
    });
    input.addEventListener("keydown", (event) => this.handlers.keyed(this, field, event));
    input.addEventListener("click", (event) => event.stopPropagation());
    return element("div", { class: "row-field" }, element("span", { class: "row-label", "aria-hidden": "true" }, SHORT[field]), input, echo);
  }

  statusField() {
    const select = element(
      "select",
      { "data-field": "status", "aria-label": `Status, mouse ${this.title}`, disabled: this.state === "parked" },
      ...Object.entries(STATUSES).map(([value, label]) => element("option", { value, selected: value === this.status }, label)),
    );
    select.addEventListener("change", () => this.handlers.coded(this, select.value));
    select.addEventListener("click", (event) => event.stopPropagation());
    return element("div", { class: "row-field row-status" }, element("span", { class: "row-label", "aria-hidden": "true" }, "Status"), select);
  }

  signButtons() {
    const buttons = this.handlers.signs.map(({ code, key, label }) =>
      element(
        "button",
        {
          type: "button", class: "sign", "data-sign": code, "aria-pressed": String(this.signs.has(code)),
          onclick: (event) => { event.stopPropagation(); this.handlers.signed(this, code); },
        }, // prettier-ignore
        label,
        element("kbd", { "aria-hidden": "true" }, key),
      ),
    );
    return element("div", { class: "row-signs", role: "group", "aria-label": `Signs, mouse ${this.title}` }, ...buttons);
  }

  /** The mouse's own page: its exit in two more presses, and the history of its values. */
  pageLink() {
    const link = element("a", { class: "row-page", href: this.mouse.page }, "Exit, history and photos");
    link.addEventListener("click", (event) => event.stopPropagation());
    return link;
  }

  errorLine() {
    return this.error ? element("p", { class: "row-error", role: "alert" }, this.error.message) : null;
  }

  questions() {
    if (this.state !== "asking") return null;
    const button = (label, act, key) =>
      element("button", { type: "button", class: "button second", onclick: (event) => { event.stopPropagation(); act(); } }, label, key ? element("kbd", {}, key) : null); // prettier-ignore
    return element(
      "div",
      { class: "row-questions", role: "alert" },
      element("ul", {}, ...this.findings.map(({ message }) => element("li", {}, message))),
      element(
        "div",
        { class: "row-answers" },
        button("It is right", () => this.handlers.confirmed(this), "Enter"),
        button("Measure again", () => this.handlers.again(this), "r"),
        this.findings.some((finding) => finding.swap) ? button("Swap length and width", () => this.handlers.swapped(this), "s") : null,
      ),
    );
  }

  /** Why a coded row was not measured, or why a reading is corrected: one press. */
  reasons() {
    if (!this.reasonNeeded) return null;
    return element(
      "div",
      { class: "row-questions", role: "group", "aria-label": this.reasonNeeded.question },
      element("p", {}, this.reasonNeeded.question),
      element(
        "div",
        { class: "row-answers" },
        ...this.reasonNeeded.choices.map((choice, place) =>
          element("button", { type: "button", class: "button second", onclick: (event) => { event.stopPropagation(); this.handlers.reasoned(this, choice); } }, choice, element("kbd", {}, String(place + 1))), // prettier-ignore
        ),
      ),
    );
  }
}
