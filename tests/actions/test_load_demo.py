"""The demo: its truth, its record, its idempotence and its refusals."""

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth import authenticate
from hypothesis import given
from hypothesis import strategies as st

from studies import access
from studies.actions.allocate_mice import deviations
from studies.actions.audit import allocation_chain, broken_link, chains, study_chain
from studies.actions.coverage import broken_links
from studies.actions.demo_people import (
    ACTIVE,
    CODES,
    COMPLETED,
    DRAFT,
    PEOPLE,
    DemoRefused,
    demo_password,
)
from studies.actions.demo_studies import lab_zone
from studies.actions.demo_truth import agreements, declared_truth, headline, write_truth
from studies.actions.dosing import due_doses
from studies.actions.revisions import HASHED, rows_sha256
from studies.analysis import analyze_study
from studies.days import local_date
from studies.frames import growth_curves, measurement_table
from studies.models import (
    Allocation,
    ArmAgent,
    AuditEvent,
    Dose,
    Exclusion,
    Exit,
    Measurement,
    MeasurementSession,
    Mouse,
    PdxModel,
    Randomization,
    Study,
    User,
)
from studies.reports.dosing_facts import dosing_facts
from studies.terms import MeasurementStatus, StudyOrigin, StudyState
from studies.worklist import due_sessions
from tests.actions.conftest import NOW, PASSWORD


def study(code: str) -> Study:
    return Study.objects.get(code=code)


def everything() -> dict[str, int]:
    """How many rows each table holds."""
    from django.apps import apps

    return {
        model.__name__: model._base_manager.count() for model in apps.get_app_config("studies").get_models()
    }


# The completed study


def test_the_completed_study_is_what_it_says(demo):
    completed = study(COMPLETED)
    assert (completed.state, completed.origin) == (StudyState.UNBLINDED, StudyOrigin.SIMULATED)
    assert "simulated" in completed.title.lower() and completed.is_blinded
    labels = completed.mice.order_by("label").values_list("label", flat=True)
    assert list(labels) == [f"M{number:03d}" for number in range(1, 121)]
    statuses = {model.code: model.map2k4_status for model in PdxModel.objects.filter(mice__study=completed)}
    tissues = {
        (model.map2k4_status, model.cancer_type) for model in PdxModel.objects.filter(mice__study=completed)
    }
    assert sorted(statuses.values()) == ["loss_of_function"] * 3 + ["wild_type"] * 3
    assert tissues == {
        (s, t) for s in ("wild_type", "loss_of_function") for t in ("breast", "colon", "prostate")
    }


def test_the_running_study_plans_the_mice_it_has(demo):
    running = study(ACTIVE)
    allocated = {arm: arm.planned_mice for arm in running.arms.all()}
    assert {arm.name: running.mice.filter(allocation__arm=arm).count() for arm in allocated} == {
        arm.name: planned for arm, planned in allocated.items()
    }


def test_each_model_has_five_mice_in_each_arm(demo):
    cells = Allocation.objects.filter(mouse__study__code=COMPLETED).values_list(
        "mouse__pdx_model", "arm__name"
    )
    counts = {cell: list(cells).count(cell) for cell in set(cells)}
    assert len(counts) == 24 and set(counts.values()) == {5}


def test_the_true_tgi_is_exactly_20_and_80_percent_with_a_fourfold_control():
    truth = {(row["status"], row["arm"]): row for row in declared_truth()["effects"]}
    assert truth["wild_type", "Binimetinib"]["tgi_ratio_percent"] == pytest.approx(20, abs=1e-9)
    lost = truth["loss_of_function", "Binimetinib"]
    assert lost["tgi_ratio_percent"] == pytest.approx(80, abs=1e-9) and lost["fold"] == pytest.approx(0.8)
    assert all(truth[status, "Vehicle"]["fold"] == pytest.approx(4) for status in ("wild_type", "all"))
    excess = {row["status"]: row["excess_per_day"] for row in declared_truth()["bliss"]}
    assert excess["wild_type"] < -0.03 and abs(excess["loss_of_function"]) < 1e-4


