"""Fixtures every test may use. How the suite runs on two databases is told in tests/support/databases.py."""

import os
from pathlib import Path

import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings

from tests.support import databases, doctor

# Sync Playwright runs an event loop in the test's thread, which Django's ORM would otherwise refuse.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

hypothesis_settings.register_profile("same-everywhere", derandomize=True, deadline=None)
hypothesis_settings.register_profile("explore", deadline=None)
hypothesis_settings.register_profile(
    "first-failure", derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate]
)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same-everywhere"))


def real_data_folder() -> Path | None:
    """The folder of published studies that PDX_REAL_DATA names; a wrong name ends the run."""
    named = os.environ.get("PDX_REAL_DATA")
    if not named:
        return None
    folder = Path(named)
    if not (folder / "studies").is_dir() or not (folder / "reference").is_dir():
        raise pytest.UsageError(f"PDX_REAL_DATA={named} holds no studies/ and reference/ folders")
    return folder


def pytest_configure(config: pytest.Config) -> None:
    real_data_folder()
    databases.let_transactional_tests_reset()


@pytest.fixture(autouse=True)
def every_write_has_its_event(monkeypatch) -> None:
    """After every request and command of every test: a row it wrote past the audit fails the test.

    What the test's own factories wrote before is not asked about.
    """
    from tests.support import unsealed_writes

    unsealed_writes.watch(monkeypatch)


@pytest.fixture(autouse=True)
def anchors_of_its_own(settings, tmp_path_factory, request) -> None:
    """Each test's databases begin anew, so its anchors do too."""
    folder = tmp_path_factory.getbasetemp()
    settings.AUDIT_ANCHORS = str(folder / f"anchors-{abs(hash(request.node.nodeid))}.jsonl")


@pytest.fixture(autouse=True)
def sign_ins_not_counted_on() -> None:
    """The cache counts sign-ins a minute and address; each test's begin at none."""
    from django.core.cache import cache

    cache.clear()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    databases.mark_by_what_it_touches(items)


def pytest_report_header() -> str:
    from django.db import connection

    data = real_data_folder() or "none (set PDX_REAL_DATA to test on published studies)"
    return f"database: {connection.vendor}; real data: {data}"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of published studies (studies/*.csv, reference/*.json), never part of this repository."""
    folder = real_data_folder()
    if folder is None:
        pytest.skip("PDX_REAL_DATA names no folder of published studies")
    return folder


@pytest.fixture(scope="session")
def rscript() -> str:
    """The path of Rscript with every package the reference scripts load."""
    if missing := doctor.missing_r_packages():
        reason = f"missing in R: {', '.join(missing)}. {doctor.PARTS['r'].apt_line}"
        (pytest.fail if doctor.in_ci() else pytest.skip)(reason)
    return doctor.shutil.which("Rscript")


@pytest.fixture
def study(db):
    """An active, blinded study without mice."""
    from tests.factories import make_study

    return make_study("PDX-TEST-01")


@pytest.fixture
def people(study):
    """One person of each role in `study`, an outsider and a superuser; see tests/people.py."""
    from tests.factories import make_study
    from tests.people import make_people

    return make_people(study, make_study("PDX-OTHER-01"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    from playwright.sync_api import expect

    from tests.support.browser import PATIENCE_MS, launch_options

    expect.set_options(timeout=PATIENCE_MS)
    return {**browser_type_launch_args, **launch_options()}


@pytest.fixture
def new_context(new_context):
    """As pytest-playwright's, from which `page` comes too, and as patient on a busy machine as `expect`."""
    from tests.support.browser import PATIENCE_MS

    def patient(**options):
        context = new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        return context

    return patient


@pytest.fixture
def sign_in(live_server, page, client):
    """Call it with a user: the browser then holds that user's session on the live server."""

    def sign_in_as(user) -> None:
        client.force_login(user)
        cookie = client.cookies["sessionid"]
        page.context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])

    return sign_in_as


@pytest.fixture
def assert_accessible(page):
    """Call it on each state of a page worth hearing: fails on what axe calls serious or critical."""
    from tests.support import browser

    return lambda: browser.assert_accessible(page)
