// Tells a device from a hand. Scanners, calipers and balances that act as keyboards write a whole word within
// milliseconds and end it with Enter (or Tab); nobody types like that.

const GAP_MS = 50;

/**
 * Watches every key of the page. `classify(text)` says what a burst is: "scan", "unknown" or "value". A scan is
 * taken out of whatever field it landed in, and handed to `onScan(text)`; a tag nobody knows to `onUnknown(text)`.
 * `onCommand(key, event)` gets single letters pressed in a number field, once it is clear that no burst follows.
 */
export class Bursts {
  constructor({ classify, onScan, onUnknown, onCommand, now = () => performance.now() }) {
    Object.assign(this, { classify, onScan, onUnknown, onCommand, now });
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
    const at = this.now();
    if (at - this.last > GAP_MS) this.clear();
    if (event.key === "Enter" || event.key === "Tab") return this.end(event);
    if (event.key.length !== 1) return this.clear();
    clearTimeout(this.pending);
    if (!this.text) {
      this.field = event.target instanceof HTMLInputElement ? event.target : null;
      this.before = this.field?.value ?? "";
    }
    this.text += event.key;
    this.last = at;
    if (this.isNumberField(event.target) && /[^0-9.,]/.test(event.key)) {
      event.preventDefault(); // a number field holds digits and one mark, whoever writes into it
      if (this.text.length === 1) this.pending = setTimeout(() => this.onCommand(event.key, event), GAP_MS + 5);
    }
  }

  end(event) {
    const { text, field, before } = this;
    this.clear();
    if (text.length === 1 && /[^0-9.,]/.test(text) && this.isNumberField(field)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return this.onCommand(text, event);
    }
    if (text.length < 3) return;
    const kind = this.classify(text);
    if (kind === "value") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (field) {
      field.value = before;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    }
    (kind === "scan" ? this.onScan : this.onUnknown)(text);
  }

  isNumberField(target) {
    return target instanceof HTMLInputElement && target.dataset.kind === "number";
  }
}
