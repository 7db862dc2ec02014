"""A sheet left alone at the cage: covered, its queue kept, and sent once the same person is back."""

import time

import pytest

from studies import idle
from tests.journeys.cage import (
    ROW,
    TYPED,
    enter,
    make_sheet,
    open_row,
    open_sheet,
    stored,
    wait_for_unsent,
    wait_until_all_is_stored,
)
from tests.people import PASSWORD


@pytest.fixture
def sheet(transactional_db, live_server, page, sign_in, settings):
    """The open sheet on a screen that locks after ten minutes; the tests move the page's clock on."""
    settings.IDLE_MINUTES = 10
    page.clock.install()
    session, study = make_sheet(6)
    sign_in(study.memberships.get().user)
    open_sheet(page, live_server, session)
    return session


def leave_alone(page) -> None:
    page.clock.fast_forward("11:00")
    page.wait_for_selector("#idle-lock[open]")


def test_a_sheet_left_alone_is_covered_and_its_rows_are_sent_after_unlocking(page, sheet, assert_accessible):
    page.route("**/api/v1/sessions/*/measurements", lambda route: route.fulfill(status=503, json={}))
    assert page.get_by_label("Password").count() == 1  # the signature's
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_for_unsent(page, 1)
    with page.expect_response("**/accounts/lock/"):  # until then the row may go, its person was there
        leave_alone(page)
    page.unroute("**/api/v1/sessions/*/measurements")
    assert page.locator('[data-mouse$="M001"]').first.is_hidden()
    assert_accessible()
    page.keyboard.press("Escape")
    assert page.locator("#idle-lock[open]").count() == 1
    page.clock.fast_forward("00:06")
    page.locator('[data-unsent="1"]', has_text="sign in again").wait_for(state="attached")
    assert stored(sheet) == {}  # nothing is sent in the name of somebody who may be gone
    page.fill("#idle-secret", "not the password")
    page.keyboard.press("Enter")
    page.get_by_text("This is not it").wait_for()
    page.fill("#idle-secret", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#idle-lock", state="detached")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": ROW}


def test_without_a_network_the_sheet_goes_on_and_sends_after_unlocking(page, sheet, monkeypatch):
    page.context.set_offline(True)
    leave_alone(page)
    page.get_by_role("button", name="go on without the network").click()
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_for_unsent(page, 1)
    monkeypatch.setattr(idle, "clock", lambda: time.time() + 11 * 60)
    page.context.set_offline(False)
    leave_alone(page)
    assert stored(sheet) == {}
    page.fill("#idle-secret", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#idle-lock", state="detached")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": ROW}


def test_hands_quicker_than_the_network_unlock_once(page, sheet):
    """The password is given before the server heard of the lock, which must not come after the unlocking."""
    held = []
    page.route("**/accounts/lock/", lambda route: held.append(route))
    leave_alone(page)
    page.fill("#idle-secret", PASSWORD)
    page.keyboard.press("Enter")
    while not held:
        page.wait_for_timeout(50)
    page.wait_for_timeout(500)  # time for a page that does not wait to open itself
    held.pop().continue_()
    page.wait_for_selector("#idle-lock", state="detached")
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": ROW}


def test_a_lock_the_server_never_heard_of_opens_to_no_wrong_password(page, sheet):
    page.route("**/accounts/lock/", lambda route: route.abort())
    leave_alone(page)
    page.fill("#idle-secret", "not the password")
    page.keyboard.press("Enter")
    page.get_by_text("There is no network").wait_for()
    assert page.locator("#idle-lock[open]").count() == 1
    page.unroute("**/accounts/lock/")
    page.keyboard.press("Enter")
    page.get_by_text("This is not it").wait_for()
