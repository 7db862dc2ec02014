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


# What was drawn last on a chart's canvas: rectangles filled, and crosses by their middles, in pixels from its corner.
REMEMBER_WHAT_IS_DRAWN = """
    const of = (context) => (context.canvas.drawn ??= { bars: [], crosses: [], path: [] });
    const watch = (name, note) => {
      const draw = CanvasRenderingContext2D.prototype[name];
      CanvasRenderingContext2D.prototype[name] = function (...given) {
        note(of(this), given, this);
        return draw.apply(this, given);
      };
    };
    watch("clearRect", (drawn) => Object.assign(drawn, { bars: [], crosses: [], path: [] }));
    watch("beginPath", (drawn) => (drawn.path = []));
    for (const name of ["moveTo", "lineTo"]) watch(name, (drawn, place) => drawn.path.push(place));
    watch("fillRect", (drawn, [x, y, width]) => drawn.bars.push([x, y, width]));
    watch("stroke", (drawn) => {
      const [a, b, c, d] = drawn.path;
      if (drawn.path.length === 4 && a[0] !== b[0] && a[1] !== b[1] && c[0] === b[0] && c[1] === a[1])
        drawn.crosses.push([(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
    });
"""
DRAWN = """canvases => canvases.map(canvas => {
    const place = canvas.parentElement.querySelector(".u-over").getBoundingClientRect();
    const corner = canvas.getBoundingClientRect();
    const { bars, crosses } = canvas.drawn;
    return { bars, crosses, left: place.left - corner.left, top: place.top - corner.top, width: place.width };
})"""


def picture(page) -> str:
    """What the chart's canvas shows."""
    return page.locator("#volume-plot canvas").first.evaluate("canvas => canvas.toDataURL()")


def wait_for_another_picture(page, than: str) -> None:
    page.evaluate(
        """async (than) => {
            const shown = () => document.querySelector("#volume-plot canvas").toDataURL();
            while (shown() === than) await new Promise(requestAnimationFrame);
        }""",
        than,
    )


def let_it_draw(page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_the_charts_do_what_the_desk_is_for(running, people, page, live_server, sign_in, assert_accessible):
    sign_in(people.study_director)
    page.goto(f"{live_server.url}/studies/{running.code}/")
    page.wait_for_selector("[data-drawn=yes]")
    panels = page.locator("#volume-plot .panel-title")
    expect(panels).to_have_text(["MAP2K4 loss of function n = 4", "MAP2K4 wild type n = 4"])
    expect(page.locator("#forecast")).to_have_text(
        "Forecast: 4 mice reach the cap within 7 days of day 14, "
        "4 by the last measurement on day 21 (log-linear, last 3 visits)."
    )

    page.get_by_role("button", name="By arm and MAP2K4").click()
    expect(panels).to_have_text([
        "vehicle, MAP2K4 loss of function n = 2", "binimetinib, MAP2K4 loss of function n = 2",
        "vehicle, MAP2K4 wild type n = 2", "binimetinib, MAP2K4 wild type n = 2",
    ])  # fmt: skip
    assert_accessible()

    page.get_by_role("button", name="Together").click()
    expect(panels).to_have_count(0)
    let_it_draw(page)
    linear = picture(page)
    page.get_by_role("button", name="Log").click()
    wait_for_another_picture(page, linear)
    page.get_by_role("button", name="Linear").click()
    expect(page.get_by_role("button", name="Linear")).to_have_attribute("aria-pressed", "true")
    let_it_draw(page)
    resting = picture(page)
    box = page.locator("#volume-plot .u-over").bounding_box()
    for place in range(4, 20):  # until a curve is near
        page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * place / 20)
        let_it_draw(page)
        if "·" in page.locator("#readout").inner_text():
            break
    expect(page.locator("#readout")).to_contain_text("mm³")
    expect(page.locator("#readout strong")).to_contain_text("M")
    wait_for_another_picture(page, resting)  # the others are dimmed
    page.mouse.move(0, 0)

    page.get_by_role("button", name="Means").click()
    expect(page.locator("#readout")).to_contain_text("standard error of the mean")
    wait_for_another_picture(page, resting)
    page.locator("summary", has_text="The means as a table").click()
    expect(page.locator("#mean-table thead")).to_contain_text("SEM")
    expect(page.locator("#mean-table th").last).not_to_be_empty()
    page.locator("summary", has_text="The weights as a table").click()
    rows = page.locator("#weight-table tbody tr")
    expect(rows).to_have_count(8)
    expect(rows.nth(6).locator("td").nth(4)).to_have_text("−6.4")
    assert_accessible()


def test_dosing_is_a_bar_over_its_days_and_a_cross_ends_the_curve_of_who_left_early(
    running, people, page, live_server, sign_in
):
    ArmAgent.objects.update(last_day=7)
    Exit.objects.create(mouse=running.mice.get(label="M0"), reason="scheduled_end", day=14)
    sign_in(people.study_director)
    page.add_init_script(REMEMBER_WHAT_IS_DRAWN)
    page.goto(f"{live_server.url}/studies/{running.code}/")
    page.wait_for_selector("[data-drawn=yes]")
    let_it_draw(page)
    charts = page.locator("#volume-plot canvas").evaluate_all(DRAWN)
    assert len(charts) == 2
    for chart in charts:  # from day 0 to day 7 of the 14 shown
        [bar] = chart["bars"]
        assert bar == pytest.approx([chart["left"], chart["top"], chart["width"] / 2], abs=1)
    loss, wild = charts
    assert loss["crosses"] == []
    [[across, _]] = wild["crosses"]
    assert across == pytest.approx(wild["left"] + wild["width"], abs=1)
    assert page.locator("#weight-plot canvas").evaluate_all(DRAWN)[0]["bars"] == []
