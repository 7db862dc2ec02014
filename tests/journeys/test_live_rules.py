"""The browser asks what the server will ask: the live rules of one row, case by case, in a real browser."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product
from random import Random

from playwright.sync_api import expect

from studies.entry.sheet import last_visit
from studies.terms import Role
from studies.validation import (
    RULES,
    Limits,
    MouseFacts,
    Row,
    SheetFacts,
    Visit,
    day_number,
    judge,
    limits_json,
    read_number,
    volume_of,
)
from studies.volumes import FORMULAS
from tests.api.generated_sheets import EDGE_LENGTHS, EDGE_WEIGHTS, EDGE_WIDTHS, JUNK, draw_row
from tests.journeys.cage import (
    enter,
    expect_field,
    make_sheet,
    open_row,
    open_sheet,
    sheet,
    stored,
    wait_until_all_is_stored,
)
from tests.people import join, make_user

__all__ = ["sheet"]

D = Decimal
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
TODAY = day_number(NOW, "UTC")
NUMBERS = {"R1", "R2", "R3"}
LIVE = {"R4", "R5", "R6", "R7", "R8", "R9", "R10", "R11", "R12", "R13", "R14"}
# What needs other rows, people, devices, days or the record is the server's to ask; the sheet lists its questions.
SERVERS = {f"R{number}" for number in range(15, 31)}
LIMITS = replace(Limits(), strain_weights_g={"NSG|female": (D("16"), D("30"))})
LOOK = """async ([cases, limits, where]) => {
    const { look } = await import(where + "rules.js");
    const { readNumber } = await import(where + "numbers.js");
    return cases.map(({ typed, status, last, formula, others }) => {
        const pairs = Object.entries(typed).map(([field, text]) => [field, readNumber(field, text ?? "")]);
        const read = Object.fromEntries(pairs);
        const error = Object.keys(read).filter((field) => read[field].error);
        if (error.length) return { error };
        const values = Object.fromEntries(Object.entries(read).map(([field, one]) => [field, one.value ?? null]));
        const found = look({ ...values, status }, last, limits, formula, others);
        return { found: found.map(({ rule, severity }) => `${rule} ${severity}`) };
    });
}"""


def histories() -> list[MouseFacts]:
    """Mice of every past that matters: none, small, large, nothing palpable, one weight, several."""
    sizes = [None, ("10", "8"), ("4.5", "4"), ("24", "17"), ("12", "11.9"), (None, None)]
    weights = [(), ("22",), ("22", "24.5", "21.1"), ("31",)]
    found = []
    for size, grams, days in product(sizes, weights, (1, 3, 7)):
        visits = ()
        if size is not None:
            length, width = (one and D(one) for one in size)
            volume = volume_of(length, width) if length else D(0)
            visits = (Visit(TODAY - days, length, width, volume, D(grams[-1]) if grams else None),)
        dated = tuple(
            (TODAY - days - 3 * back, D(one)) for back, one in reversed(list(enumerate(reversed(grams))))
        )
        found.append(MouseFacts("M1", visits=visits, weights=dated, strain="NSG", sex="female" if days == 3 else "male",
                                baseline_weight_g=D(grams[0]) if grams else None))  # fmt: skip
    return found


def cases(n: int, rng: Random) -> list[tuple[dict, str, MouseFacts, str]]:
    """(what is typed, status, mouse, formula), as odd as the generated sheets are."""
    found = []
    mice, formulas = histories(), list(FORMULAS)
    while len(found) < n:
        row = draw_row(rng)
        typed = {"length_mm": row["length"], "width_mm": row["width"], "weight_g": row["weight"]}
        if not all(text is None or isinstance(text, str) for text in typed.values()):
            continue
        status = "not_palpable" if rng.random() < 0.15 else "measured"
        if status == "not_palpable":
            typed |= {"length_mm": None, "width_mm": None}
        elif not (typed["length_mm"] and typed["width_mm"]):
            continue  # a blank is a code or nothing, which the sheet settles before it looks
        mouse = rng.choice(mice)
        if rng.random() < 0.3:
            mouse = replace(mouse, other_tumors_mm3=D("1200"))
        found.append((typed, status, mouse, rng.choice(formulas)))
    return found


def server_says(typed: dict, status: str, mouse: MouseFacts, formula: str) -> dict:
    row = Row("M1", observed_at=NOW, status=status, **typed)
    (verdict,) = judge([(row, mouse)], SheetFacts(("M1",), LIMITS, formula), NOW)
    if fields := sorted({one.field for one in verdict.findings if one.rule in NUMBERS}):
        return {"error": fields}
    return {"found": sorted(f"{one.rule} {one.severity}" for one in verdict.findings if one.rule in LIVE)}


def test_every_rule_is_asked_live_or_is_the_servers():
    assert {rule.id for rule in RULES} == NUMBERS | LIVE | SERVERS


def test_the_browser_asks_what_the_server_asks(page, live_server, transactional_db):
    drawn = cases(1500, Random(30))
    sent = [
        {
            "typed": typed,
            "status": status,
            "last": last_visit(mouse, TODAY, LIMITS),
            "formula": formula,
            "others": {"mm3": float(mouse.other_tumors_mm3), "weight_g": None},
        }
        for typed, status, mouse, formula in drawn
    ]
    page.goto(f"{live_server.url}/accounts/login/")
    where = f"{live_server.url}/static/studies/js/entry/"
    answers = page.evaluate(LOOK, [sent, limits_json(LIMITS)["limits"], where])
    told = set()
    for case, answer in zip(drawn, answers, strict=True):
        expected = server_says(*case)
        found = {name: sorted(rules) for name, rules in answer.items()}
        assert found == expected, case
        told |= {rule.split()[0] for rule in expected.get("found", ())}
    assert told == LIVE  # every rule spoke up at least once


def test_the_browser_reads_numbers_as_the_server_does(page, live_server, transactional_db):
    texts = [text for text in [*JUNK, *EDGE_LENGTHS, *EDGE_WIDTHS, *EDGE_WEIGHTS, "12,34 mm", "22.4 g", "12.34 in"]
             if isinstance(text, str)]  # fmt: skip
    page.goto(f"{live_server.url}/accounts/login/")
    read = page.evaluate(
        """async ([texts, where]) => {
            const { readNumber } = await import(where + "numbers.js");
            return texts.map((text) => ["length_mm", "weight_g"].map((field) => readNumber(field, text)));
        }""",
        [texts, f"{live_server.url}/static/studies/js/entry/"],
    )
    for text, pair in zip(texts, read, strict=True):
        for field, mine in zip(("length_mm", "weight_g"), pair, strict=True):
            theirs = read_number(field, text)
            assert bool(mine.get("error")) == bool(theirs.findings), (field, text)
            assert bool(mine.get("blank")) == theirs.is_blank, (field, text)
            assert theirs.value is None or D(mine["value"]) == theirs.value


def test_not_palpable_after_a_palpable_tumor_is_asked_about_at_once(page, sheet):
    """A week after 320 mm³ nothing is felt: possible. A day after, it is looked at again."""
    sheet.study.sessions.filter(is_baseline=True).update(due_on=sheet.due_on - timedelta(days=1))
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.route("**/api/v1/**", lambda route: route.abort())  # the network plays no part in it
    open_row(page, "M001")
    enter(page, "0", "22.1")
    expect(page.locator(".row-questions")).to_contain_text("not palpable, after 320 mm³")
    page.unroute("**/api/v1/**")
    page.keyboard.press("Enter")
    wait_until_all_is_stored(page)
    assert stored(sheet) == {"M001": (None, None, 22.1, "not_palpable")}
    assert [one["rule"] for one in sheet.measurements.get().confirmations] == ["R8"]


def test_what_only_the_server_can_ask_is_listed_and_answered_once(
    page, live_server, transactional_db, sign_in
):
    """R27: another observer than at baseline, asked of the first row and answered for the sheet."""
    session, study = make_sheet(6)
    sign_in(join(make_user("theo"), study, Role.TECHNICIAN))
    open_sheet(page, live_server, session)
    open_row(page, "M001")
    enter(page, "11.2", "8.4", "22.5", "10.9", "8.1", "21.9")
    trouble = page.locator(".troubles li", has_text="M001")
    expect(trouble).to_contain_text("tess measured this mouse at baseline")
    trouble.get_by_role("button", name="Right, for the whole sheet").click()
    wait_until_all_is_stored(page)
    expect_field(page, "M003").to_be_focused()
    enter(page, "11.3", "8.2", "22.0")  # the third is not asked again
    wait_until_all_is_stored(page)
    assert len(stored(session)) == 3
