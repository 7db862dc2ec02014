"""Every screen of the cage side, light and dark, narrow and wide: sound for axe, no wider than the screen, big enough.

`CAGE_PICTURES=folder` keeps a picture of each.
"""

import io
import os
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from PIL import Image

from studies.actions.photos import keep_photo
from studies.actions.tablets import begin_shift, register_tablet, set_entry_key
from studies.middleware import TABLET_COOKIE
from studies.models import (
    Agent,
    ArmAgent,
    Cohort,
    Exit,
    MeasurementSession,
    MouseSample,
    ParkedRow,
    SyringeCode,
)
from studies.terms import ArmRole, Role
from tests.desk.test_parked_rows import ROW
from tests.factories import make_arm, make_measurement, make_mouse
from tests.journeys.cage import STUDY, device, enter, make_sheet, open_row, open_sheet
from tests.people import join, make_user
from tests.support.browser import next_page

PICTURES = os.environ.get("CAGE_PICTURES")
VIEWS = (("light", 360), ("dark", 360), ("light", 768), ("dark", 1280)) if not PICTURES else tuple(
    (scheme, width) for scheme in ("light", "dark") for width in (360, 768, 1280)
)  # fmt: skip
PRESS_PX = 56
SMALL = """() => [...document.querySelectorAll("main :is(button, input, select, a.switch, summary, .press)")]
    .filter((one) => one.offsetParent && one.type !== "radio" && one.type !== "hidden" && one.type !== "file")
    .filter((one) => one.getBoundingClientRect().height < 55.5)
    .map((one) => `${one.getBoundingClientRect().height} ${one.outerHTML.slice(0, 120)}`)"""


@pytest.fixture
def look(page, assert_accessible):
    """Look at the page as it stands in every view: axe, its width, and where fingers press, its targets."""
    found = []

    def at(name: str, *, gloves: bool = True) -> None:
        for scheme, width in VIEWS:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 800})
            if PICTURES:
                is_long = not name.startswith("sheet")
                page.screenshot(path=Path(PICTURES) / f"{name}-{width}-{scheme}.png", full_page=is_long)
            if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
                found.append(f"{name} is {wide} px wide at {width}")
            found.extend(f"{name} at {width}: {small}" for small in (page.evaluate(SMALL) if gloves else ()))
            if (scheme, width) in (VIEWS[0], VIEWS[-1]):
                assert_accessible()

    yield at
    assert not found, "\n".join(sorted(set(found)))


def test_the_sheet_in_all_its_states(page, live_server, transactional_db, sign_in, look):
    session, study = make_sheet(12)
    tess = study.memberships.get().user
    other = join(make_user("theo"), study, Role.TECHNICIAN)
    sign_in(tess)
    open_sheet(page, live_server, session)
    make_measurement(
        session, study.mice.get(label="M005"), length_mm=10.4, observer=other, observed_at=timezone.now()
    )
    open_row(page, "M001")
    page.get_by_text("Not all are well and here").click()
    look("sheet-head-count")
    page.get_by_role("button", name="All 5 are here").click()
    page.get_by_role("button", name="Pad", exact=True).click()
    look("sheet-pad")
    page.get_by_role("button", name="Pad", exact=True).click()
    open_row(page, "M001")
    enter(page, "11.2", "8.4", "22.5", "19.4", "8.2", "22.4")
    look("sheet-question")
    page.get_by_role("button", name="Measure again").click()
    enter(page, "11.0", "8.1", "22.4", "10.9", "98")
    look("sheet-refused")
    enter(page, "8.8", "22.0")
    page.get_by_role("group", name="Cages you take").get_by_role("button", name="C03").click()
    page.keyboard.press("x")
    page.get_by_role("group", name="Why was it not done?").wait_for()
    look("sheet-reason")
    open_row(page, "M005")
    enter(page, "11.2", "8.4", "22.5")
    page.locator(".troubles li").wait_for()
    page.locator(".troubles").scroll_into_view_if_needed()
    look("sheet-two-readings")
    page.get_by_role("button", name="Keep both").click()
    page.locator("[data-part=finish]").scroll_into_view_if_needed()
    page.context.set_offline(True)
    device(page, "985141000000006")
    enter(page, "0", "22.1")
    look("sheet-offline")
    page.context.set_offline(False)
    page.wait_for_selector('[data-unsent="0"]')
    page.goto(f"{live_server.url}/entry/today/")
    page.get_by_text("What I entered today").click()
    look("today")


