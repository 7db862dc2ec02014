// Tell a screen reader what each search box of the admin is for: select2 leaves its parts without a name.
(() => {
  "use strict";

  function nameOf(select) {
    const label = select?.id && document.querySelector(`label[for="${select.id}"]`);
    const column = select?.closest("td")?.className.match(/field-(\w+)/)?.[1];
    return label?.textContent.replace("*", "").trim() || column?.replaceAll("_", " ") || select?.name || "search";
  }

  function nameSearchBoxes() {
    document.querySelectorAll(".select2-container").forEach((container) => {
      const name = nameOf(container.previousElementSibling);
      container.querySelectorAll("[role='combobox']:not([aria-label]), [role='textbox']:not([aria-label])").forEach((part) => {
        part.removeAttribute("aria-labelledby");
        part.setAttribute("aria-label", name);
      });
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    nameSearchBoxes();
    new MutationObserver(nameSearchBoxes).observe(document.body, { childList: true, subtree: true });
  });
})();
