"""More than one person, tablet or tumor at the same cages: who has measured what stays clear, and stays theirs."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Error, expect

from studies.actions.tablets import begin_shift, register_tablet, set_entry_key
from studies.middleware import TABLET_COOKIE
from studies.models import Tumor, User
from studies.terms import Role
from tests.factories import make_measurement
from tests.journeys.cage import (
    POSTS,
    ROW,
    STUDY,
    TYPED,
    device,
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


@pytest.fixture
def tablet_of(new_context, live_server):
    """Call it with a person: a tablet of their own, on which they are signed in."""

    def on_its_own(user):
        context = new_context()
        client = Client()  # one that knows somebody would end that person's session
        client.force_login(user)
        cookie = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.clock.install()
        return page

    return on_its_own


def row(page, label: str, tumor: int = 1):
    return page.locator(f'[data-mouse="{STUDY}/{label}"][data-tumor="{tumor}"]')


def look_around(page) -> None:
    """What the sheet does by itself each 20 s: ask what others stored."""
    page.clock.fast_forward("00:21")


def test_each_tumor_of_a_mouse_is_a_row_and_the_weight_is_asked_once(
    page, live_server, transactional_db, sign_in
):
    session, study = make_sheet(6)
    mouse, before = study.mice.get(label="M001"), study.sessions.get(is_baseline=True)
    Tumor.objects.create(mouse=mouse, number=2)
    make_measurement(
        before, mouse, tumor_number=2, length_mm=6, width_mm=5, weight_g=None,
        observer=study.memberships.get().user, observed_at=timezone.now() - timedelta(days=7),
    )  # fmt: skip
    sign_in(study.memberships.get().user)
    open_sheet(page, live_server, session)
    row(page, "M001").click()
    enter(page, *TYPED)
    expect(page.get_by_label("Length in mm, mouse M001 tumor 2")).to_be_focused()
    expect(row(page, "M001", 2).locator("[data-field=weight_g]")).to_have_count(0)
    enter(page, "6.6", "5.2")
    expect_field(page, "M002").to_be_focused()
    wait_until_all_is_stored(page)
    found = session.measurements.order_by("tumor_number")
    assert list(found.values_list("tumor_number", "length_mm", "width_mm", "weight_g")) == [
        (1, 11.2, 8.4, 22.5), (2, 6.6, 5.2, None),
    ]  # fmt: skip
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(row(page, "M001", 2)).to_contain_text("6.6 × 5.2 mm")


def test_one_cage_split_between_two_people_on_two_tablets(live_server, transactional_db, tablet_of):
    session, study = make_sheet(6)
    tess, theo = study.memberships.get().user, join(make_user("theo"), study, Role.TECHNICIAN)
    hers, his = tablet_of(tess), tablet_of(theo)
    for page in (hers, his):
        open_sheet(page, live_server, session)
    row(hers, "M001").click()
    enter(hers, *TYPED, *TYPED)
    row(his, "M004").click()
    enter(his, *TYPED)
    his.get_by_role("button", name="Right, for the whole sheet").click()  # tess was at the baseline
    wait_until_all_is_stored(his)
    expect_field(his, "M005").to_be_focused()
    enter(his, *TYPED)
    for page in (hers, his):
        wait_until_all_is_stored(page)
        look_around(page)
    expect(row(hers, "M005")).to_have_attribute("data-state", "elsewhere")
    expect(row(his, "M002")).to_have_attribute("data-state", "elsewhere")
    expect_field(hers, "M003").to_be_focused()
    enter(hers, *TYPED)
    expect_field(hers, "M006").to_be_focused()  # over what he has measured
    wait_until_all_is_stored(hers)
    assert set(stored(session)) == {"M001", "M002", "M003", "M004", "M005"}
    by = dict(session.measurements.values_list("mouse__label", "observer__username"))
    assert [by[f"M00{n}"] for n in range(1, 6)] == ["tess", "tess", "tess", "theo", "theo"]


def test_each_takes_cages_of_their_own_and_sees_only_those(page, live_server, transactional_db, sign_in):
    session, study = make_sheet(12)
    sign_in(study.memberships.get().user)
    open_sheet(page, live_server, session)
    cages = page.get_by_role("group", name="Cages you take")
    for cage in ("C01", "C03"):
        cages.get_by_role("button", name=cage).click()
    expect(row(page, "M001")).to_be_hidden()
    page.locator("body").press("Enter")
    expect_field(page, "M006").to_be_focused()
    expect(page.get_by_role("heading", name="Cage C02: 5 mice?")).to_be_in_viewport()
    enter(page, *TYPED * 5)
    expect(page.locator("[data-field]")).to_have_count(0)  # the last of the cage: nobody else's mouse opens
    wait_until_all_is_stored(page)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(row(page, "M011")).to_be_hidden()
    device(page, "985141000000011")  # lifted all the same: a scan opens it
    expect_field(page, "M011").to_be_focused()
    assert len(stored(session)) == 5


def test_a_session_goes_on_where_another_tablet_left_it(page, sheet, live_server, tablet_of):
    open_row(page, "M001")
    enter(page, *TYPED, "0", "22.1", "10.9")
    wait_until_all_is_stored(page)
    other = tablet_of(sheet.study.memberships.get().user)
    open_sheet(other, live_server, sheet)
    expect(row(other, "M001")).to_contain_text("11.2 × 8.4 mm")
    expect(row(other, "M002")).to_contain_text("not palpable")
    other.locator("body").press("Enter")
    expect_field(other, "M003").to_be_focused()
    expect_field(other, "M003").to_have_value("")  # half a row is where it was typed
    enter(other, *TYPED * 4)
    wait_until_all_is_stored(other)
    expect(other.get_by_role("button", name="Sign", exact=True)).to_be_visible()
    assert len(stored(sheet)) == 6


def test_a_tenth_is_measured_again_without_sight_of_the_first_reading(page, sheet):
    open_row(page, "M001")
    enter(page, *TYPED * 6)
    wait_until_all_is_stored(page)
    page.get_by_role("button", name="Measure a tenth again, unseen").click()
    again = page.locator("[data-mouse].active")
    expect(again.locator("[data-field=length_mm]")).to_be_focused()
    assert "11.2" not in again.inner_text()
    assert [again.locator(f"[data-field={name}]").input_value() for name in ("length_mm", "weight_g")] == [
        "",
        "",
    ]
    label = again.get_attribute("data-mouse").partition("/")[2]
    enter(page, "11.5", "8.3", "22.4")
    wait_until_all_is_stored(page)
    found = sheet.measurements.filter(mouse__label=label).order_by("replicate")
    assert list(found.values_list("replicate", "length_mm", "revision")) == [(1, 11.2, 1), (2, 11.5, 1)]
    assert sheet.measurements.count() == 7
    page.get_by_role("button", name="Measure a tenth again, unseen").click()
    page.get_by_text("Readings taken again differ by a CV of").wait_for()


@pytest.fixture
def shared(page, live_server, transactional_db, client):
    """A registered tablet of room 2, on which tess and theo signed in in full this shift; tess is at it."""
    session, study = make_sheet(6)
    tess, theo = study.memberships.get().user, join(make_user("theo"), study, Role.TECHNICIAN)
    now = timezone.now()
    tablet, secret = register_tablet("room 2", actor=tess, at=now)
    for person, pin, badge in ((tess, "4826", "B-100001"), (theo, "7315", "B-100002")):
        set_entry_key(person, pin=pin, badge=badge, at=now)
        begin_shift(tablet, person, now)
    client.force_login(tess)
    cookies = {"sessionid": client.cookies["sessionid"].value, TABLET_COOKIE: secret}
    page.context.add_cookies(
        [{"name": name, "value": value, "url": live_server.url} for name, value in cookies.items()]
    )
    return session


def take_over(page, live_server, *, badge: str = "", name: str = "", pin: str = "") -> None:
    page.goto(f"{live_server.url}/entry/today/")
    with next_page(page):
        page.get_by_role("link", name="Change hands").click()
    with next_page(page):
        if badge:
            expect(page.get_by_label("Badge")).to_be_focused()
            device(page, badge)
        else:
            page.get_by_label(name).check()
            page.get_by_label("PIN").fill(pin)
            page.get_by_role("button", name="Take over").click()
    page.wait_for_url("**/entry/today/")


def test_hands_change_by_badge_and_pin_and_each_ones_rows_stay_theirs(page, live_server, shared):
    open_sheet(page, live_server, shared)
    page.route(POSTS, lambda route: route.abort())
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_for_unsent(page, 1)
    take_over(page, live_server, badge="B-100002")
    expect(page.locator("[data-part=queue]")).to_have_attribute("data-unsent", "0")  # of his own
    page.unroute(POSTS)
    open_sheet(page, live_server, shared)
    expect(row(page, "M001")).to_have_attribute("data-state", "open")
    row(page, "M002").click()
    enter(page, *TYPED)
    page.get_by_role("button", name="Right, for the whole sheet").click()
    wait_until_all_is_stored(page)
    assert set(stored(shared)) == {"M002"}
    take_over(page, live_server, name="tess", pin="4826")
    page.get_by_text("1 row waits on this tablet").wait_for()
    open_sheet(page, live_server, shared)
    wait_until_all_is_stored(page)
    assert stored(shared) == {"M001": ROW, "M002": ROW}
    by = dict(shared.measurements.values_list("mouse__label", "observer__username"))
    assert by == {"M001": "tess", "M002": "theo"}


def test_a_page_kept_for_one_person_is_not_opened_by_the_next(page, live_server, shared):
    """Without a network nobody could tell that the sheet on the screen writes in the name of the person before."""
    open_sheet(page, live_server, shared)
    take_over(page, live_server, badge="B-100002")
    page.context.set_offline(True)
    with pytest.raises(Error, match="net::ERR_"):
        page.goto(f"{live_server.url}/entry/sessions/{shared.pk}/")
    page.context.set_offline(False)
    open_sheet(page, live_server, shared)
    page.context.set_offline(True)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    theo = User.objects.get(username="theo")
    assert json.loads(page.locator("#sheet-data").text_content())["user"] == theo.pk
