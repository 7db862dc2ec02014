"""What may go wrong between a committed row and the record: in each case it is stored, once, or still here."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from studies.models import Measurement, ParkedRow, Study
from studies.terms import Role, StudyState
from tests.factories import make_measurement
from tests.journeys.cage import (
    POSTS,
    ROW,
    TYPED,
    enter,
    expect_field,
    make_sheet,
    open_row,
    open_sheet,
    sheet,
    stored,
    wait_for_unsent,
    wait_until_all_is_stored,
)
from tests.people import join, make_user
from tests.support.browser import next_page

__all__ = ["sheet"]


def session_cookie(page):
    return next(cookie for cookie in page.context.cookies() if cookie["name"] == "sessionid")


def test_a_reply_lost_after_the_commit_stores_nothing_twice(page, sheet):
    lost = []

    def lose_the_first(route):
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)
        return route.abort()

    page.route(POSTS, lose_the_first)
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_until_all_is_stored(page)
    assert lost == [200]
    assert stored(sheet) == {"M001": ROW} and sheet.measurements.count() == 1


def test_a_request_that_hangs_is_given_up_and_sent_again(page, sheet):
    page.add_init_script("""
        window.patience = [];
        AbortSignal.timeout = (ms) => {
            const one = new AbortController();
            window.patience.push(() => ms <= 30_000 && one.abort());
            return one.signal;
        };
    """)
    page.reload()
    hung = []

    def hang_the_first(route):
        if hung:
            return route.continue_()
        hung.append(route)
        return page.evaluate("window.patience.forEach((ends) => ends())")  # its half minute is over

    page.route(POSTS, hang_the_first)
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_until_all_is_stored(page)
    assert hung and stored(sheet) == {"M001": ROW} and sheet.measurements.count() == 1


def test_a_server_that_cannot_store_now_is_asked_again(page, sheet):
    answers = iter([503, 507])

    def refuse_twice(route):
        status = next(answers, None)
        return route.fulfill(status=status, json={"detail": "full"}) if status else route.continue_()

    page.route(POSTS, refuse_twice)
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_for_unsent(page, 1, "the server cannot store now")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": ROW}


def test_a_sheet_reached_from_today_opens_offline_once_its_worker_has_control(
    page, live_server, transactional_db, sign_in
):
    session, study = make_sheet(6)
    sign_in(study.memberships.get().user)
    page.goto(f"{live_server.url}/entry/today/")
    with next_page(page):
        page.click(f'[data-session="{session.pk}"]')
    page.evaluate("""async () => {
        while (!navigator.serviceWorker.controller) await new Promise((go) => setTimeout(go, 10));
    }""")
    page.context.set_offline(True)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_for_unsent(page, 1)
    page.context.set_offline(False)
    wait_until_all_is_stored(page)
    assert stored(session) == {"M001": ROW}


def test_an_expired_login_keeps_the_rows_until_the_next(page, sheet):
    kept = session_cookie(page)
    page.context.clear_cookies(name="sessionid")
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_for_unsent(page, 1, "sign in again")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    page.context.add_cookies([kept])
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": ROW}


def test_another_persons_login_never_sends_them(page, sheet, client):
    other = join(make_user("theo"), sheet.study, Role.TECHNICIAN)
    client.force_login(other)
    page.context.add_cookies([{**session_cookie(page), "value": client.cookies["sessionid"].value}])
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_for_unsent(page, 1, "someone else is signed in")
    assert stored(sheet) == {}


def test_a_duplicated_tab_sends_each_row_once(page, sheet, live_server):
    twin = page.context.new_page()
    open_sheet(twin, live_server, sheet)
    page.context.set_offline(True)
    open_row(page, "M001")
    enter(page, *TYPED, *TYPED)
    wait_for_unsent(page, 2)
    page.context.set_offline(False)
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": ROW, "M002": ROW} and sheet.measurements.count() == 2


def test_a_wrong_clock_is_set_right_and_told(page, sheet, live_server):
    page.clock.install(time=timezone.now() + timezone.timedelta(hours=3))
    open_sheet(page, live_server, sheet)
    open_row(page, "M001")
    enter(page, *TYPED)
    page.clock.run_for(6000)
    page.locator("[data-unsent]", has_text="clock is 180 min ahead").wait_for()
    wait_until_all_is_stored(page)
    reading = sheet.measurements.get()
    assert abs(reading.observed_at - timezone.now()) < timezone.timedelta(minutes=2)
    assert "the tablet's clock read" in reading.confirmations[-1]["reason"]


@pytest.mark.parametrize(
    ("answer", "values"),
    [("Keep the stored one", (10.4, 8.8, 22.0, "measured")), ("Take mine", ROW)],
)
def test_of_two_people_on_one_mouse_the_second_chooses(page, sheet, answer, values):
    other = join(make_user("theo"), sheet.study, Role.TECHNICIAN)
    mouse = sheet.study.mice.get(label="M001")
    make_measurement(sheet, mouse, length_mm=10.4, width_mm=8.8, observer=other, observed_at=timezone.now())
    open_row(page, "M001")
    enter(page, *TYPED)
    trouble = page.locator(".troubles li")
    expect(trouble).to_contain_text("theo stored 10.4 × 8.8 mm")
    expect(trouble).to_contain_text("11.2 × 8.4 mm")
    trouble.get_by_role("button", name=answer).click()
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": values}
    assert Measurement.objects.filter(session=sheet, length_mm=10.4).exists()  # nothing was overwritten


def test_a_row_for_a_locked_study_is_parked_for_the_director(page, sheet):
    Study.objects.filter(pk=sheet.study_id).update(state=StudyState.DATA_LOCKED)
    open_row(page, "M001")
    enter(page, *TYPED)
    page.locator('[data-mouse$="M001"][data-state=parked]').wait_for()
    wait_until_all_is_stored(page)
    assert stored(sheet) == {}
    assert ParkedRow.objects.get().row["length_mm"] in (11.2, "11.2")


def test_a_killed_browser_loses_no_committed_row(
    transactional_db, live_server, client, browser_type, browser_type_launch_args, tmp_path
):
    session, study = make_sheet(6)
    client.force_login(study.memberships.get().user)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}

    def start():
        context = browser_type.launch_persistent_context(tmp_path / "profile", **browser_type_launch_args)
        context.add_cookies([cookie])
        return context, context.new_page()

    context, page = start()
    open_sheet(page, live_server, session)
    context.set_offline(True)
    open_row(page, "M001")
    enter(page, *TYPED, "10.9")
    page.locator('[data-mouse$="M001"][data-state=waiting]').wait_for()  # it is on disk
    page.wait_for_timeout(300)
    kill_browser(tmp_path / "profile")
    context, page = start()
    page.goto(f"{live_server.url}/entry/sessions/{session.pk}/")
    wait_until_all_is_stored(page)
    assert stored(session) == {"M001": ROW}
    open_row(page, "M002")
    expect_field(page, "M002").to_have_value("10.9")  # typed, not yet completed
    context.close()


def kill_browser(profile: Path) -> None:
    """SIGKILL to every process of the browser that works in this profile."""
    for process in Path("/proc").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
            if process.name.isdigit() and str(profile) in (process / "cmdline").read_text(errors="ignore"):
                os.kill(int(process.name), signal.SIGKILL)
    time.sleep(0.5)


def test_an_insecure_connection_is_said_and_rows_are_stored_all_the_same(
    transactional_db, live_server, client, browser_type, browser_type_launch_args, settings
):
    """By a name of the laboratory's network, without TLS: no locks, no random UUIDs, no service worker."""
    settings.ALLOWED_HOSTS = ["pdx.lab"]
    session, study = make_sheet(6)
    client.force_login(study.memberships.get().user)
    resolver = "--host-resolver-rules=MAP pdx.lab 127.0.0.1"
    browser = browser_type.launch(
        **browser_type_launch_args | {"args": [*browser_type_launch_args["args"], resolver]}
    )
    page, address = browser.new_page(), live_server.url.replace("localhost", "pdx.lab")
    page.context.add_cookies(
        [{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": address}]
    )
    page.goto(f"{address}/entry/sessions/{session.pk}/")
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate("[isSecureContext, Boolean(crypto.randomUUID || navigator.locks)]") == [False, False]
    expect(page.locator("[data-part=insecure]")).to_contain_text("This connection is not secure")
    page.context.set_offline(True)
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_for_unsent(page, 1)
    page.context.set_offline(False)
    wait_until_all_is_stored(page)
    assert stored(session) == {"M001": ROW}
    browser.close()
