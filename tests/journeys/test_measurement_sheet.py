"""At the cage, in a real browser: a sheet entered with keys alone, with and without the network."""

from datetime import timedelta

import pytest
from django.utils import timezone

from studies.days import local_date
from studies.models import Cage, Measurement, MeasurementSession
from studies.terms import Role
from tests.factories import make_measurement, make_mouse, make_study
from tests.people import PASSWORD, join, make_user


def where_it_is_noon() -> str:
    """A zone in which a reading taken now raises no question about the day it belongs to."""
    behind = timezone.now().hour - 12
    return f"Etc/GMT{behind:+d}" if behind else "Etc/GMT"


@pytest.fixture
def sheet(transactional_db, live_server, page, sign_in):
    """The open sheet of a session due today with six mice measured a week ago, by the same technician."""
    study = make_study("PDX-CAGE-01", time_zone=where_it_is_noon())
    technician = join(make_user("tess"), study, Role.TECHNICIAN)
    today = local_date(timezone.now(), study.time_zone)
    before = MeasurementSession.objects.create(
        study=study, due_on=today - timedelta(days=7), is_baseline=True
    )
    session = MeasurementSession.objects.create(study=study, due_on=today)
    cage = Cage.objects.create(study=study, code="C1")
    for label in (f"M00{number}" for number in range(1, 7)):
        mouse = make_mouse(study, label, cage=cage, ear_tag=label[-1], rfid=f"98514100000000{label[-1]}")
        make_measurement(before, mouse, observer=technician, observed_at=timezone.now() - timedelta(days=7))
    sign_in(technician)
    page.goto(f"{live_server.url}/entry/sessions/{session.pk}/")
    page.wait_for_selector("html[data-ready][data-offline=ready]")
    return session


def enter(page, *texts: str) -> None:
    for text in texts:
        page.keyboard.type(text)
        page.keyboard.press("Enter")


def open_row(page, label: str) -> None:
    page.locator(f'[data-mouse="PDX-CAGE-01/{label}"]').click()


def wait_until_all_is_stored(page) -> None:
    page.wait_for_selector('[data-unsent="0"]', timeout=15_000)


def stored(session) -> dict[str, tuple]:
    rows = Measurement.objects.filter(session=session).select_related("mouse")
    return {row.mouse.label: (row.length_mm, row.width_mm, row.weight_g, row.status) for row in rows}


def test_enter_carries_from_field_to_field_and_from_mouse_to_mouse(page, sheet, assert_accessible):
    open_row(page, "M001")
    enter(page, "11.2", "8.4", "22.5", "10.9", "8,1", "21.9")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (11.2, 8.4, 22.5, "measured"), "M002": (10.9, 8.1, 21.9, "measured")}
    assert page.get_by_label("Length in mm, mouse M003").is_visible()
    assert_accessible()


def test_what_is_entered_without_a_network_outlives_a_reload_and_is_sent_once(page, sheet):
    page.context.set_offline(True)
    open_row(page, "M001")
    enter(page, "11.2", "8.4", "22.5")
    page.wait_for_selector('[data-unsent="1"]')
    page.reload()
    page.wait_for_selector('[data-unsent="1"]')
    assert "no connection" in page.locator("[data-unsent]").inner_text()
    page.context.set_offline(False)
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (11.2, 8.4, 22.5, "measured")}


def test_a_scan_selects_its_mouse_and_lands_in_no_field(page, sheet):
    open_row(page, "M001")
    enter(page, "985141000000003")
    length = page.get_by_label("Length in mm, mouse M003")
    assert length.is_visible() and length.input_value() == ""


def test_one_key_codes_a_tumor_that_cannot_be_felt(page, sheet):
    open_row(page, "M001")
    enter(page, "0", "22.5")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (None, None, 22.5, "not_palpable")}


def test_an_impossible_width_is_named_and_kept_on_the_screen(page, sheet):
    open_row(page, "M001")
    enter(page, "11.2", "98")
    assert "98 mm cannot be a mouse tumor: 9.8?" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Width in mm, mouse M001").input_value() == "98"
    assert stored(sheet) == {}


def test_a_complete_sheet_is_signed_with_name_and_password(page, sheet, live_server):
    open_row(page, "M001")
    enter(page, *["11.2", "8.4", "22.5"] * 5)
    page.keyboard.press("x")
    page.get_by_role("button", name="no time").click()
    enter(page, "22.1")
    wait_until_all_is_stored(page)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/entry/today/")
    sheet.refresh_from_db()
    assert sheet.completed_at is not None
    assert stored(sheet)["M006"] == (None, None, 22.1, "not_done")


def test_a_mouse_found_dead_at_the_head_count_is_coded_at_once(page, sheet):
    open_row(page, "M002")
    page.get_by_text("Not all are well and here").click()
    page.locator("li", has_text="M003").get_by_role("button", name="dead").click()
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M003": (None, None, None, "dead")}
