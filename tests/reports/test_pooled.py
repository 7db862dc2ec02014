"""The pooled report of a blinded study: what describes all mice together, and not a byte that depends on the arms."""

from datetime import UTC, date, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from studies import triggers
from studies.actions.snapshots import take_snapshot
from studies.models import (
    Agent,
    Allocation,
    Amendment,
    ArmAgent,
    Deviation,
    Exclusion,
    Exit,
    Randomization,
    StoredReport,
    WelfareAlert,
)
from studies.reports import build
from studies.reports.build import report_files, report_sections
from studies.reports.pooled import analyze_pooled
from studies.reports.recorded import analyze_recorded
from studies.reports.sections.study import is_pooled
from studies.terms import ArmRole, ReportView, Role
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
READS = {
    Role.TECHNICIAN, Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE, Role.VETERINARIAN,
}  # fmt: skip


@pytest.fixture
def blinded(study, people):
    """An active study of six mice; arms, doses and free texts all name a canary, and tumors differ by arm."""
    arms = [make_arm(study, "canarywing"), make_arm(study, "canaryx", ArmRole.SINGLE_AGENT)]
    model = make_pdx_model("BR-101", "loss_of_function")
    mice = [make_mouse(study, f"M{n}", arms[n % 2], pdx_model=model) for n in range(6)]
    for day in (0, 4, 8):
        session = make_session(study, day)
        for n, mouse in enumerate(mice):
            make_measurement(session, mouse, length_mm=9 + n / 10 + day * (1 + n % 2) / 8)
    ArmAgent.objects.create(arm=arms[1], agent=Agent.objects.create(name="canarymab"), dose_mg_per_kg=77)
    study.analysis_plans.create(plan={"control": "canarywing"}, reason="canaryx first", locked_at=NOON)
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
    Exit.objects.create(mouse=mice[2], reason="tumor_size", day=8)
    WelfareAlert.objects.create(
        study=study, mouse=mice[2], session=session, rule="volume", level="red", value=1, limit=1,
        limits_version=0, message="1 mm3", raised_at=NOON,
    )  # fmt: skip
    return study


def files_of(study, person):
    return report_files(analyze_pooled(study, person, take_snapshot(study, ReportView.POOLED)), NOON)


def test_permuting_the_arms_changes_no_byte_and_no_arm_is_named(blinded, people, monkeypatch):
    monkeypatch.setattr(build, "to_png", lambda figure: b"")  # the same drawing as the SVG
    monkeypatch.setattr(build, "render_pdf", lambda html, made_at: html.encode())  # a function of just these
    before = files_of(blinded, people.study_director)
    arms = list(Allocation.objects.order_by("mouse").values_list("mouse", "arm"))
    with transaction.atomic():
        triggers.drop(connection)
        for (mouse, _), (_, arm) in zip(arms, arms[1:] + arms[:1], strict=True):
            Allocation.objects.filter(mouse=mouse).update(arm=arm)
        triggers.install(connection)
    assert list(Allocation.objects.order_by("mouse").values_list("mouse", "arm")) != arms
    after = files_of(blinded, people.study_director)
    assert before == after
    assert {"report.html", "report.pdf", "tables.xlsx", "figures/growth-curves.svg"} < set(before)
    told = b"".join(
        content for name, content in before.items() if name.endswith((".html", ".json", ".csv", ".txt"))
    )
    for hidden in (b"canary", b"77 mg", b"loss_of_function", b"loss of function"):
        assert hidden not in told, hidden


def test_it_describes_flow_quality_welfare_and_growth_and_compares_nothing(blinded, people):
    analyzed = analyze_pooled(blinded, people.veterinarian, take_snapshot(blinded, ReportView.POOLED))
    document = analyzed.document
    assert is_pooled(document) and [arm["arm"] for arm in document["arms"]] == ["all mice"]
    assert document["arms"][0]["n_mice"] == 5  # one is excluded
    assert document["record"]["welfare"] == [
        {"arm": "all mice", "rule": "volume", "level": "red", "n": 1, "n_mice": 1}
    ]
    sections = [section.id for section in report_sections(analyzed)]
    assert {"flow", "quality", "growth", "weight", "welfare"} < set(sections)
    assert not {"summary", "mixed-model", "tgi", "map2k4", "survival", "responses", "multiplicity"} & set(
        sections
    )
    assert not {"tgi", "mixed_model", "responses", "map2k4", "survival"} & set(document)


def test_only_those_who_read_the_measurements_get_it(blinded, people):
    snapshot = take_snapshot(blinded, ReportView.POOLED)
    from studies import access

    for role, person in people.by_role.items():
        assert (ReportView.POOLED in access.report_views(person, blinded)) == (role in READS), role
        if role not in READS:
            with pytest.raises(PermissionError):
                analyze_pooled(blinded, person, snapshot)
    for person in (people.outsider, people.superuser):
        assert access.report_views(person, blinded) == frozenset()


def test_the_road_by_arm_stays_closed_while_the_pooled_one_is_open(blinded, people):
    with pytest.raises(PermissionError, match="not open"):
        analyze_recorded(blinded, people.study_director)


def test_the_command_writes_it_only_where_it_is_asked_for_by_name(blinded, tmp_path):
    with pytest.raises(CommandError, match="not open"):
        call_command("report", blinded.code, json=tmp_path / "no.json")
    call_command("report", blinded.code, "--pooled", json=tmp_path / "all.json")
    assert "canary" not in (tmp_path / "all.json").read_text()


def test_another_randomized_mouse_supersedes_it_and_another_arm_does_not(blinded):
    before = take_snapshot(blinded, ReportView.POOLED).sha256
    make_arm(blinded, "third")
    assert take_snapshot(blinded, ReportView.POOLED).sha256 == before
    Allocation.objects.create(mouse=make_mouse(blinded, "M9"), arm=blinded.arms.first())
    assert take_snapshot(blinded, ReportView.POOLED).sha256 != before
    assert not StoredReport.objects.exists()
