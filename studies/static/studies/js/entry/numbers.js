// One number as a person, a caliper or a balance wrote it, read as studies/validation/numbers.py reads it.
// Values stay text, so that 12.30 never becomes 12.299999.

const NUMBER = /^([0-9]{1,12})(?:[.,]([0-9]+))?$/;
const WITH_UNIT = /^([0-9]+(?:[.,][0-9]+)?)[ \t]*([A-Za-z"µ]+)$/;
// "ST,GS,+ 22.41 g" of balances, "01A+00014.21" of Mitutoyo-type calipers.
const BALANCE = /^(?:(?:ST|US|OL),)?(?:GS|NT|G|N)?,?\s*\+?\s*([0-9]+(?:[.,][0-9]+)?)\s*([A-Za-z]+)?$/;
const CALIPER = /^01A\+([0-9]+\.[0-9]+)$/;
export const UNITS = { length_mm: "mm", width_mm: "mm", weight_g: "g" };

/** {value} as plain text such as "12.3", {blank: true}, or {error} in words. `implied`: "123" is 12.3. */
export function readNumber(field, raw, { implied = false, decimals = 2 } = {}) {
  let text = raw.trim();
  if (!text) return { blank: true };
  const unit = WITH_UNIT.exec(text);
  if (unit) {
    if (unit[2].toLowerCase() !== UNITS[field]) return { error: `is in ${unit[2]}; this field is in ${UNITS[field]}` };
    text = unit[1];
  }
  const found = NUMBER.exec(text);
  if (!found) return { error: "is no number" };
  const [, whole, fraction] = found;
  if ((fraction ?? "").length > decimals) return { error: `has more than ${decimals} decimals` };
  if (implied && !unit && !/[.,]/.test(text)) {
    const digits = whole.padStart(2, "0");
    return { value: plain(`${digits.slice(0, -1)}.${digits.slice(-1)}`) };
  }
  return { value: plain(fraction ? `${whole}.${fraction}` : whole) };
}

/** What one line of a serial device says: {value, unit}, or null where it is no reading. */
export function readDeviceLine(line) {
  const text = line.trim();
  const caliper = CALIPER.exec(text);
  if (caliper) return { value: plain(caliper[1]), unit: "mm" };
  const balance = WITH_UNIT.exec(text) ?? BALANCE.exec(text);
  if (!balance) return null;
  const unit = (balance[2] ?? "").toLowerCase();
  return ["mm", "g"].includes(unit) ? { value: plain(balance[1].replace(",", ".")), unit } : null;
}

function plain(text) {
  return text.replace(/^0+(?=[0-9])/, "");
}

// By the study's formula (studies/volumes.py); those that want a height, which nobody takes here, fall back to the first.
const FORMULAS = {
  half_lw2: (l, w) => (l * w * w) / 2,
  pi6_lw2: (l, w) => (Math.PI / 6) * l * w * w,
  pi6_mean: (l, w) => ((Math.PI / 6) * l * w * (l + w)) / 2,
  feldman: (l, w) => (Math.PI / 6) * 1.58 * (l * w) ** 1.5,
};

export function volumeMm3(length, width, formula) {
  const [longer, shorter] = length >= width ? [length, width] : [width, length];
  return (FORMULAS[formula] ?? FORMULAS.half_lw2)(longer, shorter);
}
