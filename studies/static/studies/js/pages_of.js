// Pages kept for work without a network (entry/offline.js) are one person's: whoever signs in next finds none of them,
// else what they entered without a network would wait in the name of the person before.
(() => {
  "use strict";
  const { user } = document.currentScript.dataset;
  const key = "pdx-pages-of";
  try {
    if (localStorage.getItem(key) === user) return;
    localStorage.setItem(key, user);
  } catch {
    return; // nothing is kept where storage is forbidden
  }
  window.pagesOfOthersGone = window.caches?.delete("pdx-entry-pages");
})();
