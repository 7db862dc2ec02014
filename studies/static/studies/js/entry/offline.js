// Makes the sheet open without a network, or says plainly why it cannot here.

const INSECURE =
  "This connection is not secure, so nothing can be entered here without the network: rows wait only while this page stays open. " +
  "Ask for the address that starts with https.";

const PAGES = "pdx-entry-pages"; // as the worker calls it

export async function readyOffline(worker, warn) {
  if (!window.isSecureContext || !("serviceWorker" in navigator)) return warn(INSECURE);
  try {
    navigator.serviceWorker.addEventListener("controllerchange", ready);
    await window.pagesOfOthersGone;
    if (!(await caches.match(here(), { cacheName: PAGES }))) await keepThisPage();
    if (navigator.serviceWorker.controller) ready();
    await navigator.serviceWorker.register(worker, { scope: "/entry/" });
    return warn("");
  } catch (error) {
    return warn(`Entry without the network could not be prepared: ${error.message}.`);
  }
}

const here = () => location.href.split("?")[0];

/** Before any worker can take control, so that a reload without a network works from that moment on. */
async function keepThisPage() {
  const page = await fetch(location.href);
  if (page.ok && !page.redirected) await (await caches.open(PAGES)).put(here(), page);
}

/** From here on the page opens without a network; devices and tests may look for the mark. */
function ready() {
  document.documentElement.dataset.offline = "ready";
}
