// Small helps on the guide's pages; each page works without them.
(() => {
  "use strict";

  // A search field that hides the rows of a table which do not hold every word typed; ticked rows stay.
  for (const field of document.querySelectorAll("[data-filters]")) {
    const rows = document.getElementById(field.dataset.filters).tBodies[0].rows;
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const told = row.textContent.toLowerCase();
        const ticked = row.querySelector("input[type=checkbox]")?.checked;
        row.hidden = !ticked && !words.every((word) => told.includes(word));
      }
    });
  }
})();
