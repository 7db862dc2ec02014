"""A director builds a report from the page, watches it come, and opens the PDF; the desk's new pages are sound."""

import threading
from io import BytesIO
from types import SimpleNamespace

import pytest
from django.db import connection
from playwright.sync_api import expect
from pypdf import PdfReader

from studies.actions.jobs import Progress, run_job
from studies.models import Job, WelfareLimits
from studies.terms import ArmRole, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session
from tests.support.browser import next_page

pytestmark = pytest.mark.django_db(transaction=True)


HELD = ("Analyzing", "Drawing", "Setting the PDF")


@pytest.fixture
def opened(people):
    """An unblinded study of four mice in two arms on three days."""
    study = people.study
    WelfareLimits.objects.create(study=study, volume_cap_mm3=400, reason="protocol")
    arms = make_arm(study), make_arm(study, "binimetinib", ArmRole.SINGLE_AGENT)
    mice = [make_mouse(study, f"M{n}", arms[n % 2], pdx_model=make_pdx_model()) for n in range(4)]
    for day in (0, 7, 14):
        session = make_session(study, day)
        for n, mouse in enumerate(mice):
            make_measurement(session, mouse, length_mm=9.0 + n / 5 + day / (3 + 4 * (n % 2)))
    study.state = StudyState.UNBLINDED
    study.save()
    return study


@pytest.fixture
def worker(monkeypatch):
    """Takes up the first job in a thread once `worker.set()` lets it; a held step waits until the page has shown it."""
    go, seen = threading.Event(), {words: threading.Event() for words in HELD}
    step = Progress.step

    def seen_step(self, name, percent):
        step(self, name, percent)
        for words, shown in seen.items():
            if name.startswith(words):
                shown.wait(60)

    def work() -> None:
        go.wait(60)
        try:
            for key in Job.objects.values_list("pk", flat=True):
                run_job(key)
        finally:
            connection.close()

    monkeypatch.setattr(Progress, "step", seen_step)
    thread = threading.Thread(target=work)
    thread.start()
    yield SimpleNamespace(set=go.set, seen=seen)
    go.set()
    for shown in seen.values():
        shown.set()
    thread.join(120)


def test_a_report_is_asked_for_followed_and_opened(
    opened, people, page, live_server, sign_in, assert_accessible, worker
):
    sign_in(people.study_director)
    page.goto(f"{live_server.url}/studies/{opened.code}/")
    page.get_by_role("link", name="Reports").click()
    page.get_by_role("button", name="Build a report").click()
    page.get_by_text("No worker is running").wait_for()
    assert_accessible()
    worker.set()
    for step, shown in worker.seen.items():
        page.get_by_text(step).first.wait_for(timeout=60_000)
        shown.set()
    row = page.get_by_role("row").filter(has_text="as they are now")
    row.wait_for(timeout=120_000)
    assert_accessible()
    with next_page(page):
        row.get_by_role("link").click()
    assert_accessible()
    address = page.get_by_role("link", name="PDF").get_attribute("href")
    pdf = page.request.get(live_server.url + address)
    assert pdf.headers["content-type"] == "application/pdf"
    assert opened.code in PdfReader(BytesIO(pdf.body())).pages[0].extract_text()
    with next_page(page):
        page.get_by_role("link", name="Read it here").click()
    assert page.get_by_role("heading", level=1).inner_text().endswith(opened.code)
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_the_desk_tells_its_four_answers_and_shows_means_crosses_and_responses(
    opened, people, page, live_server, sign_in, assert_accessible, width, scheme
):
    heard = []
    page.on(
        "console",
        lambda message: heard.append(message.text) if message.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(people.study_director)
    page.goto(f"{live_server.url}/studies/{opened.code}/")
    page.wait_for_selector("[data-drawn=yes]")
    expect(page.locator("#trouble")).to_contain_text("at or over the cap of 400 mm³")
    page.get_by_role("button", name="Means").click()
    for summary in ("The curves as a table", "The means as a table", "Operators"):
        page.locator("summary", has_text=summary).click()
    page.get_by_role("cell", name="binimetinib").first.wait_for()
    means = page.locator("#mean-table tbody tr")
    expect(means).to_have_count(6)
    expect(means.first.locator("td").nth(2)).to_have_text("2")
    page.locator("#operator-table tbody tr").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert_accessible()
    for address in ("/portfolio/", "/pdx-models/BR-101/"):
        page.goto(live_server.url + address, wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert_accessible()
    page.locator("[data-part]").scroll_into_view_if_needed()
    page.locator("[data-filled=yes] .heatmap").wait_for()
    assert_accessible()
    assert heard == []
