// Three short sounds, so that eyes can stay on the mouse: stored, look again, refused.

const TONES = { ok: [[880, 0.07]], ask: [[520, 0.09], [520, 0.09]], no: [[180, 0.25]] };
let context = null;

export function soundIsOn() {
  return localStorage.getItem("entry-sound") !== "off";
}

export function switchSound(on) {
  localStorage.setItem("entry-sound", on ? "on" : "off");
}

export function play(kind) {
  if (!soundIsOn() || !window.AudioContext) return;
  context ??= new AudioContext();
  let at = context.currentTime;
  for (const [frequency, seconds] of TONES[kind]) {
    const tone = new OscillatorNode(context, { frequency });
    const level = new GainNode(context, { gain: 0.08 });
    tone.connect(level).connect(context.destination);
    tone.start(at);
    tone.stop(at + seconds);
    at += seconds + 0.05;
  }
}
