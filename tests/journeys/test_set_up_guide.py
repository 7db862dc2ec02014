"""A new director sets the demo's study up in the browser, from the front door to sealed arms.

The pictures of docs/setting-up-a-study.md are taken on the way when DOCS_IMAGES is set: see CONTRIBUTING.md.
"""

import os
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone
from PIL import Image

from studies.actions import demo_design as declared
from studies.actions.demo_protocol import register_models
from studies.actions.demo_setup import LabClock
from studies.models import Allocation, Measurement, Study
from studies.terms import StudyState
from tests.people import PASSWORD, make_user
from tests.support.browser import next_page

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite_only]
IMAGES = Path(__file__).parents[2] / "docs" / "images"
CODE = "PDX-MEK-04"


class Hand:
    """What a person does at the page, counted: presses of a button, link or box, and fields filled in."""

    def __init__(self, page, assert_accessible):
        self.page, self.assert_accessible = page, assert_accessible
        self.clicks = self.fields = 0

    def press(self, name: str, role: str = "button", **where) -> None:
        """Press what leads on to another page."""
        self.clicks += 1
        with next_page(self.page):
            self.page.get_by_role(role, name=name, exact=True, **where).first.click()

    def tick(self, label: str, within=None) -> None:
        self.clicks += 1
        (within or self.page).get_by_label(label, exact=True).check()

    def fill(self, label: str, value: str, within=None) -> None:
        self.fields += 1
        (within or self.page).get_by_label(label, exact=True).first.fill(value)

    def choose(self, label: str, value: str, within=None) -> None:
        self.fields += 1
        (within or self.page).get_by_label(label, exact=True).first.select_option(label=value)

    def look(self, picture: str, *, whole: bool = False) -> None:
        """Listen to the page as it stands, and keep its picture, of all its height if `whole`, for the document."""
        self.page.wait_for_load_state("networkidle")
        self.assert_accessible()
        if os.environ.get("DOCS_IMAGES"):
            path = IMAGES / f"setup-{picture}.png"
            self.page.screenshot(path=path, animations="disabled", full_page=whole)
            Image.open(path).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


@pytest.fixture
def hand(page, assert_accessible):
    page.set_viewport_size({"width": 1080, "height": 760})
    return Hand(page, assert_accessible)


@pytest.fixture
def lab(transactional_db):
    """A director who is new here, a technician, a custodian, and the registry of the demo."""
    director = make_user("vera", full_name="Vera Stone", may_begin_studies=True)
    make_user("tom", full_name="Tom Reed")
    make_user("cora", full_name="Cora Lang")
    clock = LabClock("Europe/Amsterdam", date(2026, 3, 2))
    with transaction.atomic():
        register_models(director, clock, datetime(2026, 2, 1, 9, tzinfo=UTC))


def test_a_director_sets_the_demos_study_up_from_login_to_randomization(hand, lab, live_server):
    page = hand.page
    page.goto(f"{live_server.url}/")
    hand.fill("User name", "vera")
    hand.fill("Password", PASSWORD)
    hand.press("Sign in")
    hand.press("Studies", "link")
    hand.press("New study", "link")
    hand.fill("Code", CODE)
    hand.fill("Title", "MAP kinase inhibitors in six PDX models")
    hand.look("new")
    hand.press("Begin")
    protocol(hand)
    pdx_models(hand)
    arms(hand)
    mice(hand)
    hand.look("criteria")
    hand.press("Save and continue")
    plan(hand)
    blinding(hand)
    hand.look("review")
    hand.fill("Your user name", "vera")
    hand.fill("Your password", PASSWORD)
    hand.press("Sign and activate")
    page.get_by_text(f"{CODE} is active.").wait_for()
    hand.look("active")
    study = Study.objects.get(code=CODE)
    assert study.state == StudyState.ACTIVE
    assert (study.mice.count(), study.cages.count(), study.arms.count()) == (120, 24, 4)
    assert study.planned_pdx_models.count() == 6
    print(f"\nset up in {hand.clicks} clicks and {hand.fields} fields", end="")
    plan_baseline(hand)
    measure_baseline(study)
    page.goto(f"{live_server.url}/studies/{CODE}/")
    randomize(hand)
    first_dose(hand)
    later = [day for day in study.schedule_days if day > 0]
    assert study.sessions.filter(is_baseline=False).count() == len(later)
    print(f"; randomized after {hand.clicks} clicks and {hand.fields} fields in all")
    assert study.randomizations.get().allocations.count() == 120
    counts = Counter(Allocation.objects.filter(arm__study=study).values_list("arm__name", flat=True))
    assert set(counts.values()) == {30}


