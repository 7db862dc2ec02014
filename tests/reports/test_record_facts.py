"""What a study's record tells its report: all of it where arms are open, nothing that tells an arm elsewhere."""

from datetime import UTC, date, datetime, timedelta
from math import exp, log, sqrt
from typing import Any

import pandas as pd
import pytest

from studies.access import OPERATOR
from studies.actions.snapshots import Snapshot
from studies.models import (
    Agent,
    Amendment,
    AnalysisPlan,
    ArmAgent,
    Cage,
    Cohort,
    Deviation,
    Dose,
    Exclusion,
    Exit,
    Passage,
    Randomization,
    Reveal,
    Signature,
    Study,
    Tumor,
    Unlock,
    UnlockedReading,
    WelfareAlert,
    WelfareLimits,
)
from studies.reports.record_facts import pooled_facts, record_facts
from studies.terms import ArmRole, StudyState
from tests.factories import (
    lock_by_letters,
    make_arm,
    make_measurement,
    make_mouse,
    make_pdx_model,
    make_session,
)

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
STAMP = "2026-06-01 12:00 UTC"
SNAPSHOT = Snapshot("a" * 64, 3, "b" * 64, NOON)
TABLE = pd.DataFrame(
    {"mouse": ["M1", "M1", "M2"], "day": [0.0, 7.0, 0.0], "volume_mm3": [320.0, 500.0, None]}
)


def opened(study: Study) -> Study:
    study.is_blinded = False
    return study


def told(study: Study, viewer=OPERATOR, table: pd.DataFrame = TABLE) -> dict[str, Any]:
    return record_facts(study, viewer, table, SNAPSHOT)


def three_ways(study: Study, people, part: str) -> tuple[Any, Any, Any]:
    """A part as told where arms are open, by letters, and of all mice together."""
    is_open = told(opened(study))[part]
    study.is_blinded = True
    by_letters = told(lock_by_letters(study, NOON), people.statistician)[part]
    return is_open, by_letters, pooled_facts(study, TABLE, SNAPSHOT)[part]


@pytest.fixture
def arms(study) -> list:
    """Two arms; the vehicle's one mouse and the drug's two."""
    arms = [make_arm(study, "zz vehicle"), make_arm(study, "aa drug", ArmRole.SINGLE_AGENT)]
    for number in range(3):
        make_mouse(study, f"M{number + 1}", arms[number > 0])
    return arms


def test_the_record_is_told_by_arm_to_whom_they_are_open_alone(study, people, arms):
    for viewer in (OPERATOR, *people.everyone().values()):
        with pytest.raises(PermissionError, match="arms of study PDX-TEST-01 are not open"):
            told(study, viewer)
    assert told(opened(study), people.technician)["arms"]


def test_how_it_was_blinded_is_said(study, people, arms):
    is_open, by_letters, pooled = three_ways(study, people, "blinding")
    assert is_open == "open: arms were known throughout"
    assert (by_letters, pooled) == ("blinded: arms by letters", "blinded: all mice together")
    study.state = StudyState.UNBLINDED
    assert told(study)["blinding"] == "blinded until the data were locked, then unblinded"


def test_the_frame_of_the_study_is_told_as_it_stands(study, people, arms):
    facts = told(opened(study))
    assert facts["title"] == "Test study PDX-TEST-01" and facts["director"] == "" and facts["limits"] is None
    assert facts["snapshot_sha256"] == "a" * 64
    assert facts["chains"] == [{"chain": f"study:{study.pk}", "events": 3, "head": "b" * 64}]
    study.director = people.study_director
    for version, cap in ((1, 2000), (2, 1500)):
        WelfareLimits.objects.create(study=study, version=version, volume_cap_mm3=cap, reason="protocol")
    facts = told(study)
    assert facts["director"] == str(people.study_director)
    assert (facts["limits"]["version"], facts["limits"]["volume_cap_mm3"]) == (2, 1500)


