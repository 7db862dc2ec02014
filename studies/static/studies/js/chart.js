// One spider chart: a line a mouse. Used by curves.js for volume and for weight.
window.pdx = window.pdx || {};
(() => {
  "use strict";
  const DASHES = { wild_type: [5, 3], uncertain: [1, 3], unknown: [4, 3, 1, 3] };
  const WHOLE_DAYS = [1, 2, 7, 14, 28, 56, 112, 364];
  const MANY = 150; // above this, points would hide the lines

  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isDark = () => document.documentElement.dataset.theme === "dark";

  // The palette is made for white paper: on a dark surface its darkest inks trade places with white.
  function seen(color) {
    if (!isDark()) return color;
    const channels = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    return Math.max(...channels) < 0x70 ? `rgb(${channels.map((channel) => 255 - channel * 0.7).join(",")})` : color;
  }

  const minus = (text) => String(text).replace("-", "\u2212");
  const whole = (value) => minus(Math.round(value).toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009"));

  // Mice are visited on days of their own; the chart wants one shared row of days.
  function aligned(mice, valuesOf) {
    const days = [...new Set(mice.flatMap((mouse) => mouse.days))].sort((a, b) => a - b);
    const at = new Map(days.map((day, index) => [day, index]));
    const lines = mice.map((mouse) => {
      const line = new Array(days.length).fill(null);
      const values = valuesOf(mouse) || [];
      mouse.days.forEach((day, index) => {
        line[at.get(day)] = values[index] ?? null;
      });
      return line;
    });
    return [days, ...lines];
  }

  function nearestValue(plot, series, index) {
    const line = plot.data[series];
    for (let step = 0; step < line.length; step++) {
      if (line[index - step] != null) return index - step;
      if (line[index + step] != null) return index + step;
    }
    return index;
  }

  function lineAcross(plot, value, label) {
    const y = plot.valToPos(value, "y", true);
    const { left, top, width, height } = plot.bbox;
    if (value == null || y < top || y > top + height) return;
    const context = plot.ctx;
    context.save();
    context.strokeStyle = context.fillStyle = token("--ink-quiet");
    context.lineWidth = devicePixelRatio;
    context.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(left + width, y);
    context.stroke();
    context.font = `${13 * devicePixelRatio}px ${token("--font")}`;
    context.textAlign = "left";
    context.textBaseline = "bottom";
    context.setLineDash([]);
    context.lineWidth = 4 * devicePixelRatio; // a halo, so that curves behind the words do not blur them
    context.strokeStyle = token("--surface");
    context.strokeText(label, left + 4 * devicePixelRatio, y - 3 * devicePixelRatio);
    context.fillText(label, left + 4 * devicePixelRatio, y - 3 * devicePixelRatio);
    context.restore();
  }

  // A cross where a mouse left before the study's end, on the end of its curve.
  function crosses(plot, mice) {
    const context = plot.ctx;
    const arm = 3.5 * devicePixelRatio;
    context.save();
    context.lineWidth = 1.5 * devicePixelRatio;
    mice.forEach((mouse, at) => {
      if (!mouse.exit_reason || mouse.exit_reason === "scheduled end" || !plot.series[at + 1].show) return;
      const line = plot.data[at + 1];
      const last = line.findLastIndex((value) => value != null);
      if (last < 0) return;
      const x = plot.valToPos(plot.data[0][last], "x", true);
      const y = plot.valToPos(line[last], "y", true);
      context.strokeStyle = token("--ink");
      context.beginPath();
      context.moveTo(x - arm, y - arm);
      context.lineTo(x + arm, y + arm);
      context.moveTo(x + arm, y - arm);
      context.lineTo(x - arm, y + arm);
      context.stroke();
    });
    context.restore();
  }

  // Error bars of means, each in the color of its line.
  function errorBars(plot, mice) {
    const context = plot.ctx;
    const cap = 3 * devicePixelRatio;
    context.save();
    context.lineWidth = 1.25 * devicePixelRatio;
    mice.forEach((mouse, index) => {
      if (!mouse.bars || !plot.series[index + 1].show) return;
      context.strokeStyle = plot.series[index + 1].stroke(plot, index + 1);
      context.globalAlpha = plot.series[index + 1].alpha ?? 1;
      mouse.days.forEach((day, at) => {
        const x = plot.valToPos(day, "x", true);
        const [low, high] = [mouse.bars.low[at], mouse.bars.high[at]].map((value) => plot.valToPos(value, "y", true));
        context.beginPath();
        context.moveTo(x, low);
        context.lineTo(x, high);
        [low, high].forEach((y) => {
          context.moveTo(x - cap, y);
          context.lineTo(x + cap, y);
        });
        context.stroke();
      });
    });
    context.restore();
  }

  // The days of dosing, as a bar along the upper edge.
  function dosingBar(plot, days) {
    if (!days) return;
    const { left, top, width } = plot.bbox;
    const [from, to] = days.map((day) => Math.min(Math.max(plot.valToPos(day, "x", true), left), left + width));
    const context = plot.ctx;
    context.save();
    context.fillStyle = token("--ink-quiet");
    context.fillRect(from, top, Math.max(to - from, 2 * devicePixelRatio), 4 * devicePixelRatio);
    context.font = `${13 * devicePixelRatio}px ${token("--font")}`;
    context.textAlign = "right"; // the other lines are named on the left
    context.textBaseline = "top";
    context.fillText("dosing", Math.max(to, left + 48 * devicePixelRatio), top + 6 * devicePixelRatio);
    context.restore();
  }

  function seriesOf(mouse, color, many) {
    const stroke = seen(color);
    return {
      stroke,
      width: many ? 1 : 1.5,
      dash: DASHES[mouse.status],
      spanGaps: true,
      points: { show: !many, size: 5, stroke, fill: mouse.status === "wild_type" ? token("--surface") : stroke },
    };
  }

  // {mice, valuesOf, colorOf, unit, isLog, range, days, dosing: [first, last], lines: [[value, label]], onFocus(mouse or null, day), onMove(day)}
  pdx.spider = function spider(host, options) {
    const many = options.mice.length > MANY;
    const axis = {
      stroke: token("--ink-quiet"),
      font: `14px ${token("--font")}`,
      labelFont: `14px ${token("--font")}`,
      grid: { stroke: token("--chart-grid"), width: 1 },
      ticks: { stroke: token("--line"), width: 1, size: 4 },
    };
    const pointed = (self) => (self.cursor.left < 0 ? null : self.posToVal(self.cursor.left, "x"));
    const size = () => ({ width: host.clientWidth, height: host.clientHeight });
    const plot = new uPlot(
      {
        ...size(),
        padding: [12, 12, 0, 0],
        legend: { show: false },
        focus: { alpha: 0.14 },
        cursor: {
          drag: { x: false, y: false },
          points: { show: false },
          focus: { prox: 30 },
          dataIdx: nearestValue,
        },
        scales: {
          x: { time: false, range: options.days },
          y: { distr: options.isLog ? 3 : 1, range: options.range },
        },
        axes: [
          { ...axis, label: "study day", labelSize: 22, size: 30, incrs: WHOLE_DAYS, values: (_, ticks) => ticks.map(minus) },
          { ...axis, label: options.unit, labelSize: 24, size: 58, values: (_, ticks) => ticks.map((tick) => (tick == null ? "" : whole(tick))) },
        ],
        series: [{}, ...options.mice.map((mouse) => seriesOf(mouse, options.colorOf(mouse), many))],
        hooks: {
          setSeries: [(self, series) => options.onFocus(series == null ? null : options.mice[series - 1], pointed(self))],
          setCursor: [(self) => pointed(self) != null && options.onMove(pointed(self))],
          draw: [
            (self) => {
              options.lines.forEach(([value, label]) => value != null && lineAcross(self, value, label));
              dosingBar(self, options.dosing);
              errorBars(self, options.mice);
              crosses(self, options.mice);
            },
          ],
        },
      },
      aligned(options.mice, options.valuesOf),
      host,
    );
    const observer = new ResizeObserver(() => plot.setSize(size()));
    observer.observe(host);
    return {
      focus: (mouse) => {
        const at = options.mice.indexOf(mouse);
        plot.setSeries(at < 0 ? null : at + 1, { focus: true }, false);
      },
      show: (isShown) => plot.batch(() => options.mice.forEach((mouse, at) => plot.setSeries(at + 1, { show: isShown(mouse) }, false))),
      destroy: () => {
        observer.disconnect();
        plot.destroy();
      },
    };
  };
  pdx.text = { whole, minus, seen, token };
})();
