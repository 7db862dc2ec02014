// Keeps the entry screens on the tablet. Pages come from the network where there is one, else as they last were.
const FILES = "pdx-entry-files-{{ version }}";
const PAGES = "pdx-entry-pages";
const ASSETS = {{ assets|safe }};

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(FILES).then((files) => files.addAll(ASSETS)).then(() => self.skipWaiting()));
});

// The sheet that brought this worker has kept itself already (offline.js); every later one passes through here.
self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) if (name.startsWith("pdx-entry-files-") && name !== FILES) await caches.delete(name);
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const url = new URL(request.url);
  if (url.origin !== self.location.origin) return;
  if (request.mode === "navigate" && isPage(url)) event.respondWith(page(request));
  else if (ASSETS.includes(url.pathname)) event.respondWith(file(request));
});

const isPage = (url) => /\/entry\/(today|sessions\/[0-9]+)\/$/.test(url.pathname);

async function page(request) {
  try {
    const answer = await fetch(request);
    if (answer.status < 500) {
      await keep(request.url, answer.clone());
      return answer;
    }
    return (await kept(request.url)) ?? answer;
  } catch (error) {
    const last = await kept(request.url);
    if (last) return last;
    throw error;
  }
}

async function keep(url, answer) {
  if (answer.ok && !answer.redirected && answer.type === "basic") await (await caches.open(PAGES)).put(url.split("?")[0], answer);
}

const kept = async (url) => (await caches.open(PAGES)).match(url.split("?")[0]);

async function file(request) {
  return (await (await caches.open(FILES)).match(request.url)) ?? fetch(request);
}
