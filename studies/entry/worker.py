"""The service worker, which opens the sheet without a network."""

import hashlib
import json
from functools import cache
from pathlib import Path

from django.contrib.staticfiles import finders
from django.shortcuts import render
from django.templatetags.static import static

from studies.endpoints import ANYONE, endpoint

ASSETS = (
    "studies/css/tokens.css",
    "studies/css/app.css",
    "studies/css/entry.css",
    "studies/js/theme.js",
    "studies/js/idle.js",
    "studies/js/pages_of.js",
    "studies/js/entry/bare.js",
    "studies/js/entry/bursts.js",
    "studies/js/entry/cages.js",
    "studies/js/entry/finish.js",
    "studies/js/entry/numbers.js",
    "studies/js/entry/offline.js",
    "studies/js/entry/rows.js",
    "studies/js/entry/rules.js",
    "studies/js/entry/serial.js",
    "studies/js/entry/sheet.js",
    "studies/js/entry/sounds.js",
    "studies/js/entry/store.js",
    "studies/js/entry/sync.js",
    "studies/js/entry/today.js",
    "studies/img/mark.svg",
    "studies/vendor/source-sans-3-5.3.0/source-sans-3-latin-wght-normal.woff2",
)


@endpoint(ANYONE)
def service_worker(request):
    """A script of no secrets, so that a browser may look for a newer one after a login has expired."""
    context = {"version": _version(), "assets": json.dumps([static(name) for name in ASSETS])}
    return render(
        request, "studies/entry/service_worker.js", context, content_type="text/javascript; charset=utf-8"
    )


@cache
def _version() -> str:
    """Changes whenever a file the worker keeps does."""
    digest = hashlib.sha256()
    for name in ASSETS:
        if found := finders.find(name):
            digest.update(Path(found).read_bytes())
    return digest.hexdigest()[:16]
