"""Reports kept: of one snapshot once, by view, superseded when data change, released by signature."""

from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from studies import access, triggers
from studies.actions import jobs, snapshots
from studies.actions.blinding import draw_masks
from studies.actions.jobs import JobRefused, cancel_job, run_job
from studies.actions.sign import Signer, SigningRefused
from studies.actions.snapshots import take_snapshot
from studies.actions.stored_reports import is_superseded, release_of, release_report, store_report
from studies.models import (
    Agent,
    AgentLot,
    Allocation,
    ArmAgent,
    AuditEvent,
    Cohort,
    Dose,
    Exclusion,
    Formulation,
    GenotypeCall,
    Job,
    Mouse,
    ReportFile,
    StoredReport,
    Study,
)
from studies.reports import build, recorded, stored
from studies.reports.stamp import stamp
from studies.reports.stored import ask_for_report
from studies.terms import ArmRole, ReportView, Role, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def opened(people):
    """An unblinded study of two mice, one an arm."""
    study = people.study
    arms = make_arm(study), make_arm(study, "drug", ArmRole.SINGLE_AGENT)
    mice = [make_mouse(study, f"M{n}", arm) for n, arm in enumerate(arms)]
    session = make_session(study)
    for mouse in mice:
        make_measurement(session, mouse)
    study.state = StudyState.UNBLINDED
    study.save()
    return study


@pytest.fixture
def quick(monkeypatch):
    """Reports of two small files, without an analysis; `quick.readings` counts how often the record was read."""
    from types import SimpleNamespace

    from studies.reports import pooled, recorded

    seen = SimpleNamespace(readings=0, while_reading=lambda: None)

    def analyze(study, viewer, snapshot, tell):
        seen.readings += 1
        seen.while_reading()

    monkeypatch.setattr(recorded, "analyze_recorded", analyze)
    monkeypatch.setattr(pooled, "analyze_pooled", analyze)
    monkeypatch.setattr(
        build, "report_files", lambda analyzed, made_at, tell: {"report.html": b"<p>x", "report.pdf": b"%PDF"}
    )
    return seen


def build_one(study, person) -> StoredReport:
    job = ask_for_report(study, person, NOON)
    run_job(job.pk)
    job = Job.objects.get(pk=job.pk)
    assert job.state == "done", job.message
    return StoredReport.objects.get(pk=int(job.message))


def test_one_snapshot_is_built_once_for_everyone_of_the_same_view(opened, people, quick):
    report = build_one(opened, people.study_director)
    assert ask_for_report(opened, people.statistician, NOON) == report
    assert quick.readings == 1 and StoredReport.objects.count() == 1
    (file,) = report.files.filter(name="report.pdf")
    assert bytes(file.content) == b"%PDF" and file.size == 4
    event = AuditEvent.objects.get(action="stored a report")
    assert (
        event.new["files"]["report.pdf"] == file.sha256
        and event.new["snapshot_sha256"] == report.snapshot_sha256
    )
    assert report.chain_count < event.sequence


def test_any_change_of_what_a_report_rests_on_supersedes_it(opened, people, quick):
    report = build_one(opened, people.study_director)
    assert not is_superseded(report)
    GenotypeCall.objects.create(pdx_model=opened.mice.first().pdx_model, functional_class="wild_type")
    assert is_superseded(report)
    other = build_one(opened, people.study_director)
    assert other != report and not is_superseded(other)
    make_measurement(make_session(opened, 7), opened.mice.first())
    assert is_superseded(other)


def test_archiving_supersedes_nothing(opened, people, quick):
    report = build_one(opened, people.study_director)
    opened.state = StudyState.ARCHIVED
    opened.save()
    assert not is_superseded(report)


def test_a_reading_that_comes_in_while_the_record_is_read_makes_it_read_again(opened, people, quick):
    days = iter([7])

    def while_reading():
        for day in days:
            make_measurement(make_session(opened, day), opened.mice.first())

    quick.while_reading = while_reading
    report = build_one(opened, people.study_director)
    assert quick.readings == 2 and not is_superseded(report)


