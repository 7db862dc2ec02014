"""A real browser for the journeys, and axe to listen to the pages as a screen reader would."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.support.doctor import PARTS, chromium_path, in_ci

LAUNCH_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE_MS = 90_000  # how long a test waits for what it wants to see: only one that fails waits so long
SERIOUS = {"serious", "critical"}


def launch_options() -> dict:
    """How to start the machine's own Chromium; skips the test where there is none, fails it in CI."""
    path = chromium_path()
    if path is None:
        (pytest.fail if in_ci() else pytest.skip)(f"no Chromium: {PARTS['chromium'].apt_line}")
    return {"executable_path": path, "args": LAUNCH_ARGUMENTS}


@contextmanager
def next_page(page) -> Iterator[None]:
    """What is pressed in the block leads to another page: go on once that one has come whole.

    Playwright returns from a press before that: what is asked next would be asked of the old page.
    """
    with page.expect_navigation():
        yield


def assert_accessible(page) -> None:
    """Fail on anything axe calls serious or critical on the page as it stands, naming rule and element."""
    violations = Axe().run(page).response["violations"]
    found = [
        f"{violation['impact']}: {violation['help']} ({violation['id']}) at {node['html'][:160]}"
        for violation in violations
        if violation["impact"] in SERIOUS
        for node in violation["nodes"]
    ]
    assert not found, f"{page.url} is hard to use:\n" + "\n".join(found)
