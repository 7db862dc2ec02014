// Calipers and balances on a serial port (Web Serial): an extra for browsers that offer it, asked for by a press.

import { readDeviceLine } from "./numbers.js";

export const isOffered = () => "serial" in navigator;

/** Open a port the person picks; call `onReading({value, unit})` for each line that is one, `onNoise(line)` else. */
export async function connect({ onReading, onNoise, onEnd, baudRate = 9600 }) {
  const port = await navigator.serial.requestPort();
  await port.open({ baudRate });
  pump(port, onReading, onNoise).finally(onEnd);
  return port;
}

async function pump(port, onReading, onNoise) {
  const reader = port.readable.getReader();
  const decoder = new TextDecoder();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting += decoder.decode(value, { stream: true });
    const lines = waiting.split(/[\r\n]+/);
    waiting = lines.pop();
    for (const line of lines.filter((text) => text.trim())) {
      const reading = readDeviceLine(line);
      if (reading) onReading(reading);
      else onNoise(line);
    }
  }
}
