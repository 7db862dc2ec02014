// Makes the sheet open without a network, or says plainly why it cannot here.

const INSECURE =
  "This connection is not secure, so nothing can be entered here without the network: rows wait only while this page stays open. " +
  "Ask for the address that starts with https.";

export async function readyOffline(worker, warn) {
  if (!window.isSecureContext || !("serviceWorker" in navigator)) return warn(INSECURE);
  try {
    navigator.serviceWorker.addEventListener("controllerchange", ready);
    if (navigator.serviceWorker.controller) ready();
    await navigator.serviceWorker.register(worker, { scope: "/entry/" });
    return warn("");
  } catch (error) {
    return warn(`Entry without the network could not be prepared: ${error.message}.`);
  }
}

/** From here on the page opens without a network; devices and tests may look for the mark. */
function ready() {
  document.documentElement.dataset.offline = "ready";
}