def test_nobody_builds_a_report_by_arm_of_a_blinded_study(study, people):
    for name, person in people.everyone().items():
        if access.may_see_measurements(person, study):
            assert ask_for_report(study, person, NOON).view == ReportView.POOLED, name
            continue
        with pytest.raises(JobRefused, match="closed to you"):
            ask_for_report(study, person, NOON)
    assert set(Job.objects.values_list("view", flat=True)) == {ReportView.POOLED}


def test_a_pooled_report_is_kept_apart_from_the_one_by_arm_and_released_to_nobody(opened, people, quick):
    opened.state = StudyState.ACTIVE
    opened.save()
    pooled = build_one(opened, people.study_director)
    assert pooled.view == ReportView.POOLED and ask_for_report(opened, people.statistician, NOON) == pooled
    for role, person in people.by_role.items():
        assert (pooled in access.reports_of(person, opened)) == (role in access.SCIENCE_READERS), role
    opened.state = StudyState.UNBLINDED
    opened.save()
    assert build_one(opened, people.study_director).view == ReportView.OPEN
    assert pooled in access.reports_of(people.study_director, opened)
    with pytest.raises(SigningRefused, match="arms by name"):
        release_report(pooled, Signer(people.study_director, NOON), "For the sponsor.")


def test_a_report_asked_for_before_the_view_changed_is_not_built(opened, people, quick):
    job = ask_for_report(opened, people.study_director, NOON)
    opened.memberships.filter(user=people.study_director).update(is_active=False)
    run_job(job.pk)
    assert Job.objects.get(pk=job.pk).state == "failed" and not StoredReport.objects.exists()


def test_a_report_by_letters_is_not_built_once_arms_are_open(opened, people, quick):
    opened.state = StudyState.DATA_LOCKED
    opened.save()
    with transaction.atomic():
        draw_masks(opened, actor=people.study_director, at=NOON)
    job = ask_for_report(opened, people.statistician, NOON)
    assert job.view == ReportView.MASKED
    opened.state = StudyState.UNBLINDED
    opened.save()
    run_job(job.pk)
    job.refresh_from_db()
    assert job.state == "failed" and "arms changed meanwhile. Ask for the report again." in job.message
    assert quick.readings == 0 and not StoredReport.objects.exists()


def test_permuting_a_blinded_allocation_changes_no_pooled_snapshot(study, people):
    arms = make_arm(study), make_arm(study, "drug")
    mice = [make_mouse(study, f"M{n}") for n in range(2)]
    allocations = [
        Allocation.objects.create(mouse=mouse, arm=arm) for mouse, arm in zip(mice, arms, strict=True)
    ]
    pooled, opened = (take_snapshot(study, view).sha256 for view in (ReportView.POOLED, ReportView.OPEN))
    with transaction.atomic():
        triggers.drop(connection)
        Allocation.objects.filter(pk=allocations[0].pk).update(arm=arms[1])
        triggers.install(connection)
    assert take_snapshot(study, ReportView.POOLED).sha256 == pooled
    assert take_snapshot(study, ReportView.OPEN).sha256 != opened


def test_a_stored_report_is_never_changed_nor_removed(opened, people, quick):
    report = build_one(opened, people.study_director)
    for model, change in ((StoredReport, {"view": ReportView.MASKED}), (ReportFile, {"content": b"another"})):
        rows = model.objects.filter(**({"pk": report.pk} if model is StoredReport else {"report": report}))
        for act in (
            lambda rows=rows, change=change: rows.update(**change),
            lambda rows=rows: rows._raw_delete("default"),
        ):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                act()


