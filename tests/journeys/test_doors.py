"""The desk and the admin in a real browser: light and dark, wide and narrow, by keyboard, under their policy."""

import pytest
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import expect

from studies.actions.audit import record_event, study_chain
from studies.models import User, WelfareLimits
from studies.terms import ArmRole, BiomarkerStatus, Role, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session, make_study
from tests.people import PASSWORD, join
from tests.support.browser import next_page

pytestmark = pytest.mark.django_db(transaction=True)
THEMES = ("light", "dark")


@pytest.fixture
def measured(study, people):
    """A blinded study of four mice with three visits each, and the same again with open arms."""
    opened = make_study("PDX-OPEN-01", state=StudyState.UNBLINDED)
    for role in (Role.STUDY_DIRECTOR, Role.TECHNICIAN):
        join(people.by_role[role], opened, role)
    for one in (study, opened):
        WelfareLimits.objects.create(study=one, reason="protocol")
        arms = [make_arm(one, "vehicle"), make_arm(one, "binimetinib", ArmRole.SINGLE_AGENT)]
        statuses = (BiomarkerStatus.WILD_TYPE, BiomarkerStatus.LOSS_OF_FUNCTION)
        models = [make_pdx_model(f"BR-{n}", None if one is opened else s) for n, s in enumerate(statuses)]
        mice = [make_mouse(one, f"M00{n}", arms[n % 2], pdx_model=models[n // 2]) for n in range(4)]
        for day in (0, 7, 14):
            session = make_session(one, day)
            for n, mouse in enumerate(mice):
                make_measurement(
                    session, mouse, length_mm=9.0 + n + day / 7, weight_g=20.0 + n / 10 - day / 20
                )
    User.objects.filter(pk=people.study_director.pk).update(is_staff=True)
    return study


@pytest.fixture
def complaints(page):
    """What the browser's console complains of, refused inline code included."""
    heard = []
    page.on("console", lambda m: heard.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


def open_page(page, address: str) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle")
    if page.query_selector("#charts"):
        page.wait_for_selector("#charts[data-drawn]")


@pytest.mark.parametrize("theme", THEMES)
def test_the_desk_is_sound_light_and_dark_and_breaks_no_policy(
    live_server, page, sign_in, measured, people, assert_accessible, complaints, theme
):
    page.emulate_media(color_scheme=theme)
    open_page(page, f"{live_server.url}/accounts/login/")
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert_accessible()
    sign_in(people.study_director)
    for path in ("/", "/studies/", f"/studies/{measured.code}/", "/studies/PDX-OPEN-01/", "/accounts/2fa/"):
        open_page(page, live_server.url + path)
        assert_accessible()
    assert complaints == []


@pytest.mark.parametrize("theme", THEMES)
def test_the_admin_is_sound_light_and_dark(
    live_server, page, sign_in, measured, people, assert_accessible, complaints, theme
):
    page.emulate_media(color_scheme=theme)
    sign_in(people.study_director)
    mouse = measured.mice.first()
    for path in (
        "",
        "studies/study/",
        f"studies/study/{measured.pk}/change/",
        "studies/mouse/",
        f"studies/mouse/{mouse.pk}/change/",
        "studies/measurement/",
    ):
        open_page(page, f"{live_server.url}/admin/{path}")
        assert_accessible()
    assert complaints == []


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_page_is_wider_than_the_screen(live_server, page, sign_in, measured, people, width):
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(people.study_director)
    for path in ("/", "/studies/", f"/studies/{measured.code}/", "/studies/PDX-OPEN-01/"):
        open_page(page, live_server.url + path)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


def test_tokens_and_the_audit_trail_are_read_on_a_phone_without_moving_sideways(
    live_server, page, sign_in, measured, people
):
    by, old, new = people.study_director, {"state": "active"}, {"sha256": "0" * 64, "mice": ["M000"] * 40}
    with transaction.atomic():
        record_event("changed", measured, actor=by, at=timezone.now(), chain=study_chain(measured),
                     study=measured, old=old, new=new, reason="moved")  # fmt: skip
    page.set_viewport_size({"width": 360, "height": 900})
    sign_in(by)
    open_page(page, f"{live_server.url}/accounts/tokens/")
    page.get_by_label("Password").fill(PASSWORD)
    with next_page(page):
        page.keyboard.press("Enter")
    page.get_by_label("What will use it").fill("weekly export to the statistician's share")
    with next_page(page):
        page.get_by_role("button", name="Issue token").click()
    for path in ("/accounts/tokens/", f"/studies/{measured.code}/audit/"):
        open_page(page, live_server.url + path)
        assert page.locator(".stacked tbody tr").first.is_visible()
        table = page.locator(".table-scroll")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
        assert table.evaluate("one => one.scrollWidth - one.clientWidth") <= 0, path


def test_a_mouse_is_followed_by_pointing_at_its_curve(live_server, page, sign_in, measured, people):
    sign_in(people.study_director)
    open_page(page, f"{live_server.url}/studies/PDX-OPEN-01/")
    page.locator("#volume-plot").scroll_into_view_if_needed()
    over = page.locator("#volume-plot .u-over").first.bounding_box()  # the panel of loss of function
    page.mouse.move(over["x"] + over["width"] - 3, over["y"] + 12)  # the highest curve at its last day
    page.locator("#readout strong").wait_for()
    told = page.inner_text("#readout")
    assert "M003" in told and "binimetinib" in told and "day 14" in told


def test_one_arm_is_shown_alone_by_keyboard_and_the_log_scale_is_a_press_away(
    live_server, page, sign_in, measured, people
):
    sign_in(people.study_director)
    open_page(page, f"{live_server.url}/studies/PDX-OPEN-01/")
    arm = page.get_by_role("button", name="binimetinib")
    arm.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="binimetinib")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Log").press("Enter")
    expect(page.get_by_role("button", name="Log")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#volume-plot canvas")).to_have_count(2)  # a panel for each MAP2K4 status
    page.get_by_role("button", name="Together").press("Enter")
    expect(page.locator("#volume-plot canvas")).to_have_count(1)


def test_the_table_holds_every_curve_of_the_chart(live_server, page, sign_in, measured, people):
    sign_in(people.study_director)
    open_page(page, f"{live_server.url}/studies/{measured.code}/")
    page.get_by_text("The curves as a table").click()
    rows = page.locator("#curve-table tbody tr")
    expect(rows).to_have_count(4)
    assert rows.nth(0).inner_text().split("\t") == [
        "M000", "BR-0", "wild type", "3", "288", "14", "352", "",
    ]  # fmt: skip
    assert "Arm" not in page.inner_text("#curve-table thead")


def test_the_theme_is_chosen_by_a_press_and_kept(live_server, page, sign_in, measured, people):
    sign_in(people.technician)
    open_page(page, f"{live_server.url}/")
    page.get_by_role("button", name="Dark theme").click()
    page.wait_for_selector("html[data-theme=dark]")
    open_page(page, f"{live_server.url}/studies/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_first_stop_of_the_keyboard_skips_to_the_content(live_server, page, sign_in, measured, people):
    sign_in(people.technician)
    open_page(page, f"{live_server.url}/studies/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.wait_for_selector("#content:focus")
    page.keyboard.press("Tab")
    page.wait_for_selector("#q:focus")


def test_a_director_gives_a_reason_and_finds_it_in_the_trail(live_server, page, sign_in, measured, people):
    sign_in(people.study_director)
    open_page(page, f"{live_server.url}/admin/studies/study/{measured.pk}/change/")
    page.get_by_label("Title").fill("A better title")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Say why this changes.").wait_for()
    page.get_by_label("Reason for the change").fill("The protocol was amended.")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/admin/studies/study/")
    open_page(page, f"{live_server.url}/admin/studies/auditevent/")
    assert "The protocol was amended." in page.content()
