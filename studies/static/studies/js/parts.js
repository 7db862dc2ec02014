// Fills in the parts of a page that take a moment: each asked for when it comes into view.
(() => {
  "use strict";
  async function fill(place) {
    const answer = await fetch(place.dataset.part, { headers: { "X-Part": "yes" } });
    if (!answer.ok) return; // the link to the part's own page stays
    const made = new DOMParser().parseFromString(await answer.text(), "text/html");
    place.replaceChildren(...made.body.childNodes);
    place.dataset.filled = "yes";
  }
  const seen = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      fill(target).catch((error) => console.error(error));
    }
  }, { rootMargin: "600px" });
  document.querySelectorAll("[data-part]").forEach((place) => seen.observe(place));
})();
