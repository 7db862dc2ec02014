"""What the journeys at the cage share: a sheet due where it is noon, and hands that type."""

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from studies.days import local_date
from studies.models import Cage, Measurement, MeasurementSession, Study
from studies.terms import Role
from tests.factories import make_measurement, make_mouse, make_study
from tests.people import join, make_user

STUDY = "PDX-CAGE-01"
POSTS = "**/api/v1/sessions/*/measurements"
TYPED = ("11.2", "8.4", "22.5")
ROW = (11.2, 8.4, 22.5, "measured")  # how it is then stored


def where_it_is_noon() -> str:
    """A zone in which a reading taken now raises no question about the day it belongs to."""
    behind = timezone.now().hour - 12
    return f"Etc/GMT{behind:+d}" if behind else "Etc/GMT"


def make_sheet(n_mice: int) -> tuple[MeasurementSession, Study]:
    """A session due today; a week ago tess measured every mouse of it at 10 x 8 mm and 22 g."""
    study = make_study(STUDY, time_zone=where_it_is_noon())
    tess = join(make_user("tess"), study, Role.TECHNICIAN)
    today = local_date(timezone.now(), study.time_zone)
    before = MeasurementSession.objects.create(
        study=study, due_on=today - timedelta(days=7), is_baseline=True
    )
    session = MeasurementSession.objects.create(study=study, due_on=today)
    cages = [Cage.objects.create(study=study, code=f"C{number:02}") for number in range(1, n_mice // 5 + 2)]
    for number in range(1, n_mice + 1):
        mouse = make_mouse(
            study,
            f"M{number:03}",
            cage=cages[(number - 1) // 5],
            ear_tag=str(number),
            rfid=f"98514100{number:07}",
        )
        taken = timezone.now() - timedelta(days=7)
        make_measurement(before, mouse, observer=tess, observed_at=taken, recorded_at=taken)
    return session, study


@pytest.fixture
def sheet(transactional_db, live_server, page, sign_in):
    """The open sheet of six mice, ready to work without a network, tess being signed in."""
    session, study = make_sheet(6)
    sign_in(study.memberships.get().user)
    open_sheet(page, live_server, session)
    return session


def open_sheet(page, live_server, session) -> None:
    page.goto(f"{live_server.url}/entry/sessions/{session.pk}/")
    page.wait_for_selector("html[data-ready][data-offline=ready]")


def enter(page, *texts: str) -> None:
    for text in texts:
        page.keyboard.type(text)
        page.keyboard.press("Enter")


def device(page, *lines: str, end: str = "Enter") -> None:
    """What a device that acts as a keyboard writes: a key a millisecond, however slow this machine is."""
    page.evaluate(
        """([lines, end]) => {
            let at = performance.now();
            const press = (key) => {
                const target = document.activeElement;
                const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
                Object.defineProperty(event, "timeStamp", { value: at++ });
                const goes = target.dispatchEvent(event);
                if (goes && key.length === 1) document.execCommand("insertText", false, key);
                if (goes && key === "Enter") target.matches("button") ? target.click() : target.form?.requestSubmit();
            };
            for (const line of lines) [...line, ...(end ? [end] : [])].forEach(press);
        }""",
        [lines, end],
    )


def open_row(page, label: str) -> None:
    page.locator(f'[data-mouse="{STUDY}/{label}"]').click()


def expect_field(page, label: str, name: str = "length_mm"):
    """What the field of a mouse shows, once it does."""
    return expect(page.locator(f'[data-mouse="{STUDY}/{label}"] [data-field={name}]'))


def wait_until_all_is_stored(page) -> None:
    page.wait_for_selector('[data-unsent="0"]')


def wait_for_unsent(page, rows: int, words: str = "") -> None:
    page.locator(f'[data-unsent="{rows}"]', has_text=words).wait_for()


def stored(session) -> dict[str, tuple]:
    """Current readings by mouse; every reading is asserted to stand there once."""
    rows = Measurement.objects.valid().filter(session=session).select_related("mouse")
    found = {row.mouse.label: (row.length_mm, row.width_mm, row.weight_g, row.status) for row in rows}
    assert len(found) == len(rows)
    return found
