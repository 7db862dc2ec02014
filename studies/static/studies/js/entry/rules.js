// The rules of one row that need no other row, run here so that a slip is told at once. The limits come from the
// server, which judges again and decides. Values are compared as whole hundredths: no rounding moves a limit.

import { volumeMm3 } from "./numbers.js";

const hundredths = (text) => Math.round(Number(text) * 100);

/**
 * Findings {rule, field, message, severity} on `values` (texts or null, and a status) of one tumor of one mouse.
 * `last` is what the server knows of it; `others` the mouse's other tumors at this visit in mm3, and its weight.
 */
export function look(values, last, limits, formula, others = { mm3: 0, weight_g: null }) {
  const lengths = ["length_mm", "width_mm"].filter((field) => values[field] !== null);
  const volume = volumeOf(values, formula);
  return [
    ...lengths.flatMap((field) => range(field, values[field], limits)),
    ...shape(values, volume, last, limits),
    ...surprises(values, volume, last, limits),
    ...weight(values.weight_g, last?.usual_weight_g, limits),
    ...endpoints(values, volume, last, limits, others),
  ];
}

const hard = (rule, field, message) => ({ rule, field, message, severity: "hard" });
const soft = (rule, field, message) => ({ rule, field, message, severity: "soft" });
const notice = (rule, field, message) => ({ rule, field, message, severity: "notice" });

/** mm3, exact for L x W² / 2; null without two diameters above 0. */
function volumeOf({ length_mm: length, width_mm: width }, formula) {
  if (!Number(length) || !Number(width)) return null;
  return volumeMm3(hundredths(length), hundredths(width), formula) / 1e6;
}

function range(field, text, limits) {
  const value = hundredths(text);
  if (value <= 0) return [hard("R4", field, "0 is no size: press 0 alone where no tumor can be felt")];
  if (value > hundredths(limits.length_max_mm)) {
    const tenth = (value / 1000).toFixed(1);
    return [hard("R4", field, `${text} mm cannot be a mouse tumor: ${tenth}?`)];
  }
  if (value < hundredths(limits.length_low_mm)) return [soft("R4", field, `${text} mm is below ${limits.length_low_mm} mm`)];
  if (value > hundredths(limits.length_high_mm)) return [soft("R4", field, `${text} mm is above ${limits.length_high_mm} mm`)];
  return [];
}

function shape(values, volume, last, limits) {
  if (values.length_mm === null || values.width_mm === null) return [];
  const [l, w] = [hundredths(values.length_mm), hundredths(values.width_mm)];
  const [longer, shorter] = [Math.max(l, w), Math.min(l, w)];
  const found = [];
  if (l < w) found.push({ ...soft("R5", "length_mm", `length ${values.length_mm} is below width ${values.width_mm}`), swap: true });
  if (shorter <= 0) return found; // R4 has said it
  if (longer > limits.aspect_max * shorter) {
    found.push(hard("R6", "width_mm", `more than ${limits.aspect_max} times as long as wide: measure again`));
  } else if (longer > limits.aspect_high * shorter) {
    found.push(soft("R6", "width_mm", `more than ${limits.aspect_high} times as long as wide`));
  }
  if (volume > limits.volume_max_mm3) {
    found.push(hard("R7", "length_mm", `the volume would be above ${limits.volume_max_mm3} mm³`));
  } else if (volume > limits.volume_high_mm3 && !(last?.volume_mm3 * 2 > limits.volume_high_mm3)) {
    found.push(soft("R7", "length_mm", `the volume is above ${limits.volume_high_mm3} mm³`));
  }
  return found;
}

const isOutside = (value, window) => window && (value < Number(window[0]) || value > Number(window[1]));