def test_the_analysis_of_the_record_holds_the_truth_of_binimetinib_in_both_statuses(demo):
    compared = agreements(study(COMPLETED))
    assert {one.status: one.holds for one in headline(compared)} == {
        "wild_type": True,
        "loss_of_function": True,
    }
    held = [one.holds for one in compared]
    assert None not in held and held.count(True) >= 0.9 * len(held)


def test_the_report_of_the_completed_study_gives_the_same_intervals(demo):
    completed = study(COMPLETED)
    table = measurement_table(completed, access.OPERATOR)
    result = analyze_study(table, completed.analysis_plans.get().plan).to_dict()
    rows = {
        (row["map2k4_status"], row["arm"], row["method"]): row
        for row in result["tgi"]
        if row["scope"] == "map2k4"
    }
    for one in agreements(completed):
        if one.status != "all":
            row = rows[one.status, one.arm, one.method]
            assert (row["percent"], row["ci_low"], row["ci_high"]) == (one.percent, one.ci_low, one.ci_high)
    lost = rows["loss_of_function", "Binimetinib", "delta"]
    assert lost["percent"] > 100, "loss-of-function tumors end below baseline"
    assert_the_mixed_model_holds_the_truth(result)


def assert_the_mixed_model_holds_the_truth(result: dict) -> None:
    """Strata, interactions and Bliss excess: every interval around what was declared."""
    truth = declared_truth()
    effects = {(row["status"], row["arm"]): row for row in truth["effects"]}
    for row in result["map2k4"]["strata"]:
        declared = effects[row["map2k4_status"], row["arm"]]
        assert row["ci_low"] <= declared["slope_difference_per_day"] <= row["ci_high"], row["arm"]
        assert row["tgi_ci_low"] <= declared["tgi_model_percent"] <= row["tgi_ci_high"], row["arm"]
    interactions = {row["arm"]: row["difference_per_day"] for row in truth["interaction"]}
    found = {row["arm"]: row for row in result["map2k4"]["interaction"]}
    assert set(found) == set(interactions)
    for arm, row in found.items():
        assert row["ci_low"] <= interactions[arm] <= row["ci_high"], arm
    assert found["Binimetinib"]["claim"] and not found["HRX-0233"]["claim"]
    excess = {row["status"]: row["excess_per_day"] for row in truth["bliss"]}
    synergy = next(row for row in result["synergy"] if row["null"] == "bliss" and row["scope"] == "study")
    assert synergy["ci_low"] <= excess["all"] <= synergy["ci_high"]


def test_mice_leave_for_tumor_size_and_weight_and_visits_are_missed(demo):
    reasons = set(Exit.objects.filter(mouse__study__code=COMPLETED).values_list("reason", flat=True))
    assert {"scheduled_end", "tumor_size", "body_weight"} <= reasons
    missed = Measurement.objects.filter(session__study__code=COMPLETED, status=MeasurementStatus.NOT_DONE)
    assert 3 <= missed.count() <= 60
    for end in Exit.objects.filter(mouse__study__code=COMPLETED).select_related("mouse__cohort"):
        assert local_date(end.exited_at, "Europe/Amsterdam") == end.mouse.cohort.day0 + timedelta(
            days=end.day
        )
        later = end.mouse.measurements.filter(
            session__due_on__gt=local_date(end.exited_at, "Europe/Amsterdam")
        )
        assert not later.exists()


def test_corrections_and_a_void_keep_what_was_first_stored(demo):
    readings = Measurement.objects.filter(session__study__code=COMPLETED)
    corrections = readings.filter(revision=2)
    assert corrections.filter(is_void=False).count() == 4 and corrections.filter(is_void=True).count() == 1
    for correction in corrections:
        first = readings.get(
            session=correction.session, mouse=correction.mouse, replicate=correction.replicate, revision=1
        )
        assert correction.reason and correction.recorded_at > first.recorded_at
        assert first.observed_at == correction.observed_at
        if not correction.is_void:
            assert (first.length_mm, first.weight_g) != (correction.length_mm, correction.weight_g)
    assert not readings.valid().filter(replicate=2).exists()


