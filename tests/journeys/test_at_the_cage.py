"""A mouse in trouble, in a real browser: its red alert, its exit in three presses, and the doser's day."""

from datetime import timedelta

import pytest
from django.utils import timezone

from studies.models import (
    Agent,
    ArmAgent,
    Cohort,
    Dose,
    Exit,
    MeasurementSession,
    Study,
    SyringeCode,
    WelfareAlert,
)
from studies.terms import ArmRole
from tests.factories import make_arm, make_measurement, make_mouse
from tests.support.browser import next_page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def mouse(study: Study, people):
    """A mouse dosed since 7 days, weighed and measured today, with a red alert that waits."""
    now = timezone.now()
    cohort = Cohort.objects.create(study=study, name="A", day0=now.date() - timedelta(days=7))
    arm = make_arm(study, "wing", ArmRole.SINGLE_AGENT)
    ArmAgent.objects.create(
        arm=arm, agent=Agent.objects.create(name="x"), dose_mg_per_kg=30, volume_ml_per_kg=10
    )
    SyringeCode.objects.create(study=study, arm=arm, code="R3D")
    session = MeasurementSession.objects.create(study=study, due_on=now.date(), cohort=cohort)
    mice = [make_mouse(study, f"M00{n}", arm, cohort=cohort, ear_tag=str(n)) for n in (1, 2)]
    for one in mice:
        make_measurement(session, one, length_mm=18, width_mm=15, weight_g=22.4, observer=people.technician)
    WelfareAlert.objects.create(
        study=study, mouse=mice[0], session=session, rule="volume", level="red", value=2025, limit=2000,
        limits_version=1, message="tumor volume 2025 mm³, cap 2000 mm³", raised_at=now,
    )  # fmt: skip
    return mice[0]


def fits(page, width: int) -> bool:
    return page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_mouse_leaves_in_three_presses_and_its_alert_is_closed(
    page, live_server, sign_in, people, mouse, assert_accessible
):
    page.set_viewport_size({"width": 768, "height": 1024})
    sign_in(people.technician)
    page.goto(f"{live_server.url}/entry/sessions/{mouse.welfare_alerts.get().session_id}/")
    assert page.get_by_label("Red welfare alerts").is_visible()
    page.locator('[data-mouse$="M001"]').first.click()
    with next_page(page):
        page.get_by_role("link", name="Exit, history and photos").click()
    assert_accessible()
    page.get_by_text("tumor size", exact=True).click()
    page.get_by_role("button", name="Record the exit").click()
    page.get_by_role("heading", name="Left the study").wait_for()
    left = Exit.objects.get()
    assert (left.reason, left.last_weight_g, left.last_volume_mm3) == ("tumor_size", 22.4, 2025)
    assert_accessible()
    sign_in(people.veterinarian)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 760})
    page.goto(f"{live_server.url}/")
    with next_page(page):
        page.get_by_label("Red welfare alerts").get_by_role("link").click()
    assert fits(page, 360)
    assert_accessible()
    page.get_by_label("What is done").select_option("euthanize")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("heading", name="Acknowledged").wait_for()
    assert not page.get_by_label("Red welfare alerts").is_visible()


def test_a_dose_is_given_in_one_press(page, live_server, sign_in, people, mouse, assert_accessible):
    page.set_viewport_size({"width": 360, "height": 760})
    sign_in(people.doser)
    page.goto(f"{live_server.url}/")
    with next_page(page):
        page.get_by_role("link", name="Doses").click()
    assert page.get_by_text("0.22 mL").first.is_visible() and fits(page, 360)
    assert_accessible()
    page.get_by_role("button", name="Given, mouse M001, R3D").click()
    page.get_by_text("M001: given.").wait_for()
    assert (Dose.objects.get().given_ml, Dose.objects.get().syringe) == (0.224, "R3D")
    page.get_by_label("Not given in full, mouse M002, R3D").click()
    assert_accessible()
    with next_page(page):
        page.get_by_role("link", name="Lots and formulations").click()
    assert fits(page, 360)
    assert_accessible()