def test_a_release_is_signed_over_every_file_by_director_or_qa_alone(opened, people, quick):
    report = build_one(opened, people.study_director)
    for role, person in people.by_role.items():
        if role not in (Role.STUDY_DIRECTOR, Role.QUALITY_ASSURANCE):
            with pytest.raises(SigningRefused, match="no role"):
                release_report(report, Signer(person, NOON), "For the sponsor.")
    signature = release_report(report, Signer(people.quality_assurance, NOON), "For the sponsor.")
    assert release_of(report) == signature and signature.meaning == "qa_released"
    assert set(signature.record["files"]) == {"report.html", "report.pdf"}
    with pytest.raises(SigningRefused, match="already"):
        release_report(report, Signer(people.study_director, NOON), "Again.")


def test_a_superseded_report_and_one_without_a_reason_are_not_released(opened, people, quick):
    report = build_one(opened, people.study_director)
    with pytest.raises(SigningRefused, match="released for"):
        release_report(report, Signer(people.study_director, NOON), " ")
    make_measurement(make_session(opened, 7), opened.mice.first())
    with pytest.raises(SigningRefused, match="build it again"):
        release_report(report, Signer(people.study_director, NOON), "For the sponsor.")


def test_masked_and_open_reports_never_meet(opened, people, quick):
    opened.state = StudyState.DATA_LOCKED
    opened.save()
    with transaction.atomic():
        draw_masks(opened, actor=people.study_director, at=NOON)
    masked = build_one(opened, people.statistician)
    assert masked.view == "masked"
    assert ask_for_report(opened, people.study_director, NOON).view == ReportView.POOLED
    opened.state = StudyState.UNBLINDED
    opened.save()
    assert build_one(opened, people.statistician) != masked
    assert stored.parameters_of(ReportView.OPEN) != stored.parameters_of(ReportView.MASKED)
    with pytest.raises(SigningRefused, match="arms by name"):
        release_report(masked, Signer(people.study_director, NOON), "For the sponsor.")


def test_every_step_of_a_build_is_named_and_hears_a_cancellation(opened, people, monkeypatch):
    """A build but for its PDF, canceled after the pages and then let run: steps advance and name the work."""
    monkeypatch.setattr(build, "render_pdf", lambda html, made_at: b"%PDF")
    told = []
    step = jobs.Progress.step

    def hear(self, name, percent):
        told.append((name, percent))
        step(self, name, percent)
        if name == stop_at:
            cancel_job(self.job, actor=people.study_director, at=NOON)

    monkeypatch.setattr(jobs.Progress, "step", hear)
    stop_at = "Setting the PDF"
    job = ask_for_report(opened, people.study_director, NOON)
    run_job(job.pk)
    assert Job.objects.get(pk=job.pk).state == "canceled" and told[-1][0] == "Writing the workbook"
    told.clear()
    stop_at = None
    build_one(opened, people.study_director)
    names, percents = [name for name, _ in told], [percent for _, percent in told]
    assert percents == sorted(percents) and percents[-1] < 100
    assert names[:2] == ["Taking the snapshot", "Reading the record"]
    assert "Analyzing the mixed model" in names and "Analyzing sensitivity" in names
    drawing = [name for name in names if name.startswith("Drawing ")]
    assert len(drawing) >= 3 and drawing[0].endswith(f"(1 of {len(drawing)})")
    after = names[names.index(drawing[-1]) + 1 :]
    assert after == ["Setting the HTML page", "Setting the PDF", "Writing the workbook", "Packing the bundle",
                     "Storing the report"]  # fmt: skip


@pytest.fixture
def heard(monkeypatch) -> list[tuple[str, int]]:
    """The steps of a build whose analysis and files tell their beginning and end alone, and its stamp."""
    told: list = []

    def analyze(study, viewer, snapshot, tell):
        tell("it", 0)
        tell("it", 1)

    def files(analyzed, made_at, tell):
        tell("Setting", 0)
        tell("Setting", 1)
        told.append(("stamped", made_at))
        return {"report.html": b"<p>x"}

    monkeypatch.setattr(recorded, "analyze_recorded", analyze)
    monkeypatch.setattr(build, "report_files", files)
    step = jobs.Progress.step

    def hear(self, name, percent):
        told.append((name, percent))
        step(self, name, percent)

    monkeypatch.setattr(jobs.Progress, "step", hear)
    return told