def test_the_same_technician_measures_a_mouse_from_baseline_on(demo):
    for code in (COMPLETED, ACTIVE):
        pairs = set(Measurement.objects.filter(session__study__code=code).values_list("mouse", "observer"))
        assert len(pairs) == Mouse.objects.filter(study__code=code).count()


def test_readings_are_taken_in_working_hours_at_the_studys_place_and_before_now(demo):
    for reading in Measurement.objects.select_related("session__study"):
        local = reading.observed_at.astimezone(ZoneInfo(reading.session.study.time_zone))
        assert 9 <= local.hour < 17 and local.date() == reading.session.due_on
        assert reading.observed_at <= reading.recorded_at < NOW


# Allocation and audit


def test_the_allocation_can_be_drawn_again_from_its_record(demo):
    for record in Randomization.objects.all():
        assert deviations(record) == []
        assert set(record.allocations.values_list("mouse__label", flat=True)) == {
            row["mouse"] for row in record.ordered_input if not row["arm"]
        }
    assert Randomization.objects.count() == 3
    assert not Allocation.objects.filter(randomization=None).exists()


def test_the_balance_of_the_running_study_is_shown_without_its_arms(demo, client):
    client.force_login(User.objects.get(username="director"))
    page = client.get(f"/studies/{ACTIVE}/balance/").content.decode()
    assert "Largest |SMD| of two arms" in page and "Tumor volume" in page and "Binimetinib" not in page


# Doses


def test_every_dose_due_is_on_record_by_its_syringe_code(demo):
    completed = study(COMPLETED)
    codes = set(completed.syringe_codes.values_list("code", flat=True))
    doses = Dose.objects.filter(study=completed)
    assert len(codes) == 4 and {row.syringe.split("-")[0] for row in doses} == codes
    facts = dosing_facts(completed, dict(completed.arms.values_list("pk", "name")), masked=False)
    assert facts["did_both"] == []
    for row in facts["by_arm"]:
        assert row["n_not_recorded"] == 0, row["arm"]
        assert row["n_planned"] == row["n_given"] + row["n_partial"] + row["n_omitted"]
        assert 80 < row["percent_of_planned"] < 100, row["arm"]
    assert sum(row["n_partial"] for row in facts["by_arm"]) > 5


def test_doses_come_from_a_usable_formulation_at_the_planned_amount(demo):
    rows = Dose.objects.filter(study__code=COMPLETED, outcome="given").exclude(formulation=None)
    for dose in rows.select_related("formulation__lot__agent")[:200]:
        planned = ArmAgent.objects.filter(
            arm__allocations__mouse=dose.mouse_id, agent=dose.formulation.lot.agent
        ).get()
        ml = planned.dose_mg_per_kg * dose.weight_g / 1000 / dose.formulation.concentration_mg_per_ml
        assert dose.given_ml == pytest.approx(ml, abs=1e-6)
        assert dose.formulation.made_on <= dose.given_on <= dose.formulation.usable_until()


def test_a_mouse_that_lost_weight_is_not_dosed_until_it_is_heavier(demo):
    held = Dose.objects.filter(study__code=COMPLETED, reason__startswith="Dosing holiday: weight loss")
    assert held and set(held.values_list("outcome", flat=True)) == {"omitted"}


def test_the_doser_of_the_running_study_has_doses_due_today(demo):
    active = study(ACTIVE)
    due = due_doses(active, User.objects.get(username="doser"), NOW)
    on_study = active.mice.filter(exit=None, exclusion=None)
    assert {one.mouse for one in due} == set(on_study.values_list("label", flat=True))
    assert len(on_study) > 40 and not any(one.recorded for one in due)
    assert max(Dose.objects.filter(study=active).values_list("given_on", flat=True)) == local_date(
        NOW, active.time_zone
    ) - timedelta(days=1)
    assert {one.refusal for one in due} == {"it was not weighed today"}


def test_every_audit_chain_holds(demo):
    found = chains()
    assert {study_chain(study(code)) for code in CODES} <= set(found)
    assert {allocation_chain(study(code)) for code in (COMPLETED, ACTIVE)} <= set(found)
    assert {chain: broken_link(chain) for chain in found} == dict.fromkeys(found)