/** What this mouse's own history lets expect, as the server computed it for this visit: [low, high] or null. */
function surprises(values, volume, last, limits) {
  const expected = last?.expected ?? {};
  const found = [];
  if (values.status === "not_palpable") {
    const least = Number(expected.volume_mm3?.[0] ?? 0);
    if (least > limits.palpable_mm3) {
      found.push(soft("R8", "status", `not palpable, after ${last.volume_mm3.toFixed(0)} mm³ at the last visit`));
    }
  } else if (values.length_mm !== null && values.width_mm !== null) {
    if (volume !== null && isOutside(volume, expected.volume_mm3)) found.push(soft("R8", "length_mm", unlike(volume, last.volume_mm3)));
    found.push(...jump(values, expected));
  }
  if (Number(values.weight_g) && isOutside(Number(values.weight_g), expected.weight_g)) {
    found.push(soft("R12", "weight_g", `weight ${values.weight_g} g is far from last time`));
  }
  return found;
}

function unlike(volume, before) {
  if (!before) return `${volume.toFixed(0)} mm³, where nothing was palpable at the last visit`;
  const [ratio, told] = [volume / before, `${volume.toFixed(0)} mm³ is unlike this mouse's last visits`];
  const slips = [[10, "length"], [100, "width"], [1000, "length and width"]]; // prettier-ignore
  const slip = slips.find(([factor]) => [ratio, 1 / ratio].some((one) => one / factor > 0.6 && one / factor < 1.7));
  return slip ? `${told}: typo in ${slip[1]}?` : told;
}

function jump(values, { aspect, length_mm: lengths, width_mm: widths }) {
  const [longer, shorter] = [values.length_mm, values.width_mm].map(Number).sort((a, b) => b - a);
  if (!aspect || !shorter || !isOutside(longer / shorter, aspect)) return [];
  return [
    isOutside(longer, lengths) ? soft("R9", "length_mm", `length ${longer} mm is far from last time`) : null,
    isOutside(shorter, widths) ? soft("R9", "width_mm", `width ${shorter} mm is far from last time`) : null,
  ].filter(Boolean);
}

function weight(text, usual, limits) {
  if (text === null) return [];
  const value = hundredths(text);
  if (value < hundredths(limits.weight_min_g) || value > hundredths(limits.weight_max_g)) {
    return [hard("R11", "weight_g", `${text} g is outside ${limits.weight_min_g} to ${limits.weight_max_g} g`)];
  }
  const [low, high] = usual ?? [limits.weight_low_g, limits.weight_high_g];
  if (value >= hundredths(low) && value <= hundredths(high)) return [];
  return [soft("R11", "weight_g", `${text} g is outside ${low} to ${high} g, usual for this strain and sex`)];
}

/** The humane limits: told at once, network or not. They hold no row back; the server raises the alert. */
function endpoints(values, volume, last, limits, others) {
  const found = [];
  const isWhole = values.length_mm !== null && values.width_mm !== null;
  const longest = Math.max(Number(values.length_mm), Number(values.width_mm));
  if (volume !== null && volume >= limits.volume_cap_mm3) found.push(notice("R10", "length_mm", `the volume reached the cap of ${limits.volume_cap_mm3} mm³`));
  if (isWhole && longest >= limits.diameter_cap_mm) {
    found.push(notice("R10", "length_mm", `a diameter reached the cap of ${limits.diameter_cap_mm} mm`));
  }
  const [grams, baseline] = [values.weight_g, last?.baseline_weight_g].map((text) => hundredths(text ?? 0));
  if (values.weight_g !== null && baseline) {
    const reached = ["weight_loss_limit_percent", "weight_loss_warning_percent"].find((name) => (baseline - grams) * 100 >= limits[name] * baseline);
    if (reached) found.push(notice("R13", "weight_g", `the weight loss reached ${limits[reached]} %`));
  }
  const carrier = Number(values.weight_g) || Number(others.weight_g);
  if (volume !== null && carrier && volume + others.mm3 > limits.burden_cap_percent * 10 * carrier) {
    found.push(notice("R14", "length_mm", `all tumors weigh more than ${limits.burden_cap_percent} % of the mouse`));
  }
  return found;
}