def test_the_steps_of_a_build_are_these(opened, people, heard):
    job = ask_for_report(opened, people.study_director, NOON)
    asked_at = AuditEvent.objects.filter(study=opened).order_by("-sequence").first()
    run_job(job.pk)
    assert heard == [
        ("Taking the snapshot", 1), ("Reading the record", 2), ("Analyzing it", 4), ("Analyzing it", 38),
        ("Checking that the record held still", 39), ("Setting", 40), ("Setting", 97),
        ("stamped", asked_at.happened_at), ("Storing the report", 98),
    ]  # fmt: skip


def test_a_record_that_never_holds_still_is_given_up_after_three_readings(opened, people, quick):
    days = iter(range(1, 9))
    quick.while_reading = lambda: make_measurement(make_session(opened, next(days)), opened.mice.first())
    job = ask_for_report(opened, people.study_director, NOON)
    run_job(job.pk)
    job.refresh_from_db()
    assert job.state == "failed" and "Readings are coming in all the time" in job.message
    assert quick.readings == 3 and not StoredReport.objects.exists()


def test_what_cannot_be_analyzed_is_said_and_nothing_stored(opened, people, quick):
    def refuse():
        raise PermissionError("the arms are closed")

    quick.while_reading = refuse
    job = ask_for_report(opened, people.study_director, NOON)
    run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.message) == ("failed", "The study cannot be analyzed: the arms are closed")
    assert not StoredReport.objects.exists()


def test_of_two_jobs_for_one_snapshot_the_second_finds_the_report_of_the_first(opened, people, quick):
    job = ask_for_report(opened, people.study_director, NOON)
    snapshot, asked = take_snapshot(opened, ReportView.OPEN), stored.parameters_of(ReportView.OPEN)
    made = {"asked_by": people.statistician, "at": NOON}
    first = store_report(opened, ReportView.OPEN, snapshot, asked, {"report.html": b"<p>first"}, **made)
    assert (
        store_report(opened, ReportView.OPEN, snapshot, asked, {"report.html": b"<p>later"}, **made) == first
    )
    run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.message) == ("done", str(first.pk))
    (file,) = ReportFile.objects.all()
    assert (
        bytes(file.content) == b"<p>first"
        and AuditEvent.objects.filter(action="stored a report").count() == 1
    )


def test_the_study_is_held_before_it_is_looked_whether_the_report_is_there(opened, people):
    """Of two workers that finish one report at once the second waits, and finds it stored."""
    snapshot = take_snapshot(opened, ReportView.OPEN)
    with CaptureQueriesContext(connection) as asked:
        store_report(opened, ReportView.OPEN, snapshot, {}, {}, asked_by=people.statistician, at=NOON)
    held = next(query["sql"] for query in asked if query["sql"].startswith("SELECT"))
    assert 'FROM "studies_study"' in held
    assert (
        "FOR UPDATE" in held
    ) == connection.features.has_select_for_update  # SQLite has one writer at a time


