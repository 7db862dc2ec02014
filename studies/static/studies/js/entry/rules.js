// The rules of one row that need no other row, run here so that a slip is told at once. The limits come from the
// server, which judges again and decides. Values are compared as whole hundredths: no rounding moves a limit.

const hundredths = (text) => Math.round(Number(text) * 100);

/** Findings {rule, field, message, severity} on `values` (texts or null) of one tumor of one mouse. */
export function look(values, last, limits) {
  const lengths = ["length_mm", "width_mm"].filter((field) => values[field] !== null);
  return [
    ...lengths.flatMap((field) => range(field, values[field], limits)),
    ...shape(values, limits),
    ...surprises(values, last?.expected ?? {}),
    ...weight(values.weight_g, last?.usual_weight_g, limits),
  ];
}

const hard = (rule, field, message) => ({ rule, field, message, severity: "hard" });
const soft = (rule, field, message) => ({ rule, field, message, severity: "soft" });

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

function shape(values, limits) {
  if (values.length_mm === null || values.width_mm === null) return [];
  const [l, w] = [hundredths(values.length_mm), hundredths(values.width_mm)];
  const [longer, shorter] = [Math.max(l, w), Math.min(l, w)];
  const found = [];
  if (l < w) found.push({ ...soft("R5", "length_mm", `length ${values.length_mm} is below width ${values.width_mm}`), swap: true });
  if (longer > limits.aspect_max * shorter) {
    found.push(hard("R6", "width_mm", `more than ${limits.aspect_max} times as long as wide: measure again`));
  } else if (longer > limits.aspect_high * shorter) {
    found.push(soft("R6", "width_mm", `more than ${limits.aspect_high} times as long as wide`));
  }
  const volume = longer * shorter * shorter; // mm3 times 2,000,000
  const of = (limit) => Number(limit) * 2e6;
  if (volume > of(limits.volume_max_mm3)) {
    found.push(hard("R7", "length_mm", `the volume would be above ${limits.volume_max_mm3} mm³`));
  } else if (volume > of(limits.volume_high_mm3)) {
    found.push(soft("R7", "length_mm", `the volume is above ${limits.volume_high_mm3} mm³`));
  }
  return found;
}

/** What this mouse's own history lets expect, as the server computed it for this visit: [low, high] or null. */
function surprises(values, expected) {
  const found = [];
  const outside = (rule, field, value, window, message) => {
    if (window && (value < Number(window[0]) || value > Number(window[1]))) found.push(soft(rule, field, message));
  };
  if (values.length_mm !== null && values.width_mm !== null) {
    const [longer, shorter] = [values.length_mm, values.width_mm].map(Number).sort((a, b) => b - a);
    const volume = (longer * shorter * shorter) / 2;
    outside("R8", "length_mm", volume, expected.volume_mm3, `${volume.toFixed(0)} mm³ is unlike this mouse's last visits`);
    const [flattest, longest] = expected.aspect ?? [0, Infinity];
    if (longer < flattest * shorter || longer > longest * shorter) {
      outside("R9", "length_mm", longer, expected.length_mm, `length ${longer} mm is far from last time`);
      outside("R9", "width_mm", shorter, expected.width_mm, `width ${shorter} mm is far from last time`);
    }
  }
  if (values.weight_g !== null) {
    outside("R12", "weight_g", Number(values.weight_g), expected.weight_g, `weight ${values.weight_g} g is far from last time`);
  }
  return found;
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
