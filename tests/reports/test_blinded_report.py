"""The report made for a statistician between lock and unblinding names no arm, in any of its files."""

import json
import random
from datetime import UTC, date, datetime

import pytest
from django.db import transaction

from studies.actions.blinding import draw_masks
from studies.exports import long_csv
from studies.models import Agent, Amendment, ArmAgent, Deviation, Exclusion, Randomization, Reveal, Study
from studies.reports.build import report_sections
from studies.reports.headless import json_document
from studies.reports.json_text import dumps
from studies.reports.recorded import analyze_recorded
from studies.reports.render_html import render_html
from studies.reports.sections.methods import paragraphs
from studies.reports.sheets import sheets_of
from studies.terms import ArmRole, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_session

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def telling(study, people):
    """A study whose every free text names an arm."""
    arms = [make_arm(study, "canarywing"), make_arm(study, "canaryx", ArmRole.SINGLE_AGENT)]
    mice = [make_mouse(study, f"M{n}", arms[n % 2]) for n in range(6)]
    for day in (0, 4, 8):
        session = make_session(study, day)
        for n, mouse in enumerate(mice):
            make_measurement(session, mouse, length_mm=8 + n / 10 + day * (1 + n % 2) / 8)
    ArmAgent.objects.create(arm=arms[1], agent=Agent.objects.create(name="canarymab"), dose_mg_per_kg=77)
    plan = {"control": "canarywing", "primary": {"estimand": "slope", "contrast": "canaryx"},
            "exclusions": [{"mouse": "M0", "reason": "canaryx spilled"}]}  # fmt: skip
    study.analysis_plans.create(plan=plan, reason="canaryx first", locked_at=NOON)
    by = {"made_by": people.study_director, "made_at": NOON}
    Amendment.objects.create(
        study=study, number=1, what="canaryx daily", reason="canary", in_force_from=date(2026, 6, 1), **by
    )
    Deviation.objects.create(
        study=study, number=1, what="canaryx twice", impact="minor", happened_on=date(2026, 6, 1),
        recorded_by=people.study_director, recorded_at=NOON,
    )  # fmt: skip
    Randomization.objects.create(
        study=study, method="balanced_exchange", seed="canaryseed", algorithm_version="1", code_version="1",
        ordered_input=[{"mouse": "M0"}], input_sha256="0" * 64, **by,
    )  # fmt: skip
    Exclusion.objects.create(mouse=mice[1], reason="canary bite", excluded_at=NOON)
    Reveal.objects.create(
        study=study, mouse=mice[3], reason="canary seizures", revealed_to=people.veterinarian,
        revealed_at=NOON, notified=people.study_director,
    )  # fmt: skip
    return study


def everything(analyzed) -> str:
    """All the text of a report's folder; figures draw the same rows."""
    sections = report_sections(analyzed)
    table = analyzed.table
    return "\n".join(
        [
            render_html("report", [], sections, {}, NOON),
            dumps(json_document([analyzed])),
            json.dumps(sheets_of(analyzed.document), default=str),
            "\n".join(paragraphs(analyzed.document)),
            long_csv(list(table.columns), table.to_dict("records")).decode("utf-8-sig"),
        ]
    )


def test_a_masked_report_names_no_arm_agent_dose_or_seed(telling, people):
    Study.objects.filter(pk=telling.pk).update(state=StudyState.DATA_LOCKED)
    telling.refresh_from_db()
    with transaction.atomic():
        draw_masks(telling, actor=None, at=NOON, rng=random.Random(1))
    text = everything(analyze_recorded(telling, people.statistician, control="B"))
    assert "canary" not in text.lower() and "77 mg" not in text
    assert "withheld while arms" in text
    assert "1 emergency unblinding took place" in text


def test_the_same_report_unblinded_tells_them_all(telling, people):
    Study.objects.filter(pk=telling.pk).update(state=StudyState.UNBLINDED)
    telling.refresh_from_db()
    analyzed = analyze_recorded(telling, people.statistician)
    text = everything(analyzed)
    for told in (
        "canarywing",
        "canarymab 77 mg/kg",
        "canaryseed",
        "canaryx twice",
        "canary seizures",
        "a_veterinarian",
        "canaryx daily",
        "canary bite",
    ):
        assert told in text, told
    record = analyzed.document["record"]
    assert record["chains"][0]["head"] and len(record["snapshot_sha256"]) == 64
    assert record["plan"]["planned"]["primary"]["contrast"] == "canaryx"
