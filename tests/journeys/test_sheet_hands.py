"""What tired hands and quick devices do to a sheet: rows opened again, keys pressed twice, tags among numbers."""

from datetime import timedelta
from uuid import uuid4

from django.utils import timezone
from playwright.sync_api import expect

from studies.actions.revise_measurements import void_measurement
from studies.actions.welfare import answer_alert
from studies.models import Device, WelfareAlert
from studies.terms import AlertAction
from tests.journeys.cage import (
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
from tests.people import PASSWORD

__all__ = ["sheet"]


def field(page, name: str, label: str = "M001"):
    return page.locator(f'[data-mouse="{STUDY}/{label}"] [data-field={name}]')


def test_from_today_to_the_signature_by_keyboard_alone(page, live_server, transactional_db, sign_in):
    session, study = make_sheet(6)
    sign_in(study.memberships.get().user)
    page.goto(f"{live_server.url}/entry/today/")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.dataset.session === '{session.pk}'"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-ready]")
    where = page.locator("[data-part=cage]")
    expect(where).to_have_text("scan or tap a mouse, or press Enter to begin")
    page.keyboard.press("Enter")
    expect(where).to_contain_text("cage ")
    enter(page, *TYPED, "0", "22.1", "11.2", "8.4")
    page.keyboard.press(
        "w"
    )  # and a moment later, as a hand does: within 50 ms it would be a device's "w22.5"
    expect(field(page, "status", "M003")).to_have_value("ulcerated")
    enter(page, "22.5")
    page.keyboard.press("x")
    why = page.get_by_role("group", name="Why was it not done?")
    why.wait_for()
    page.keyboard.press("4")
    why.wait_for(state="hidden")
    enter(page, "22.3", *TYPED, *TYPED)
    wait_until_all_is_stored(page)
    page.locator("[name=password]:focus").wait_for()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("alert").get_by_text("M003: open ulcer").wait_for()  # red: first, what is done about it
    alert, tess = WelfareAlert.objects.red().get(), study.memberships.get().user
    answer_alert(alert, AlertAction.DAILY_CHECK, "", actor=tess, at=timezone.now())
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{live_server.url}/entry/today/")
    values = stored(session)
    assert [values[f"M00{n}"][3] for n in range(1, 7)] == [
        "measured", "not_palpable", "ulcerated", "not_done", "measured", "measured",
    ]  # fmt: skip
    session.refresh_from_db()
    assert session.completed_at is not None


def test_a_row_opened_again_sends_nothing_unless_it_changed_and_then_wants_a_reason(page, sheet):
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_until_all_is_stored(page)
    open_row(page, "M001")
    enter(page, "", "", "")
    page.locator('[data-mouse$="M001"][data-state=saved]').wait_for()
    expect_field(page, "M002").to_be_visible()
    assert sheet.measurements.count() == 1 and page.locator(".troubles").is_hidden()
    open_row(page, "M001")
    field(page, "length_mm").fill("11.9")
    field(page, "weight_g").press("Enter")
    page.get_by_role("button", name="typing slip").and_(page.locator(":focus")).wait_for()
    page.keyboard.press("1")
    page.locator('[data-mouse$="M001"][data-state=saved]').wait_for()
    wait_until_all_is_stored(page)
    current = sheet.measurements.get(revision=2)
    assert (current.length_mm, current.width_mm, current.reason) == (11.9, 8.4, "typing slip")


def test_a_row_changed_while_it_waits_takes_its_place_in_the_queue(page, sheet):
    page.context.set_offline(True)
    open_row(page, "M001")
    enter(page, *TYPED, *TYPED)
    wait_for_unsent(page, 2)
    open_row(page, "M001")
    field(page, "width_mm").fill("8.8")
    field(page, "weight_g").press("Enter")
    page.locator('[data-mouse$="M001"][data-state=waiting]').wait_for()
    wait_for_unsent(page, 2)
    page.reload()
    wait_for_unsent(page, 2)
    page.context.set_offline(False)
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (11.2, 8.8, 22.5, "measured"), "M002": ROW}
    assert sheet.measurements.count() == 2


def test_a_unit_goes_where_it_belongs_and_nowhere_else(page, sheet):
    open_row(page, "M001")
    device(page, "22.4 g")
    expect(page.get_by_role("alert")).to_contain_text("is in g; this field is in mm")
    field(page, "length_mm").fill("")
    device(page, "12,34 mm", "8.40mm", "22.5 g")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (12.34, 8.4, 22.5, "measured")}


def test_a_caliper_pressed_twice_is_kept_once(page, sheet):
    open_row(page, "M001")
    device(page, "11.25", "11.25")
    expect(page.get_by_role("alert")).to_contain_text("11.25 came twice at once")
    expect_field(page, "M001", "width_mm").to_have_value("")
    enter(page, "8.4", "22.5")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (11.25, 8.4, 22.5, "measured")}