def test_each_table_of_the_record_is_part_of_the_snapshot_and_arms_of_the_open_one_alone(study, people):
    def hashes() -> tuple[str, str]:
        return take_snapshot(study, ReportView.OPEN).sha256, take_snapshot(study, ReportView.POOLED).sha256

    model = make_pdx_model("BR-1")
    mice, session = [make_mouse(study, f"M{n}", pdx_model=model) for n in range(2)], make_session(study)
    arm, agent = make_arm(study), Agent.objects.create(name="drug")
    lot = AgentLot.objects.create(agent=agent, code="L1", expires_on=NOON.date())
    until = {"made_on": NOON.date(), "expires_on": NOON.date()}
    of_dose = {
        "given_on": NOON.date(),
        "outcome": "given",
        "given_ml": 0.2,
        "doser": people.doser,
        "recorded_at": NOON,
    }
    of_all = [
        lambda: Study.objects.filter(pk=study.pk).update(title="Another title"),
        lambda: make_measurement(session, mice[0]),
        lambda: type(model).objects.filter(pk=model.pk).update(cancer_type="breast"),
        lambda: Cohort.objects.create(study=study, name="first"),
        lambda: Exclusion.objects.create(mouse=mice[0], reason="too small", excluded_at=NOON),
        lambda: GenotypeCall.objects.create(pdx_model=model, functional_class="wild_type"),
        lambda: Allocation.objects.create(mouse=mice[0], arm=arm),  # who is randomized, not into which arm
    ]
    of_arms = [
        lambda: make_arm(study, "drug"),
        lambda: ArmAgent.objects.create(arm=arm, agent=agent),
        lambda: Dose.objects.create(study=study, mouse=mice[0], **of_dose),
        lambda: Formulation.objects.create(
            study=study, lot=lot, code="F1", concentration_mg_per_ml=1, **until
        ),
    ]
    for place, change in enumerate(of_all):
        before = hashes()
        change()
        assert all(one != other for one, other in zip(before, hashes(), strict=True)), place
    for place, change in enumerate(of_arms):
        before = hashes()
        change()
        after = hashes()
        assert (before[0] != after[0], before[1] == after[1]) == (True, True), place


def test_a_snapshot_of_a_study_nobody_wrote_of_has_no_time(study):
    found = take_snapshot(study, ReportView.OPEN)
    assert (found.chain_count, found.chain_head, found.as_of) == (0, "0" * 64, None)


def test_a_rebuild_from_the_same_snapshot_gives_the_same_bytes(opened, people, monkeypatch):
    """The stamp is the record's own last event, not the clock; SOURCE_DATE_EPOCH goes before it."""
    monkeypatch.setattr(build, "to_png", lambda figure: b"")  # these two repeat in test_build.py
    monkeypatch.setattr(build, "render_pdf", lambda html, made_at: html.encode())
    stamps = []
    files = build.report_files

    def seen(analyzed, made_at, tell):
        stamps.append(made_at)
        return files(analyzed, made_at, tell)

    monkeypatch.setattr(build, "report_files", seen)
    job = ask_for_report(opened, people.study_director, NOON)
    snapshot = take_snapshot(opened, ReportView.OPEN)
    run_job(job.pk)
    report = StoredReport.objects.get()
    stored_bytes = {file.name: bytes(file.content) for file in report.files.all()}
    assert stamps == [NOON] and report.made_at != NOON
    study = Study.objects.get(pk=opened.pk)
    again = recorded.analyze_recorded(study, people.statistician, snapshot=snapshot)
    assert files(again, snapshot.as_of) == stored_bytes
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert stamp(NOON) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


# What no report rests on: who may do what, how it was entered, where mice live, what was done and written about them.
NOT_IN_A_REPORT = {
    "AlertAnswer", "AuditEvent", "Cage", "CageMove", "EntryLimits", "Job", "Letter", "ParkedRow", "Photo", "Signature",
    "StoredReport", "StudyMembership", "StudyTemplate", "SubmittedSheet", "SyringeCode",
}  # fmt: skip


def test_every_table_of_a_study_is_in_the_snapshot_or_left_out_on_purpose(study):
    covered = {rows.model.__name__ for rows in snapshots._rows(study, ReportView.OPEN)}
    of_studies = {
        model.__name__
        for model in apps.get_app_config("studies").get_models()
        if {field.related_model for field in model._meta.concrete_fields if field.is_relation}
        & {Study, Mouse}
    }
    assert of_studies - covered - NOT_IN_A_REPORT == set()