def test_arms_are_told_with_their_treatment_or_by_letters_or_not_at_all(study, people, arms):
    study.arms.filter(pk=arms[1].pk).update(planned_mice=4)
    empty = make_arm(study, "spare", ArmRole.SINGLE_AGENT)
    doses = [
        {"dose_mg_per_kg": 30, "route": "oral", "frequency": "bid", "first_day": 0, "last_day": 21, "vehicle": "CMC"},
        {"frequency": "day_list", "dosing_days": [0, 7]},
        {"first_day": 3},
        {"last_day": 9},
    ]  # fmt: skip
    for name, dose in zip("abcd", doses, strict=True):
        ArmAgent.objects.create(arm=arms[1], agent=Agent.objects.create(name=f"agent {name}"), **dose)
    is_open, by_letters, pooled = three_ways(study, people, "arms")
    treatment = [
        "agent a 30 mg/kg, oral, twice daily (BID), day 0 to 21 in CMC",
        "agent b, on listed study days, days 0, 7",
        "agent c",
        "agent d",
    ]
    assert is_open == [
        {"arm": "zz vehicle", "allocated": 1, "planned_mice": None, "treatment": []},
        {"arm": "aa drug", "allocated": 2, "planned_mice": 4, "treatment": treatment},
        {"arm": "spare", "allocated": 0, "planned_mice": None, "treatment": []},
    ]
    assert [row["arm"] for row in by_letters] == ["A", "B", "C"]
    assert {frozenset(row) for row in by_letters} == {frozenset({"arm", "allocated"})}
    assert sorted(row["allocated"] for row in by_letters) == [0, 1, 2] and empty
    assert pooled == []


def test_pdx_models_come_with_passages_and_without_genes_in_a_pooled_report(study, people):
    model = make_pdx_model("BR-1", "wild_type", cancer_type="breast")
    passages = [Passage.objects.create(pdx_model=model, number=number) for number in (5, 3)]
    for number, mouse in enumerate(
        [make_mouse(study, "M1"), make_mouse(study, "M2"), make_mouse(study, "M3")]
    ):
        mouse.tumors.update(passage=passages[number] if number < 2 else None)
    make_arm(study)
    study.biomarker = "TP53"
    study.save()
    is_open, by_letters, pooled = three_ways(study, people, "pdx_models")
    genes = {"MAP2K4": "wild_type", "MAP3K1": "unknown", "KRAS": "unknown", "TP53": "unknown"}
    row = {
        "pdx_model": "BR-1",
        "kind": "patient-derived xenograft",
        "cancer_type": "breast",
        "passages": [3, 5],
        "genes": genes,
    }
    assert is_open == by_letters == [row]
    assert pooled == [row | {"genes": {}}]


def test_animals_are_counted_on_their_way_and_what_was_not_recorded_is_said(study, people, arms):
    assert told(opened(study))["animals"] == {
        "mice": 3, "implanted": None, "enrolled": None, "randomized": 3, "dosed": None, "not_randomized": {},
        "sex": {"not recorded": 3}, "strain": {"not recorded": 3}, "supplier": {"not recorded": 3}, "cages": 0,
    }  # fmt: skip
    study.is_blinded = True
    Cage.objects.create(study=study, code="C1")
    first, second, third = study.mice.order_by("label")
    study.mice.filter(pk=first.pk).update(
        sex="female", strain="NSG", source="JAX", enrolled_on=date(2026, 6, 1)
    )
    first.tumors.update(implanted_on=date(2026, 5, 1))
    Tumor.objects.create(mouse=first, number=2, implanted_on=date(2026, 5, 1))
    out = [make_mouse(study, f"X{number}") for number in range(6)]
    for mouse in out[:3]:
        Exclusion.objects.create(mouse=mouse, reason="too small", excluded_at=NOON)
    for mouse in out[2:5]:
        Exit.objects.create(mouse=mouse, reason="found_dead", day=0)
    by = {"study": study, "given_on": date(2026, 6, 1), "doser": people.doser, "recorded_at": NOON}
    for mouse, dose in (
        (first, {"outcome": "given", "given_ml": 0.2}),
        (second, {"outcome": "omitted", "reason": "x"}),
    ):
        Dose.objects.create(mouse=mouse, **by, **dose)
    animals, by_letters, pooled = three_ways(study, people, "animals")
    assert animals == by_letters == {
        "mice": 9, "implanted": 1, "enrolled": 1, "randomized": 3, "dosed": 1,
        "not_randomized": {"excluded": 3, "left the study first": 2, "not drawn": 1},
        "sex": {"female": 1, "not recorded": 8}, "strain": {"NSG": 1, "not recorded": 8},
        "supplier": {"JAX": 1, "not recorded": 8}, "cages": 1,
    }  # fmt: skip
    assert pooled == animals | {"dosed": None}