def plan_baseline(hand: Hand) -> None:
    """The form offers the baseline of today; nothing is to be filled in."""
    hand.press("Sessions and first dose", "link")
    hand.press("Plan this session")
    hand.page.get_by_text("is planned.").wait_for()


def first_dose(hand: Hand) -> None:
    hand.clicks += 1
    with next_page(hand.page):
        hand.page.locator(".back a").click()
    hand.press("Sessions and first dose", "link")
    hand.press("Set day 0")
    hand.page.get_by_text("further sessions are planned").wait_for()
    hand.look("sessions")


def measure_baseline(study: Study) -> None:
    """What technicians do at the cage meanwhile: every mouse read once, inside the window."""
    session, now = study.sessions.get(is_baseline=True), timezone.now()
    Measurement.objects.bulk_create(
        Measurement(
            session=session, mouse=mouse, length_mm=6.6 + place % 10 / 10, width_mm=6.2 + place % 7 / 10,
            volume_method="caliper", weight_g=20 + place % 9 / 2, observed_at=now, recorded_at=now,
        )
        for place, mouse in enumerate(study.mice.order_by("pk"))
    )  # fmt: skip


def randomize(hand: Hand) -> None:
    hand.press("Enrollment", "link")
    hand.look("enrollment")
    hand.press("Randomize 120 mice…")
    hand.look("randomize")
    hand.press("Randomize 120 mice")
    hand.page.get_by_text("120 mice are randomized, sealed and on record").wait_for()
    hand.look("balance")


def protocol(hand: Hand) -> None:
    hand.fill("Protocol number", "AVD-2026-114")
    hand.fill("Time zone", "Europe/Amsterdam")
    hand.look("protocol")
    hand.press("Save and continue")


def pdx_models(hand: Hand) -> None:
    for model in declared.DEMO_MODELS:
        hand.tick(model.code)
    hand.look("pdx-models")
    hand.press("Save and continue")


def arms(hand: Hand) -> None:
    page = hand.page
    blocks = page.locator("fieldset.arm")
    rows = (
        ("Vehicle", "vehicle", [("CMC with Tween 80", "", "twice daily (BID)")]),
        ("Binimetinib", "single agent", [("binimetinib", "10 mg/kg", "twice daily (BID)")]),
        ("HRX-0233", "single agent", [("HRX-0233", "30 mg/kg", "once daily (QD)")]),
        ("Binimetinib + HRX-0233", "combination", [("binimetinib",), ("HRX-0233",)]),
    )
    for place, (name, role, given) in enumerate(rows):
        block = blocks.nth(place)
        hand.fill("Arm", name, block)
        hand.choose("Role", role, block)
        hand.fill("Planned mice", "30", block)
        for n, agent in enumerate(given):
            line = block.locator(".agent-line").nth(n)
            hand.fill("Agent", agent[0], line)
            if len(agent) > 1:
                if agent[1]:
                    hand.fill("Dose", agent[1], line)
                hand.choose("Route", "oral", line)
                hand.choose("Schedule", agent[2], line)
            if place == 0:
                hand.fill("From day", "0", line)
                hand.fill("To day", "20", line)
    hand.look("arms")
    hand.press("Save and continue")


def mice(hand: Hand) -> None:
    hand.fill("Birth date", "2025-12-15")
    hand.fill("Implanted on", "2026-02-06")
    hand.look("mice")
    hand.press("Add these mice")
    hand.page.get_by_text("120 mice on record").wait_for()
    hand.press("Continue", "link")


def plan(hand: Hand) -> None:
    hand.choose("binimetinib is expected to slow more", "loss of function more sensitive")
    hand.choose("HRX-0233 is expected to slow more", "wild type more sensitive")
    hand.look("plan", whole=True)  # the effect to be shown and the sample size stand at its foot
    hand.press("Save and continue")


def blinding(hand: Hand) -> None:
    for role, person in (("Technician", "Tom Reed"), ("Allocation custodian", "Cora Lang")):
        hand.tick(person, hand.page.get_by_role("group", name=role, exact=True))
    hand.look("blinding")
    hand.press("Save and continue")
