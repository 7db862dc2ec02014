// The study page's charts: fetch the curves once, draw them, follow one mouse, show one group, and list all.
(() => {
  "use strict";
  const section = document.getElementById("charts");
  if (!section) return;
  const { whole, minus, seen, token } = pdx.text;
  const places = { volume: document.getElementById("volume-plot"), weight: document.getElementById("weight-plot") };
  const readout = document.getElementById("readout");
  const legend = document.getElementById("legend");
  const table = document.getElementById("curve-table");
  const state = { study: null, charts: [], isLog: false, split: "none", isMean: false, model: "", arm: "", focused: null, isFollowing: false };
  const STATUSES = [["loss_of_function", ""], ["wild_type", "5 3"], ["uncertain", "1 3"], ["unknown", "4 3 1 3"]];
  const MOST_ARMS_SPLIT = 8;
  const resting = readout.textContent;

  const words = (code) => (code ? code.replaceAll("_", " ") : "");
  const isShown = (mouse) => (!state.model || mouse.counts || mouse.pdx_model === state.model) && (!state.arm || mouse.arm === state.arm);
  const colorOf = (mouse) => state.study.arms.find((arm) => arm.name === mouse.arm)?.color || token("--chart-single");

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    made.append(...children);
    return made;
  }

  // Means of a group by day, of two mice or more: arithmetic, or geometric on the log scale; one group while blinded.
  function meansOf(mice, isLog) {
    const groups = new Map();
    const floor = state.study.lod_mm3 || 1;
    mice.filter((mouse) => !state.model || mouse.pdx_model === state.model).forEach((mouse) => {
      const key = mouse.arm || "all mice";
      if (!groups.has(key)) groups.set(key, new Map());
      mouse.days.forEach((day, at) => {
        const volume = mouse.volumes_mm3[at];
        if (volume == null) return;
        const days = groups.get(key);
        days.set(day, [...(days.get(day) || []), isLog ? Math.log(Math.max(volume, floor)) : volume]);
      });
    });
    const order = [...state.study.arms.map((arm) => arm.name), "all mice"];
    return [...groups].sort(([a], [b]) => order.indexOf(a) - order.indexOf(b)).map(([name, byDay]) => {
      const days = [...byDay.keys()].filter((day) => byDay.get(day).length > 1).sort((a, b) => a - b);
      const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
      const sem = (values) => Math.sqrt(values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1) / values.length);
      const shown = (value) => (isLog ? Math.exp(value) : value);
      const ends = (side) => days.map((day) => shown(mean(byDay.get(day)) + side * sem(byDay.get(day))));
      return {
        label: name,
        arm: name === "all mice" ? null : name,
        days,
        volumes_mm3: ends(0),
        bars: { low: ends(-1), high: ends(1) },
        sem_mm3: days.map((day) => sem(byDay.get(day))),
        counts: days.map((day) => byDay.get(day).length),
      };
    });
  }

  function tell(mouse, day) {
    let at = -1; // the visit nearest to the pointer
    mouse.days.forEach((visit, index) => {
      if (mouse.volumes_mm3[index] == null) return;
      if (at < 0 || Math.abs(visit - day) < Math.abs(mouse.days[at] - day)) at = index;
    });
    const facts = [mouse.pdx_model, mouse.status && `${state.study.gene} ${words(mouse.status)}`, mouse.arm];
    if (at >= 0) facts.push(`day ${minus(mouse.days[at])}`, `${whole(mouse.volumes_mm3[at])} mm³`);
    const weight = at >= 0 && mouse.weight_change_percent?.[at];
    if (weight != null && weight !== false) facts.push(`weight ${weight > 0 ? "+" : ""}${minus(weight)} %`);
    if (mouse.counts && at >= 0) facts.push(`mean of ${mouse.counts[at]} mice`);
    if (mouse.cap_day != null && !mouse.exit_reason) facts.push(`at the cap by day ${minus(Math.ceil(mouse.cap_day))}`);
    if (mouse.exit_reason) facts.push(`left: ${mouse.exit_reason}`);
    readout.replaceChildren(element("strong", {}, mouse.label), ` · ${facts.filter(Boolean).join(" · ")}`);
  }

  // What the line under the chart says while nothing is pointed at: with means, what their bars are.
  function rest() {
    const bars = state.isLog
      ? "Points are geometric means; bars reach one standard error of the mean of log volumes to each side."
      : "Points are means; bars reach one standard error of the mean to each side.";
    readout.textContent = state.isMean ? `${bars} Of the mice read on that day, two at least.` : resting;
  }

  function follow(mouse, day) {
    if (state.isFollowing) return; // the other charts follow this one
    state.isFollowing = true;
    state.focused = mouse;
    if (mouse && day != null) tell(mouse, day);
    else rest();
    state.charts.forEach((chart) => chart.focus(mouse));
    state.isFollowing = false;
  }

  // One panel; or one a biomarker status; or small multiples, a row a status and a panel an arm. All on the same scale.
  function panels(place, extraClass) {
    const { mice, arms, gene } = state.study;
    const isSmall = state.split === "arms";
    const statuses = state.split === "none" ? [] : STATUSES.filter(([status]) => mice.some((mouse) => mouse.status === status)).map(([status]) => status);
    place.replaceChildren();
    place.classList.toggle("is-split", !isSmall && statuses.length > 1);
    place.classList.toggle("is-small", isSmall);
    return (statuses.length ? statuses : [null]).flatMap((status) => {
      const ofStatus = status ? mice.filter((mouse) => mouse.status === status) : mice;
      const row = isSmall ? element("div", { class: "panel-row" }) : place;
      if (isSmall) place.append(row);
      const names = isSmall ? arms.map((arm) => arm.name).filter((name) => ofStatus.some((mouse) => mouse.arm === name)) : [null];
      return names.map((name) => {
        const own = name ? ofStatus.filter((mouse) => mouse.arm === name) : ofStatus;
        const title = [name, status && `${gene} ${words(status)}`].filter(Boolean).join(", ");
        const host = element("div", { class: `panel-plot ${extraClass}` });
        if (title) row.append(element("div", {}, element("p", { class: "panel-title" }, title, element("span", {}, ` n = ${own.length}`)), host));
        else row.append(host);
        return { host, mice: own };
      });
    });
  }

  function spiders(place, extraClass, options) {
    const drawn = panels(place, extraClass).map(({ host, mice }) => ({ host, mice: options.shownAs ? options.shownAs(mice) : mice }));
    const values = drawn.flatMap(({ mice }) => mice).flatMap((mouse) => [...(options.valuesOf(mouse) || []), ...(mouse.bars?.low || []), ...(mouse.bars?.high || [])]).filter((value) => value != null);
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const days = state.study.mice.flatMap((mouse) => mouse.days);
    const first = days.reduce((a, b) => Math.min(a, b), Infinity);
    const last = days.reduce((a, b) => Math.max(a, b), first + 1);
    const shared = { colorOf, dosing: state.study.dosing_days, days: [first, last], onFocus: follow, onMove: (day) => state.focused && tell(state.focused, day) };
    return drawn.map(({ host, mice }) => pdx.spider(host, { ...shared, ...options, mice, range: options.range(low, high) }));
  }

  // The next 1, 2 or 5 times a power of ten below: where a log axis begins so that its ticks are round.
  function roundBelow(value) {
    const power = 10 ** Math.floor(Math.log10(value * 0.9));
    return [5, 2, 1].map((step) => step * power).find((step) => step <= value * 0.9);
  }

  function draw() {
    state.charts.forEach((chart) => chart.destroy());
    const study = state.study;
    const floor = study.lod_mm3 || 1;
    const onLog = (value) => (value == null ? null : Math.max(value, floor));
    state.charts = spiders(places.volume, "", {
      isLog: state.isLog,
      unit: state.isMean ? `${state.isLog ? "geometric mean × SE" : "mean ± SEM"}, tumor volume (mm³)` : "tumor volume (mm³)",
      shownAs: state.isMean ? (mice) => meansOf(mice, state.isLog) : null,
      valuesOf: (mouse) => (state.isLog ? mouse.volumes_mm3.map(onLog) : mouse.volumes_mm3),
      range: (low, high) => (state.isLog ? [roundBelow(low), high * 1.25] : [0, Math.max(high, 1) * 1.05]),
      lines: [
        [study.cap_mm3, "volume cap"],
        [state.isLog ? study.lod_mm3 : null, "limit of detection; no tumor is drawn here"],
      ],
    });
    if (places.weight && study.mice.some((mouse) => mouse.weight_change_percent)) {
      const limits = [-study.weight_loss_warning_percent, -study.weight_loss_limit_percent].filter(Boolean);
      const weights = spiders(places.weight, "short", {
        isLog: false,
        dosing: null,
        unit: "weight change (%)",
        valuesOf: (mouse) => mouse.weight_change_percent,
        range: (low, high) => [Math.min(low, ...limits, -5) - 3, Math.max(high, 5) + 2],
        lines: limits.map((limit, index) => [limit, index ? "weight loss limit" : "warning"]),
      });
      state.charts.push(...weights);
    }
    state.charts.forEach((chart) => chart.show(isShown));
    rest();
  }

  function swatch(color, dash) {
    const svg = `<svg viewBox="0 0 28 12" aria-hidden="true"><line x1="1" x2="27" y1="6" y2="6" stroke-width="2.5"/></svg>`;
    const drawn = new DOMParser().parseFromString(svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'), "image/svg+xml").documentElement;
    drawn.firstChild.setAttribute("stroke", seen(color));
    if (dash) drawn.firstChild.setAttribute("stroke-dasharray", dash);
    return drawn;
  }

  function drawLegend() {
    const { arms, mice, gene } = state.study;
    const items = arms.map((arm) => {
      const button = element("button", { type: "button", "aria-pressed": String(state.arm === arm.name) }, swatch(arm.color), arm.name);
      button.addEventListener("click", () => {
        state.arm = state.arm === arm.name ? "" : arm.name;
        drawLegend();
        state.charts.forEach((chart) => chart.show(isShown));
      });
      return button;
    });
    const statuses = new Set(mice.map((mouse) => mouse.status));
    for (const [status, dash] of STATUSES) {
      if (statuses.has(status)) items.push(element("span", { class: "key" }, swatch(token("--ink-quiet").slice(0, 7), dash), `${gene} ${words(status)}`));
    }
    const focused = [...legend.querySelectorAll("button")].indexOf(document.activeElement);
    legend.replaceChildren(...items.map((item) => element("li", {}, item)));
    legend.classList.toggle("is-long", arms.length > 12);
    if (focused >= 0) legend.querySelectorAll("button")[focused]?.focus();
  }

  function fillModels() {
    const pick = document.getElementById("pick-model");
    const models = [...new Set(state.study.mice.map((mouse) => mouse.pdx_model))].sort();
    pick.append(...models.map((model) => element("option", { value: model }, model)));
    pick.closest(".choice").hidden = models.length < 2;
    pick.addEventListener("change", () => {
      state.model = pick.value;
      if (state.isMean) draw();
      else state.charts.forEach((chart) => chart.show(isShown));
      refillMeans();
    });
  }

  function columns() {
    const { gene, mice, arms } = state.study;
    const volumes = (mouse) => mouse.days.map((day, at) => [day, mouse.volumes_mm3[at]]).filter(([, volume]) => volume != null);
    const first = (mouse) => volumes(mouse)[0];
    const last = (mouse) => volumes(mouse).at(-1);
    return [
      ["Mouse", (mouse) => mouse.label],
      ["PDX model", (mouse) => mouse.pdx_model],
      ...(mice.some((mouse) => mouse.status) ? [[gene, (mouse) => words(mouse.status)]] : []),
      ...(arms.length ? [["Arm", (mouse) => mouse.arm || ""]] : []),
      ["Visits", (mouse) => mouse.days.length, true],
      ["First volume (mm³)", (mouse) => (first(mouse) ? whole(first(mouse)[1]) : ""), true],
      ["Last day", (mouse) => (last(mouse) ? minus(last(mouse)[0]) : ""), true],
      ["Last volume (mm³)", (mouse) => (last(mouse) ? whole(last(mouse)[1]) : ""), true],
      ...(mice.some((mouse) => mouse.cap_day != null) ? [["At the cap by day", (mouse) => (mouse.cap_day == null ? "" : minus(Math.ceil(mouse.cap_day))), true]] : []),
      ["Left", (mouse) => mouse.exit_reason || ""],
    ];
  }

  function tableOf(wanted, things) {
    const attributes = (isNumber, more = {}) => (isNumber ? { ...more, class: "number" } : more);
    const head = wanted.map(([name, , isNumber]) => element("th", attributes(isNumber, { scope: "col" }), name));
    const rows = things.map((thing) =>
      element("tr", {}, ...wanted.map(([, tell, isNumber], at) =>
        at ? element("td", attributes(isNumber), String(tell(thing))) : element("th", { scope: "row" }, tell(thing)))),
    );
    return element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
  }

  // A table costs nothing until somebody opens it.
  function whenOpened(details, fill) {
    const place = details.querySelector(".table-scroll");
    const show = async () => {
      if (!details.open || place.childElementCount) return;
      place.append(await fill());
    };
    details.addEventListener("toggle", show);
    show();
  }

  const means = document.getElementById("mean-table");
  function meanTable() {
    const rows = meansOf(state.study.mice, false).flatMap((group) => group.days.map((day, at) => ({ group, day, at })));
    return tableOf([
      [state.study.arms.length ? "Arm" : "Group", ({ group }) => group.label],
      ["Day", ({ day }) => minus(day), true],
      ["Mean volume (mm³)", ({ group, at }) => whole(group.volumes_mm3[at]), true],
      ["n", ({ group, at }) => group.counts[at], true],
      ["SEM (mm³)", ({ group, at }) => whole(group.sem_mm3[at]), true],
    ], rows);
  }
  function refillMeans() {
    const place = means.querySelector(".table-scroll");
    if (place.childElementCount) place.replaceChildren(meanTable());
  }

  // Each mouse's weight: how often it was taken, how low it came, where it is.
  const weights = document.getElementById("weight-table");
  function weightTable() {
    const taken = (mouse) => mouse.days.map((day, at) => [day, mouse.weight_change_percent?.[at]]).filter(([, change]) => change != null);
    const lowest = (mouse) => taken(mouse).reduce((a, b) => (b[1] < a[1] ? b : a));
    const signed = (value) => (value > 0 ? "+" : "") + minus(value);
    const told = columns().filter(([name]) => ["Mouse", "PDX model", state.study.gene, "Arm"].includes(name));
    return tableOf([
      ...told,
      ["Weighings", (mouse) => taken(mouse).length, true],
      ["Lowest (%)", (mouse) => signed(lowest(mouse)[1]), true],
      ["on day", (mouse) => minus(lowest(mouse)[0]), true],
      ["Last (%)", (mouse) => signed(taken(mouse).at(-1)[1]), true],
      ["on day", (mouse) => minus(taken(mouse).at(-1)[0]), true],
    ], state.study.mice.filter((mouse) => taken(mouse).length));
  }

  const operators = document.getElementById("operator-table");
  async function operatorTable() {
    const answer = await fetch(operators.dataset.source, { headers: { Accept: "application/json" } });
    if (!answer.ok) return element("p", {}, "The operators could not be loaded.");
    return tableOf([
      ["Operator", (one) => one.name],
      ["Readings", (one) => whole(one.readings), true],
      ["Tumors read again", (one) => whole(one.read_again), true],
      ["CV (%)", (one) => one.cv_percent ?? "\u2013", true],
    ], (await answer.json()).operators);
  }

  // Who is in trouble by the last reading, and who will be: said in words above the charts.
  function tellTrouble() {
    const { mice, cap_mm3: cap, amber_fraction: amber, weight_loss_warning_percent: warning, weight_loss_limit_percent: limit } = state.study;
    const last = (mouse, values) => (values || []).findLast((value) => value != null);
    const onStudy = mice.filter((mouse) => !mouse.exit_reason);
    const volume = (mouse) => last(mouse, mouse.volumes_mm3) ?? 0;
    const weight = (mouse) => last(mouse, mouse.weight_change_percent) ?? 0;
    const some = (found, words) => found.length && [`${found.length} ${found.length === 1 ? "mouse" : "mice"} ${words}`, found];
    const found = [
      cap && some(onStudy.filter((mouse) => volume(mouse) >= cap), `at or over the cap of ${whole(cap)} mm³`),
      limit && some(onStudy.filter((mouse) => weight(mouse) <= -limit), `lost ${limit} % of weight or more`),
      cap && amber && some(onStudy.filter((mouse) => volume(mouse) >= amber * cap && volume(mouse) < cap), `over ${whole(100 * amber)} % of the cap`),
      warning && some(onStudy.filter((mouse) => weight(mouse) <= -warning && weight(mouse) > -limit), `lost ${warning} % of weight or more`),
    ].filter(Boolean);
    const place = document.getElementById("trouble");
    if (!cap && !warning) place.replaceChildren(element("p", { class: "quiet" }, "No limits are on record."));
    else if (!found.length) place.replaceChildren(element("p", {}, "No animal, by its last reading."));
    else place.replaceChildren(element("ul", { class: "plain" }, ...found.map(([words, mice]) =>
      element("li", { class: "attention" }, words, element("span", { class: "quiet" }, ` ${mice.slice(0, 6).map((mouse) => mouse.label).join(", ")}${mice.length > 6 ? " …" : ""}`)))));
    tellForecast(onStudy);
  }

  function tellForecast(onStudy) {
    const end = state.study.last_day;
    const place = document.getElementById("forecast");
    if (!state.study.cap_mm3 || !place) return;
    const lastDay = onStudy.flatMap((mouse) => mouse.days).reduce((a, b) => Math.max(a, b), -Infinity);
    const coming = onStudy.filter((mouse) => mouse.cap_day != null && mouse.cap_day > lastDay);
    const within = (days) => coming.filter((mouse) => mouse.cap_day <= lastDay + days).length;
    if (!coming.length) return;
    const count = (n) => `${n || "no"} ${n === 1 ? "mouse reaches" : "mice reach"} the cap`;
    const facts = [`Forecast: ${count(within(7))} within 7 days of day ${minus(lastDay)}`];
    if (end != null && end > lastDay) facts.push(`${within(end - lastDay) || "none"} by the last measurement on day ${end}`);
    place.textContent = `${facts.join(", ")} (log-linear, last ${state.study.forecast_visits} visits).`;
  }

  function label() {
    const { mice, arms } = state.study;
    const days = mice.flatMap((mouse) => mouse.days);
    const span = days.length ? `, day ${minus(days.reduce((a, b) => Math.min(a, b)))} to ${minus(days.reduce((a, b) => Math.max(a, b)))}` : "";
    const groups = arms.length ? `, ${arms.length} arms` : "";
    places.volume.setAttribute("aria-label", `Tumor volume of ${mice.length} mice by study day${span}${groups}; the table below holds the same curves`);
  }

  section.querySelectorAll("[data-scale]").forEach((button) =>
    button.addEventListener("click", () => {
      state.isLog = button.dataset.scale === "log";
      section.querySelectorAll("[data-scale]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      if (state.study) draw();
    }),
  );

  section.querySelectorAll("[data-curves]").forEach((button) =>
    button.addEventListener("click", () => {
      state.isMean = button.dataset.curves === "means";
      section.querySelectorAll("[data-curves]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      if (state.study) draw();
    }),
  );

  const splitter = document.getElementById("split-choice");
  splitter.querySelectorAll("button").forEach((button) =>
    button.addEventListener("click", () => {
      state.split = button.dataset.split;
      splitter.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      draw();
    }),
  );

  function offerSplit() {
    const found = new Set(state.study.mice.map((mouse) => mouse.status).filter(Boolean));
    const arms = state.study.arms.length;
    const offered = { status: found.size > 1, arms: arms > 1 && arms <= MOST_ARMS_SPLIT, none: true };
    state.split = offered.status ? "status" : "none";
    splitter.hidden = !(offered.status || offered.arms);
    splitter.querySelectorAll("button").forEach((button) => {
      button.hidden = !offered[button.dataset.split];
      button.setAttribute("aria-pressed", String(button.dataset.split === state.split));
      if (button.dataset.split === "arms" && offered.status) button.textContent = `By arm and ${state.study.gene}`;
    });
  }

  async function start() {
    const response = await fetch(section.dataset.source, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(String(response.status));
    state.study = await response.json();
    await document.fonts.ready;
    label();
    offerSplit();
    fillModels();
    drawLegend();
    draw();
    tellTrouble();
    whenOpened(table, () => tableOf(columns(), state.study.mice));
    whenOpened(means, meanTable);
    if (weights) whenOpened(weights, weightTable);
    whenOpened(operators, operatorTable);
    document.addEventListener("themechange", () => {
      drawLegend();
      draw();
    });
    section.dataset.drawn = "yes";
  }

  start().catch((error) => {
    console.error(error);
    places.volume.replaceChildren(element("p", { class: "chart-note" }, "The curves could not be loaded. Reload the page to try again."));
  });
})();