def test_a_drawing_tells_its_seed_only_where_arms_are_open(study, people, arms):
    cohort = Cohort.objects.create(study=study, name="first")
    drawn = {"study": study, "method": "balanced_by_pdx", "algorithm_version": "1", "code_version": "2",
             "ordered_input": [{}, {}], "input_sha256": "0" * 64, "made_by": people.study_director}  # fmt: skip
    strata = {"plan": {"strata": ["pdx_model"]}}
    Randomization.objects.create(seed="s1", cohort=cohort, made_at=NOON, parameters=strata, **drawn)
    Randomization.objects.create(
        seed="s2", made_at=NOON + timedelta(days=1), parameters={"strata": None}, **drawn
    )
    is_open, by_letters, pooled = three_ways(study, people, "randomization")
    first = {"cohort": "first", "method": "balanced by PDX", "mice": 2, "made_at": STAMP, "algorithm_version": "1",
             "code_version": "2"}  # fmt: skip
    second = first | {"cohort": "", "made_at": "2026-06-02 12:00 UTC"}
    assert by_letters == pooled == [first, second]
    assert is_open == [
        first | {"seed": "s1", "input_sha256": "0" * 64, "strata": ["pdx_model"]},
        second | {"seed": "s2", "input_sha256": "0" * 64, "strata": []},
    ]


def test_free_text_is_told_only_where_arms_are_open(study, people, arms):
    """Whoever writes why a mouse was excluded or the protocol changed may name an arm."""
    by = {"made_by": people.study_director, "made_at": NOON}
    Amendment.objects.create(
        study=study, number=1, what="drug daily", reason="too weak", in_force_from=date(2026, 6, 2), **by
    )
    Exclusion.objects.create(mouse=study.mice.get(label="M2"), reason="drug spilled", excluded_at=NOON)
    Exclusion.objects.create(mouse=make_mouse(study, "X1"), reason="too small", excluded_at=NOON)
    Reveal.objects.create(
        study=study, mouse=study.mice.get(label="M1"), reason="Seizures", revealed_to=people.veterinarian,
        revealed_at=NOON, notified=people.study_director,
    )  # fmt: skip
    is_open = told(opened(study))
    study.is_blinded = True
    closed = told(lock_by_letters(study, NOON), people.statistician), pooled_facts(study, TABLE, SNAPSHOT)
    amendment = {"number": 1, "in_force_from": "2026-06-02"}
    assert is_open["amendments"] == [amendment | {"what": "drug daily", "reason": "too weak"}]
    assert is_open["exclusions"] == [
        {"mouse": "M2", "arm": "aa drug", "excluded_at": STAMP, "reason": "drug spilled"},
        {"mouse": "X1", "arm": "", "excluded_at": STAMP, "reason": "too small"},
    ]
    assert is_open["reveals"] == {
        "n": 1,
        "rows": [{
            "mouse": "M1", "arm": "zz vehicle", "revealed_at": STAMP, "revealed_to": str(people.veterinarian),
            "notified": str(people.study_director), "reason": "Seizures",
        }],
    }  # fmt: skip
    for facts, letters in zip(closed, ({"A", "B"}, {""}), strict=True):
        assert facts["amendments"] == [amendment] and facts["reveals"] == {"n": 1, "rows": []}
        excluded, never_drawn = facts["exclusions"]
        assert excluded.pop("arm") in letters and excluded == {"mouse": "M2", "excluded_at": STAMP}
        assert never_drawn == {"mouse": "X1", "arm": "", "excluded_at": STAMP}


