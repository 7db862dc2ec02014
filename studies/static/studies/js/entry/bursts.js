// Tells a device from a hand. Scanners, calipers and balances that act as keyboards write a whole word within
// milliseconds and end it with Enter (or Tab, or nothing); nobody types like that.

const GAP_MS = 50;
const SLOW_GAP_MS = 150; // once a letter stands among the digits no hand is at work, and some readers are slow
const WITH_UNIT = /[0-9] ?[a-z"]+$/i;

const isTyping = (target) => target.matches?.("input, select, textarea");

/**
 * Watches every key of the page. `classify(text)` says what a burst is: "scan", "unknown" or "value". A scan is
 * taken out of whatever field it landed in, and handed to `onScan(text)`; a tag nobody knows to `onUnknown(text)`.
 * The same value within `twiceMs` is one press too many (rule R24): the first stays, `onTwice(text)` tells.
 * `onCommand(key)` gets single letters pressed in a number field or beside all fields, once it is clear that no burst
 * follows; it answers false where the key means nothing.
 */
export class Bursts {
  constructor({ classify, onScan, onUnknown, onTwice, onCommand, twiceMs, now = (event) => event.timeStamp }) {
    Object.assign(this, { classify, onScan, onUnknown, onTwice, onCommand, twiceMs, now });
    this.value = { text: "", at: -Infinity };
    this.clear();
  }

  listen(target) {
    target.addEventListener("keydown", (event) => this.key(event), { capture: true });
  }

  clear() {
    this.text = "";
    this.last = -Infinity;
    this.field = null;
    this.before = "";
    clearTimeout(this.pending);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.now(event);
    if (at - this.last > (/[^0-9.,]/.test(this.text) ? SLOW_GAP_MS : GAP_MS)) this.clear();
    if (event.key === "Enter" || event.key === "Tab") return this.end(event);
    if (event.key.length !== 1) return this.clear();
    clearTimeout(this.pending);
    if (!this.text) {
      this.field = event.target instanceof HTMLInputElement ? event.target : null;
      this.before = this.field?.value ?? "";
    }
    this.text += event.key;
    this.last = at;
    const isOdd = /[^0-9.,]/.test(event.key);
    if (isOdd && this.isNumberField(event.target)) event.preventDefault(); // it holds digits and one mark, whoever writes
    if (this.text.length > 3) this.pending = setTimeout(() => this.paused(), SLOW_GAP_MS);
    else if (this.text.length === 1 && (this.isNumberField(event.target) ? isOdd : !isTyping(event.target))) {
      this.pending = setTimeout(() => this.onCommand(event.key) !== false && this.clear(), GAP_MS + 5);
    }
  }

  /** A reader that sends nothing after its tag. */
  paused() {
    const { field } = this;
    const text = this.wholeTag() ?? this.text;
    if (this.classify(text) !== "scan") return;
    this.takeOut();
    this.clear();
    this.onScan(text, field);
  }

  end(event) {
    const { field } = this;
    const text = this.wholeTag() ?? this.text;
    if (text.length === 1 && /[^0-9.,]/.test(text) && this.isNumberField(field)) {
      this.stop(event);
      return this.onCommand(text);
    }
    if (text.length < 3) return this.clear();
    const kind = this.classify(text);
    if (kind === "value") return this.read(event);
    if (kind === "unknown" && isTyping(event.target) && !this.isNumberField(field) && !field?.dataset.scans) return this.clear();
    this.takeOut();
    this.stop(event);
    (kind === "scan" ? this.onScan : this.onUnknown)(text);
  }

  /** A tag whose reader paused stands in the number field whole, though only its end came at once. */
  wholeTag() {
    const whole = this.isNumberField(this.field) && this.text ? this.field.value : "";
    if (whole === this.text || whole.length < 4 || this.classify(whole) !== "scan") return null;
    this.before = "";
    return whole;
  }

  /** A reading keeps its unit, so that grams in a field of mm are refused; and no button is pressed by its Enter. */
  read(event) {
    const { text, field } = this;
    const at = this.now(event);
    const isTwice = text === this.value.text && at - this.value.at < this.twiceMs;
    this.value = { text, at };
    if (isTwice && this.isNumberField(field)) {
      this.takeOut();
      this.stop(event);
      return this.onTwice(text);
    }
    if (!field && !isTyping(event.target)) {
      this.stop(event);
      return this.onUnknown(text);
    }
    if (this.isNumberField(field) && WITH_UNIT.test(text)) this.write(field, text.trim());
    return this.clear();
  }

  takeOut() {
    if (this.field) this.write(this.field, this.before);
  }

  write(field, text) {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  stop(event) {
    this.clear();
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  isNumberField(target) {
    return target instanceof HTMLInputElement && target.dataset.kind === "number";
  }
}