def test_the_record_says_that_it_was_simulated(demo):
    for code in (COMPLETED, ACTIVE):
        event = AuditEvent.objects.get(study__code=code, action="loaded as part of the demo")
        assert event.new["simulated"] is True


def test_events_stand_in_the_order_they_happened(demo):
    for code in CODES:
        times = list(
            AuditEvent.objects.filter(chain=study_chain(study(code))).values_list("happened_at", flat=True)
        )
        assert times == sorted(times) and times[-1] <= NOW


def test_each_completed_session_has_one_event_that_vouches_for_its_rows(demo):
    sessions = MeasurementSession.objects.filter(study__code=COMPLETED)
    assert sessions.count() == 8
    for session in sessions:
        event = AuditEvent.objects.get(object_type="measurementsession", object_id=str(session.pk))
        stored = session.measurements.order_by("id").values_list(*HASHED)
        assert event.new["rows_sha256"] == rows_sha256(stored)
        assert event.actor == session.started_by and "technician" in event.actor_role


def test_the_studys_own_chain_names_no_mouses_arm(demo):
    for code in (COMPLETED, ACTIVE):
        seeds = Randomization.objects.filter(study__code=code).values_list("seed", flat=True)
        events = AuditEvent.objects.filter(chain=study_chain(study(code)), action="randomized mice")
        text = json.dumps([event.new for event in events])
        assert events and "arm" not in text.replace("pharm", "") and not [s for s in seeds if s in text]


# The active and the draft study


def test_tech1_has_a_due_session_of_ten_mice_whose_baseline_tech1_took(demo):
    tech1 = User.objects.get(username="tech1")
    due = [row for row in due_sessions(tech1, NOW) if row.days_until == 0]
    assert {row.study.code for row in due} == {ACTIVE}
    baseline = {
        row.session.cohort_id: set(
            Measurement.objects.filter(
                session__cohort=row.session.cohort_id, session__is_baseline=True
            ).values_list("observer__username", flat=True)
        )
        for row in due
    }
    own = [row for row in due if baseline[row.session.cohort_id] == {"tech1"}]
    assert own and own[0].missing >= 10
    day0 = own[0].session.cohort.day0
    assert 8 <= (own[0].session.due_on - day0).days <= 14, "week 2"


def test_it_is_daytime_where_the_active_study_runs(demo):
    active = study(ACTIVE)
    assert (active.state, active.is_blinded) == (StudyState.ACTIVE, True)
    assert 9 <= NOW.astimezone(ZoneInfo(active.time_zone)).hour < 16
    assert demo.time_zone == active.time_zone