def test_deviations_and_unlockings_are_told_without_their_words_while_arms_are_closed(study, people, arms):
    by = {
        "study": study,
        "recorded_by": people.study_director,
        "recorded_at": NOON,
        "happened_on": NOON.date(),
    }
    first = Deviation.objects.create(number=1, what="drug twice", measure="watched", impact="minor", **by)
    first.mice.set(study.mice.all()[:2])
    Deviation.objects.create(number=2, what="drug once", impact="minor", corrects=first, **by)
    session, mouse = make_session(study), study.mice.get(label="M1")
    make_measurement(session, mouse)
    for revision in (2, 3):
        unlock(study, people, session, mouse, revision)
    make_measurement(session, mouse, revision=2, reason="typing error")
    is_open, by_letters, pooled = three_ways(study, people, "deviations")
    bare = [
        {name: value for name, value in row.items() if name not in ("what", "measure")} for row in is_open
    ]
    assert by_letters == pooled == bare
    minor = {"happened_on": "2026-06-01", "impact": "minor: no effect on the conclusion expected"}
    assert bare == [
        {"number": 1, "mice": 2, "corrects": None, **minor},
        {"number": 2, "mice": 0, "corrects": 1, **minor},
        {"number": "U1", "mice": 1, "corrects": None, **minor, "impact": "data changed after the lock"},
        {"number": "U2", "mice": 1, "corrects": None, **minor, "impact": "none: nothing was changed"},
    ]
    assert [row["what"] for row in is_open[:2]] == ["drug twice", "drug once"]
    assert is_open[0]["measure"] == "watched" and "of M1" not in is_open[2]["measure"]
    assert "M1, day 0" in is_open[2]["what"]


def unlock(study, people, session, mouse, revision: int) -> None:
    place = {"session": session.pk, "mouse": mouse.pk, "tumor": 1, "replicate": 1, "revision": revision}
    signed = {
        "study": study, "meaning": "approved", "signed_at": NOON, "object_type": "study", "object_id": str(study.pk),
        "record": {"readings": [place]}, "record_sha256": "0" * 64,
    }  # fmt: skip
    asked = Signature.objects.create(act="unlock_request", signer=people.study_director, **signed)
    approved = Signature.objects.create(act="unlock", signer=people.quality_assurance, **signed)
    granted = Unlock.objects.create(
        study=study, request=asked, approval=approved, granted_at=NOON, ends_at=NOON + timedelta(hours=1),
        reading_count=1,
    )  # fmt: skip
    UnlockedReading.objects.create(
        unlock=granted, session=session, mouse=mouse, tumor_number=1, replicate=1, revision=revision
    )


def test_the_plan_first_locked_is_told_with_what_came_after(study, people, arms):
    assert told(opened(study))["plan"] is None
    study.is_blinded = True
    drafts = [
        (1, {"alpha": 0.1}, None),
        (2, {"control": "zz vehicle"}, NOON),
        (3, {}, NOON + timedelta(days=1)),
    ]
    for version, plan, at in drafts[:1]:
        AnalysisPlan.objects.create(study=study, version=version, plan=plan, reason="r1", locked_at=at)
    only_drafted = {"version": 1, "locked_version": None, "locked_at": None, "later": [], "planned": None}
    assert told(opened(study))["plan"] == only_drafted
    for version, plan, at in drafts[1:]:
        AnalysisPlan.objects.create(
            study=study, version=version, plan=plan, reason=f"drug {version}", locked_at=at
        )
    study.is_blinded = True
    is_open, by_letters, pooled = three_ways(study, people, "plan")
    later = {"version": 3, "locked_at": "2026-06-02 12:00 UTC"}
    frame = {"version": 3, "locked_version": 2, "locked_at": STAMP}
    assert is_open == frame | {"later": [later | {"reason": "drug 3"}], "planned": {"control": "zz vehicle"}}
    assert by_letters == pooled == frame | {"later": [later], "planned": None}


def test_signatures_are_told_but_for_those_of_single_sheets(study, people, arms):
    signed = {
        "study": study, "meaning": "approved", "signer": people.study_director, "signer_name": "D", "signed_at": NOON,
        "signer_role": "study_director", "object_type": "study", "object_id": "1", "record": {},
        "record_sha256": "0" * 64,
    }  # fmt: skip
    for act in ("sheet", "data_lock"):
        Signature.objects.create(act=act, **signed)
    (row,) = told(opened(study))["signatures"]
    assert row == {
        "act": row["act"], "meaning": "approved", "signer": "D", "role": "study_director", "signed_at": STAMP,
        "record_sha256": "0" * 64,
    }  # fmt: skip