def test_a_mouse_from_its_readings_to_its_samples(
    page, live_server, transactional_db, sign_in, look, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path
    session, study = make_sheet(5)
    tess = study.memberships.get().user
    mouse = study.mice.get(label="M001")
    reading = make_measurement(session, mouse, length_mm=18, width_mm=15, observer=tess)
    sign_in(tess)
    where = f"{live_server.url}/entry/mice/{mouse.pk}/"
    page.goto(where)
    page.locator(".history summary").first.click()
    look("mouse-leaves")
    page.goto(f"{live_server.url}/entry/readings/{reading.pk}/")
    look("correction")
    page.goto(where)
    page.get_by_text("tumor size", exact=True).click()
    with next_page(page):
        page.get_by_role("button", name="Record the exit").click()
    now = timezone.now()
    Exit.objects.update(excised_tumor_g=1.9, necropsy_note="firm, one lobe")
    MouseSample.objects.create(
        mouse=mouse, code=f"{STUDY}/M001/S1", kind="snap_frozen", taken_at=now, taken_by=tess
    )
    image = io.BytesIO()
    Image.new("RGB", (400, 300), "#a55").save(image, "JPEG")
    keep_photo(mouse, image.getvalue(), "ulcer", "left flank", actor=tess, at=now)
    page.reload()
    for summary in ("Necropsy and excised tumor", "Take samples", "Correct the exit", "Add a photo"):
        page.get_by_text(summary, exact=True).click()
    look("mouse-left")


def test_the_dosers_sheet(page, live_server, transactional_db, sign_in, people, study, look):
    today = timezone.now().date()
    cohort = Cohort.objects.create(study=study, name="A", day0=today - timedelta(days=7))
    arm = make_arm(study, "wing", ArmRole.SINGLE_AGENT)
    ArmAgent.objects.create(
        arm=arm, agent=Agent.objects.create(name="x"), dose_mg_per_kg=30, volume_ml_per_kg=10
    )
    SyringeCode.objects.create(study=study, arm=arm, code="R3D")
    session = MeasurementSession.objects.create(study=study, due_on=today, cohort=cohort)
    for number in (1, 2, 3):
        mouse = make_mouse(study, f"M00{number}", arm, cohort=cohort, ear_tag=str(number))
        if number < 3:
            make_measurement(session, mouse, weight_g=22.4, observer=people.technician)
    sign_in(people.doser)
    page.goto(f"{live_server.url}/entry/doses/")
    page.locator("summary", has_text="Not in full").first.click()
    look("doses")
    page.goto(f"{live_server.url}/entry/studies/{study.pk}/formulations/")
    look("formulations", gloves=False)


def test_tablets_and_parked_rows(page, live_server, transactional_db, sign_in, people, study, look):
    now = timezone.now()
    tablet, secret = register_tablet("room 2", actor=people.superuser, at=now)
    for person, pin, badge in ((people.technician, "4826", "B-1"), (people.doser, "7315", "B-2")):
        set_entry_key(person, pin=pin, badge=badge, at=now)
        begin_shift(tablet, person, now)
    page.context.add_cookies([{"name": TABLET_COOKIE, "value": secret, "url": live_server.url}])
    page.goto(f"{live_server.url}/entry/switch/")
    page.get_by_label("PIN").fill("1111")
    page.locator(".people label").first.click()
    page.get_by_role("button", name="Take over").click()
    page.get_by_role("alert").get_by_text("This is not the PIN").wait_for()
    look("switch")
    sign_in(people.study_director)
    make_mouse(study, "M001")
    session = MeasurementSession.objects.create(study=study, due_on=now.date(), completed_at=now)
    ParkedRow.objects.create(
        session=session, user=people.technician, client_id=ROW["client_id"], row=ROW, parked_at=now,
        because="the session is signed and closed",
    )  # fmt: skip
    page.goto(f"{live_server.url}/studies/{study.code}/parked/")
    look("parked", gloves=False)