@given(st.datetimes(datetime(2024, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_at_any_moment_it_is_working_time_in_some_lab(moment):
    assert 9 <= moment.astimezone(ZoneInfo(lab_zone(moment))).hour < 16


def test_arms_of_the_active_study_are_allocated_and_hidden(demo):
    active = study(ACTIVE)
    assert Allocation.objects.filter(mouse__study=active).count() == 48
    for person in PEOPLE:
        assert not access.may_see_arms(User.objects.get(username=person.username), active)
    director = User.objects.get(username="director")
    assert {(curve.arm, curve.role) for curve in growth_curves(active, director)} == {(None, None)}


def test_nothing_a_technician_sees_goes_with_the_arm(demo):
    """Labels, cages and ids follow the order of housing; within a cage arms are mixed."""
    for code in (COMPLETED, ACTIVE):
        rows = list(
            Allocation.objects.filter(mouse__study__code=code)
            .order_by("mouse_id")
            .values_list("mouse__label", "mouse__cage__code", "arm__name", "pk")
        )
        assert [row[0] for row in rows] == sorted(row[0] for row in rows)
        assert [row[3] for row in rows] == sorted(row[3] for row in rows)
        arms_of = {}
        for _, cage, arm, _ in rows:
            arms_of.setdefault(cage, set()).add(arm)
        assert min(len(arms) for arms in arms_of.values()) >= 2


def test_what_everybody_reads_of_the_active_study_names_no_arm(demo):
    active = study(ACTIVE)
    read = f"{active.code} {active.title} {active.protocol_number}".lower()
    assert not [arm.name for arm in active.arms.all() if arm.name.lower() in read]


def test_two_mice_were_screened_out_with_the_reason(demo):
    out = Exclusion.objects.filter(mouse__study__code=ACTIVE)
    assert out.count() == 2
    for exclusion in out:
        reading = exclusion.mouse.measurements.get()
        volume = reading.volume_mm3("half_lw2")
        assert not 100 <= volume <= 200 and f"{volume:.0f} mm³" in exclusion.reason
        assert not hasattr(exclusion.mouse, "allocation")


def test_a_mouse_screened_out_takes_no_part_in_an_analysis_by_arm(demo):
    active = study(ACTIVE)
    active.state = StudyState.UNBLINDED
    active.save()
    table = measurement_table(active, access.OPERATOR)
    out = set(Exclusion.objects.values_list("mouse__label", flat=True))
    assert table["mouse"].nunique() == 48 and not out & set(table["mouse"])


def test_the_draft_has_arms_and_no_mice(demo):
    draft = study(DRAFT)
    assert draft.state == StudyState.DRAFT and not draft.mice.exists() and draft.arms.count() == 4
    assert draft.analysis_plans.get().locked_at is None


# People


def test_every_demo_user_signs_in_with_the_one_password(demo, rf):
    for person in PEOPLE:
        user = authenticate(rf.post("/"), username=person.username, password=PASSWORD)
        assert user is not None and user.is_superuser == (person.username == "admin")


def test_each_person_has_the_role_of_the_name_and_the_administrator_sees_no_study(demo):
    by_name = {person.username: person.role for person in PEOPLE}
    for code in (COMPLETED, ACTIVE):
        held = study(code).memberships.values_list("user__username", "role")
        assert dict(held) == {name: role for name, role in by_name.items() if role}
    assert not access.studies_of(User.objects.get(username="admin")).exists()


# Files


def test_the_password_is_kept_where_only_its_owner_reads_it(tmp_path):
    made = demo_password(tmp_path, "")
    path = tmp_path / "demo_password"
    assert len(made) >= 12 and path.stat().st_mode & 0o777 == 0o600
    assert demo_password(tmp_path, "") == made, "a second start keeps it"
    path.chmod(0o644)
    assert demo_password(tmp_path, PASSWORD) == PASSWORD == path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["demo_password"]
    assert demo_password(tmp_path / ".", "") == PASSWORD


def test_two_folders_get_two_passwords(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    assert len({demo_password(folder, "") for folder in folders}) == 2


@pytest.mark.parametrize("password", ["short", "password1234"])
def test_a_password_too_easy_is_refused_and_not_kept(tmp_path, password):
    with pytest.raises(DemoRefused, match="DEMO_PASSWORD cannot be used"):
        demo_password(tmp_path, password)
    assert not list(tmp_path.iterdir())


def test_the_truth_is_written_beside_the_demo(demo, tmp_path):
    write_truth(tmp_path)
    truth = json.loads((tmp_path / "demo" / "truth.json").read_text(encoding="utf-8"))
    assert truth["simulated"] is True and truth["study"] == COMPLETED
    assert len(truth["effects"]) == 12 and len(truth["analysis"]) == 18
    text = (tmp_path / "demo" / "truth.md").read_text(encoding="utf-8")
    assert "This study is simulated" in text and "| 20.0 | 26.7 |" in text and "| 80.0 | 106.7 |" in text
    assert any("true 20 %" in line for line in truth["summary"])


def test_a_study_blinded_again_is_not_compared_and_says_so(demo, tmp_path):
    Study.objects.filter(code=COMPLETED).update(state=StudyState.DATA_LOCKED)
    write_truth(tmp_path)
    truth = json.loads((tmp_path / "demo" / "truth.json").read_text(encoding="utf-8"))
    assert truth["analysis"] == [] and "cannot be compared" in truth["summary"][0]


def test_quality_assurance_reads_the_audit_trail_it_is_promised(demo, client):
    client.force_login(User.objects.get(username="qa"))
    response = client.get("/admin/studies/auditevent/")
    assert response.status_code == 200
    assert "DEMO-MAP2K4-01" in response.content.decode()


def test_every_row_of_the_demo_is_covered_by_an_event(demo):
    assert broken_links() == []