def test_alerts_are_counted_by_arm_as_the_reader_knows_it(study, people, arms):
    session = make_session(study)
    alert = {"study": study, "session": session, "rule": "volume", "value": 1, "limit": 1, "limits_version": 0,
             "message": "1 mm3", "raised_at": NOON}  # fmt: skip
    mice = {mouse.label: mouse for mouse in (*study.mice.all(), make_mouse(study, "X1"))}
    for label, level, occurrence in (
        ("M1", "red", 1),
        ("M2", "red", 1),
        ("M2", "red", 2),
        ("M3", "red", 1),
        ("X1", "red", 1),
    ):
        WelfareAlert.objects.create(mouse=mice[label], level=level, occurrence=occurrence, **alert)
    is_open, by_letters, pooled = three_ways(study, people, "welfare")
    red = {"rule": "volume", "level": "red"}
    assert is_open == [
        {"arm": "aa drug", **red, "n": 3, "n_mice": 2},
        {"arm": "zz vehicle", **red, "n": 1, "n_mice": 1},
    ]
    assert sorted(row["arm"] for row in by_letters) == ["A", "B"]
    assert pooled == [{"arm": "all mice", **red, "n": 4, "n_mice": 3}]


def test_doses_are_told_by_arm_only_where_arms_are_open(study, people, arms):
    mouse = study.mice.get(label="M2")
    assert three_ways_of_none(study)
    Dose.objects.create(
        study=study, mouse=mouse, given_on=date(2026, 6, 1), outcome="given", given_ml=0.2, doser=people.doser,
        recorded_at=NOON,
    )  # fmt: skip
    is_open, by_letters, pooled = three_ways(study, people, "dosing")
    assert (
        is_open["did_both"] == by_letters["did_both"] == [] and by_letters["by_arm"] == [] and pooled is None
    )


def three_ways_of_none(study) -> bool:
    is_none = told(opened(study))["dosing"] is None
    study.is_blinded = True
    return is_none


def test_quality_counts_corrections_voids_and_confirmed_warnings(study, arms):
    session, late = make_session(study, 0), make_session(study, 3)
    first, second, third = study.mice.order_by("label")
    observed = {"observed_at": NOON, "recorded_at": NOON + timedelta(hours=36)}
    make_measurement(session, first, confirmations=["W1", "W2"], **observed)
    make_measurement(session, first, revision=2, reason="typing error", confirmations=["W3"])
    make_measurement(session, second)
    make_measurement(session, second, revision=2, reason="wrong mouse", is_void=True)
    make_measurement(late, third, recorded_at=NOON, observed_at=NOON - timedelta(hours=12))
    make_measurement(late, third, revision=2, reason="wrong mouse", is_void=True)
    study.schedule_days = [0, 3, 7, 10]
    quality = told(opened(study))["quality"]
    assert quality == {
        "n_corrected": 1, "n_void": 2, "n_confirmed_warnings": 3, "n_remeasured": 0, "remeasure_cv_percent": None,
        "n_visits_due": 3, "n_visits_missed": 1, "missed_by_day": [{"day": 3.0, "n": 1}],
        "largest_volume_mm3": 500.0, "days_to_record": 1.5,
    }  # fmt: skip
    unread = TABLE.assign(volume_mm3=float("nan"))
    quality = told(study, table=unread)["quality"]
    assert quality["largest_volume_mm3"] is None and quality["n_visits_due"] == 0


def test_the_scatter_of_two_readings_is_that_of_volumes_measured_twice(study, arms):
    """CV = sqrt(exp(variance of log volumes within visits) - 1); three readings weigh twice as much as two."""
    session, later = make_session(study, 0), make_session(study, 3)
    first, second, third = study.mice.order_by("label")
    for replicate, (length, width) in enumerate(
        ((10, 8), (8, 11), (12, 8)), 1
    ):  # the longer one is the length
        make_measurement(session, first, replicate=replicate, length_mm=length, width_mm=width)
    for replicate, length in enumerate((10, 13), 1):
        make_measurement(later, first, replicate=replicate, length_mm=length)
    make_measurement(session, second)
    for replicate, status in enumerate(("not_palpable", "not_palpable"), 1):
        make_measurement(session, third, replicate=replicate, status=status, length_mm=None, width_mm=None)
    quality = told(opened(study))["quality"]
    thrice, twice = [log(length) for length in (10, 11, 12)], [log(10), log(13)]
    mean = sum(thrice) / 3
    within = (sum((x - mean) ** 2 for x in thrice) + (twice[0] - twice[1]) ** 2 / 2) / 3
    assert quality["n_remeasured"] == 2
    assert quality["remeasure_cv_percent"] == pytest.approx(100 * sqrt(exp(within) - 1), rel=1e-12)
    study.volume_formula = "half_lwh"  # no height was taken, so that no volume is known
    assert told(study)["quality"]["n_remeasured"] == 0