def test_a_tag_is_no_number_however_slow_the_reader_and_whatever_ends_it(page, sheet):
    open_row(page, "M001")
    page.keyboard.type("985141000000003", delay=70)
    page.keyboard.press("Enter")
    expect_field(page, "M003").to_have_value("")
    device(page, "M004")
    expect_field(page, "M004").to_have_value("")
    device(page, "985141000000005", end="")  # its reader sends no Enter
    expect_field(page, "M005").to_be_focused()
    device(page, "12345678")  # of no mouse here
    expect_field(page, "M005").to_have_value("")
    page.get_by_label("Find a mouse or cage").focus()
    enter(page, "M002")
    expect_field(page, "M002").to_be_focused()
    enter(page, *TYPED)
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M002": ROW}


def test_a_reading_that_comes_during_a_question_is_no_answer(page, sheet):
    open_row(page, "M001")
    enter(page, "11.2", "8.4", "32.5")
    expect(page.locator(".row-questions")).to_contain_text("32.5 g is far from last time")
    enter(page, "33.1")  # weighed again: another number, asked about again
    expect(page.locator(".row-questions")).to_contain_text("33.1 g is far from last time")
    enter(page, "22.5")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": ROW} and sheet.measurements.get().confirmations == []
    page.keyboard.press("x")
    why = page.get_by_role("group", name="Why was it not done?")
    why.wait_for()
    device(page, "11.25")  # a caliper while a reason is asked for: no reason, and no number
    page.locator("[data-part=said]", has_text="11.25: no field is open for it").wait_for()
    expect(why).to_be_visible()
    assert stored(sheet) == {"M001": ROW}


def test_the_last_row_of_a_sheet_is_undone_by_a_press(page, sheet):
    open_row(page, "M006")
    page.context.set_offline(True)
    enter(page, *TYPED * 6)
    wait_for_unsent(page, 6)
    expect_field(page, "M005").to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    wait_for_unsent(page, 5)
    expect_field(page, "M005").to_have_value("11.2")
    page.context.set_offline(False)
    wait_until_all_is_stored(page)
    assert "M005" not in stored(sheet) and len(stored(sheet)) == 5


def test_a_password_typed_as_fast_as_a_scanner_stays_a_password(page, sheet):
    open_row(page, "M001")
    enter(page, *TYPED * 6)
    wait_until_all_is_stored(page)
    page.get_by_label("Password").click()
    device(page, "not-the-right-one")
    page.locator("[data-part=signError]:not([hidden])").wait_for()
    assert "not-the-right-one" not in page.locator("body").inner_text()
    sheet.refresh_from_db()
    assert sheet.completed_at is None


def test_a_reading_voided_elsewhere_is_to_do_again_after_a_reload(page, sheet):
    open_row(page, "M001")
    enter(page, *TYPED)
    wait_until_all_is_stored(page)
    tess = sheet.study.memberships.get().user
    void_measurement(
        sheet.measurements.get().pk,
        reason="wrong mouse",
        user=tess,
        at=timezone.now(),
        client_id=str(uuid4()),
    )
    page.reload()
    page.wait_for_selector("html[data-ready]")
    expect(page.locator('[data-mouse$="M001"]')).to_have_attribute("data-state", "open")


def test_a_first_reading_refused_while_the_second_is_taken_is_shown(page, sheet):
    """Measured again offline; the server asks about the first reading's caliper, which has left the screen."""
    Device.objects.create(code="C1", calibration_due_on=sheet.due_on - timedelta(days=2))
    page.get_by_label("Caliper").fill("C1")
    page.get_by_label("Caliper").press("Tab")
    page.context.set_offline(True)
    open_row(page, "M001")
    enter(page, "19.4", "8.2", "22.5")
    page.get_by_role("button", name="Measure again").click()
    expect_field(page, "M001").to_have_value("")
    enter(page, "11.2")
    page.context.set_offline(False)
    trouble = page.locator(".troubles li", has_text="M001")
    trouble.wait_for()
    expect_field(page, "M001").to_have_value("11.2")
    trouble.get_by_role("button", name="Right, for the whole sheet").click()
    wait_until_all_is_stored(page)
    assert sheet.measurements.get().length_mm == 19.4


def test_implied_decimals_leave_whole_numbers_on_record_as_they_are(
    page, live_server, transactional_db, sign_in
):
    session, study = make_sheet(6)
    sign_in(study.memberships.get().user)
    open_sheet(page, live_server, session)
    page.get_by_role("button", name="123 is 12.3").click()
    open_row(page, "M001")
    enter(page, "110", "84", "220")
    wait_until_all_is_stored(page)
    page.reload()
    page.wait_for_selector("html[data-ready]")
    open_row(page, "M001")
    enter(page, "", "", "")
    page.locator('[data-mouse$="M001"]:not(.active)').wait_for()
    assert stored(session) == {"M001": (11.0, 8.4, 22.0, "measured")} and session.measurements.count() == 1


def test_a_humane_limit_is_told_without_a_network(page, sheet):
    page.context.set_offline(True)
    open_row(page, "M001")
    enter(page, "20.4", "15.8", "18.4")
    wait_for_unsent(page, 1)
    said = expect(page.locator("[data-part=said]"))
    said.to_contain_text("the volume reached the cap of 2000 mm³")
    said.to_contain_text("weight loss reached 15 %")
