"""At the cage, in a real browser: a sheet entered with keys alone, with and without the network."""

from functools import partial

from playwright.sync_api import expect

from tests.journeys.cage import (
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


def test_enter_carries_from_field_to_field_and_from_mouse_to_mouse(page, sheet, assert_accessible):
    open_row(page, "M001")
    enter(page, "11.2", "8.4", "22.5", "10.9", "8,1", "21.9")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (11.2, 8.4, 22.5, "measured"), "M002": (10.9, 8.1, 21.9, "measured")}
    expect_field(page, "M003").to_be_visible()
    assert_accessible()


def test_what_is_entered_without_a_network_outlives_a_reload_and_is_sent_once(page, sheet):
    page.context.set_offline(True)
    open_row(page, "M001")
    enter(page, "11.2", "8.4", "22.5")
    wait_for_unsent(page, 1, "no connection")
    page.reload()
    wait_for_unsent(page, 1, "no connection")
    page.context.set_offline(False)
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (11.2, 8.4, 22.5, "measured")}


def test_a_scan_selects_its_mouse_and_lands_in_no_field(page, sheet):
    open_row(page, "M001")
    enter(page, "985141000000003")
    expect_field(page, "M003").to_be_focused()
    expect_field(page, "M003").to_have_value("")


def test_one_key_codes_a_tumor_that_cannot_be_felt(page, sheet):
    open_row(page, "M001")
    enter(page, "0", "22.5")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (None, None, 22.5, "not_palpable")}


def test_an_impossible_width_is_named_and_kept_on_the_screen(page, sheet):
    open_row(page, "M001")
    enter(page, "11.2", "98")
    expect(page.get_by_role("alert")).to_contain_text("98 mm cannot be a mouse tumor: 9.8?")
    expect_field(page, "M001", "width_mm").to_have_value("98")
    assert stored(sheet) == {}


def test_a_complete_sheet_is_signed_with_name_and_password(page, sheet, live_server):
    open_row(page, "M001")
    enter(page, *["11.2", "8.4", "22.5"] * 5)
    page.keyboard.press("x")
    page.get_by_role("button", name="no time").click()
    expect_field(page, "M006", "weight_g").to_be_focused()
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
    page.locator(".headcount li", has_text="M003").get_by_role("button", name="dead").click()
    wait_until_all_is_stored(page)
    expect_field(page, "M002").to_be_focused()  # the mouse in hand stays
    assert stored(sheet) == {"M003": (None, None, None, "dead")}


def test_implied_decimals_take_at_most_twelve_key_presses_a_mouse(page, sheet):
    page.get_by_role("button", name="123 is 12.3").click()
    open_row(page, "M001")
    presses = ["1", "1", "2", "Enter", "8", "4", "Enter", "2", "2", "5", "Enter"]
    for key in presses:
        page.keyboard.press(key)
    wait_until_all_is_stored(page)
    assert len(presses) <= 12
    assert stored(sheet) == {"M001": (11.2, 8.4, 22.5, "measured")}


def test_a_question_is_answered_by_enter_or_by_measuring_again(page, sheet):
    open_row(page, "M001")
    enter(page, "19.4", "8.2", "22.5")
    expect(page.locator(".row-questions")).to_contain_text("length 19.4 mm is far from last time")
    page.get_by_role("button", name="Measure again").click()
    expect_field(page, "M001").to_have_value("")
    enter(page, "11.2", "8.4", "22.4")
    wait_until_all_is_stored(page)
    replicates = sheet.measurements.order_by("replicate").values_list("replicate", "length_mm")
    assert list(replicates) == [(1, 19.4), (2, 11.2)]
    assert {one["reason"] for one in sheet.measurements.get(replicate=1).confirmations} == {"measured again"}


def test_undo_corrects_what_is_stored_with_a_reason(page, sheet):
    open_row(page, "M001")
    enter(page, "11.2", "8.4", "22.5")
    wait_until_all_is_stored(page)
    page.keyboard.press("u")
    page.get_by_role("button", name="typing slip").click()
    expect_field(page, "M001").to_be_focused()
    page.get_by_label("Length in mm, mouse M001").fill("11.9")
    enter(page, "", "", "")
    page.locator('[data-mouse$="M001"][data-state=saved]').wait_for()
    current = sheet.measurements.get(revision=2)
    assert (current.length_mm, current.width_mm, current.reason) == (11.9, 8.4, "typing slip")


def test_a_caliper_on_a_serial_port_fills_the_field_in_hand(page, live_server, transactional_db, sign_in):
    page.add_init_script("""
        const start = (out) => { window.sends = (text) => out.enqueue(new TextEncoder().encode(text)); };
        const port = { open: async () => {}, readable: new ReadableStream({ start }) };
        Object.defineProperty(navigator, "serial", { value: { requestPort: async () => port } });
    """)
    session, study = make_sheet(6)
    sign_in(study.memberships.get().user)
    open_sheet(page, live_server, session)
    page.get_by_role("button", name="Connect a device").click()
    page.get_by_text("the device is connected").wait_for()
    open_row(page, "M001")
    send = partial(page.evaluate, "text => window.sends(text)")
    send("01A+000")
    send("11.21\r")
    expect_field(page, "M001", "width_mm").to_be_focused()
    send("8.4 mm\r\n")
    expect_field(page, "M001", "weight_g").to_be_focused()
    send("ST,GS,+ 22.41 g\r\n")
    expect_field(page, "M002").to_be_focused()
    wait_until_all_is_stored(page)
    assert stored(session) == {"M001": (11.21, 8.4, 22.41, "measured")}


def test_sixty_mice_at_the_speed_of_devices(page, live_server, transactional_db, sign_in):
    session, study = make_sheet(60)
    sign_in(study.memberships.get().user)
    open_sheet(page, live_server, session)
    open_row(page, "M001")
    for number in range(60):
        enter(page, f"11.{number % 10}", f"8.{number % 9}", f"22.{number % 7}")
    wait_until_all_is_stored(page)
    values = stored(session)
    assert [values[f"M{number + 1:03}"][:3] for number in range(60)] == [
        (float(f"11.{number % 10}"), float(f"8.{number % 9}"), float(f"22.{number % 7}"))
        for number in range(60)
    ]
    expect(page.get_by_role("button", name="Sign", exact=True)).to_be_visible()
