"""The study page's charts as a director uses them: small multiples, means with bars, one mouse, both scales, tables."""

import pytest
from playwright.sync_api import expect

from studies.models import Agent, ArmAgent, Exit, WelfareLimits
from studies.terms import ArmRole, BiomarkerStatus
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running(people):
    """An open study that runs: two arms in a PDX model of each status, two mice each; one left, four near the cap."""
    study = people.study
    study.is_blinded, study.schedule_days = False, [0, 7, 14, 21]
    study.save()
    WelfareLimits.objects.create(study=study, volume_cap_mm3=460, reason="protocol")
    arms = make_arm(study), make_arm(study, "binimetinib", ArmRole.SINGLE_AGENT)
    ArmAgent.objects.create(
        arm=arms[1], agent=Agent.objects.create(name="binimetinib"), first_day=0, last_day=14
    )
    models = [
        make_pdx_model("P-LOF", BiomarkerStatus.LOSS_OF_FUNCTION),
        make_pdx_model("P-WT", BiomarkerStatus.WILD_TYPE),
    ]
    mice = [make_mouse(study, f"M{n}", arms[n % 2], pdx_model=models[n // 4]) for n in range(8)]
    for day in (0, 7, 14):
        session = make_session(study, day)
        for n, mouse in enumerate(mice):
            make_measurement(
                session, mouse, length_mm=9 + n / 5 + day / (4 + 4 * (n % 2)), weight_g=22 - day * n / 60
            )
    Exit.objects.create(mouse=mice[7], reason="clinical_signs", day=14)
    return study


def picture(page, at: int = 0) -> str:
    """What the chart's canvas shows."""
    return page.locator("#volume-plot canvas").nth(at).evaluate("canvas => canvas.toDataURL()")


def test_the_charts_do_what_the_desk_is_for(running, people, page, live_server, sign_in, assert_accessible):
    sign_in(people.study_director)
    page.goto(f"{live_server.url}/studies/{running.code}/")
    page.wait_for_selector("[data-drawn=yes]")
    panels = page.locator("#volume-plot .panel-title")
    assert panels.all_inner_texts() == ["MAP2K4 loss of function n = 4", "MAP2K4 wild type n = 4"]
    expect(page.locator("#forecast")).to_have_text(
        "Forecast: 4 mice reach the cap within 7 days of day 14, "
        "4 by the last measurement on day 21 (log-linear, last 3 visits)."
    )

    page.get_by_role("button", name="By arm and MAP2K4").click()
    assert panels.all_inner_texts() == [
        "vehicle, MAP2K4 loss of function n = 2", "binimetinib, MAP2K4 loss of function n = 2",
        "vehicle, MAP2K4 wild type n = 2", "binimetinib, MAP2K4 wild type n = 2",
    ]  # fmt: skip
    assert_accessible()

    page.get_by_role("button", name="Together").click()
    linear = picture(page)
    page.get_by_role("button", name="Log").click()
    assert picture(page) != linear
    page.get_by_role("button", name="Linear").click()
    resting = picture(page)
    box = page.locator("#volume-plot .u-over").bounding_box()
    for place in range(4, 20):  # until a curve is near
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * place / 20)
        if "·" in page.locator("#readout").inner_text():
            break
    assert (
        "mm³" in page.locator("#readout").inner_text() and "M" in page.locator("#readout strong").inner_text()
    )
    assert picture(page) != resting  # the others are dimmed
    page.mouse.move(0, 0)

    page.get_by_role("button", name="Means").click()
    assert "standard error of the mean" in page.locator("#readout").inner_text()
    assert picture(page) != resting
    page.locator("summary", has_text="The means as a table").click()
    assert (
        page.locator("#mean-table th").last.inner_text() != ""
        and "SEM" in page.locator("#mean-table thead").inner_text()
    )
    page.locator("summary", has_text="The weights as a table").click()
    rows = page.locator("#weight-table tbody tr")
    rows.last.wait_for()
    assert rows.count() == 8 and rows.nth(6).locator("td").nth(4).inner_text() == "−6.4"
    assert_accessible()
