// Follows the jobs on a page: a step and a bar each, asked for every second; the page is set anew when one ends.
(() => {
  "use strict";
  const place = document.getElementById("jobs");
  const shown = place ? [...place.querySelectorAll("[data-job]")] : [];
  if (!shown.length) return;

  function show(form, job) {
    form.querySelector(".job-step").textContent = job.step;
    form.querySelector("progress").value = job.percent;
  }

  async function ask() {
    const response = await fetch(place.dataset.source, { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(String(response.status));
    const told = await response.json();
    const jobs = new Map(told.jobs.map((job) => [String(job.id), job]));
    const ended = shown.some((form) => !["waiting", "running"].includes(jobs.get(form.dataset.job)?.state));
    const warned = Boolean(document.getElementById("no-worker"));
    if (ended || warned === told.has_worker) return location.reload();
    shown.forEach((form) => show(form, jobs.get(form.dataset.job)));
  }

  // A server that is away for a moment is asked again, ever more rarely.
  let pause = 1000;
  const follow = () => setTimeout(() => ask().then(() => (pause = 1000), () => (pause = Math.min(pause * 2, 15000))).then(follow), pause);
  follow();
})();
