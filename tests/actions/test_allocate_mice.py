"""Randomizing a cohort: once, for the right mice, sealed, and drawn again to the bit."""

import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from math import log

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from studies import triggers
from studies.actions.allocate_mice import (
    AllocationRefused,
    AlreadyAllocated,
    Choices,
    ConcernsRaised,
    allocate,
    deviations,
    propose,
    syringe_codes,
)
from studies.actions.audit import allocation_chain, broken_link, study_chain
from studies.actions.enrollment import standings, take_rates, waves
from studies.models import (
    Agent,
    Allocation,
    Arm,
    ArmAgent,
    AuditEvent,
    Cohort,
    Exclusion,
    Mouse,
    PdxModel,
    Randomization,
    SyringeCode,
)
from studies.randomization import RandomizationRefused
from studies.terms import StudyState
from tests.cohorts import ARMS, BASELINE, make_arms, make_baseline, make_cohort, read
from tests.factories import make_measurement, make_pdx_model, make_study
from tests.people import make_user

NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
SEED = "5eed" * 8
QUICK = Choices(method="sorted_block")


@pytest.fixture
def ready(study):
    make_arms(study)
    make_cohort(study, 16)
    return study


@pytest.fixture
def director(db):
    return make_user("a_director", full_name="Dr. Rivera")


def press(study, director, cohort="A", choices=None, seed=SEED, at=NOW, **options) -> Randomization:
    return allocate(study, cohort, choices or QUICK, seed=seed, actor=director, at=at, **options)


def test_a_cohort_is_drawn_and_what_a_replay_needs_is_stored(ready, director):
    drawn = press(ready, director, choices=Choices())
    assert Counter(drawn.allocations.values_list("arm__name", flat=True)) == dict.fromkeys(ARMS, 4)
    assert (drawn.seed, drawn.method, drawn.made_by) == (SEED, "balanced_exchange", director)
    assert [row["mouse"] for row in drawn.ordered_input] == [f"M{n:03d}" for n in range(1, 17)]
    assert drawn.parameters["plan"]["weights"] == {"log_volume": 1.0, "weight": 1.0, "growth_rate": 1.0}
    assert len(drawn.input_sha256) == 64 and "numpy" in drawn.code_version
    call_command("verify_allocation", ready.code)


def test_the_arms_stand_in_the_sealed_chain_alone(ready, director):
    press(ready, director)
    open_events = AuditEvent.objects.filter(chain=study_chain(ready))
    sealed = AuditEvent.objects.get(chain=allocation_chain(ready))
    assert sealed.new["seed"] == SEED and len(sealed.new["allocation"]) == 16
    drawn = Randomization.objects.get()
    assert open_events.get(action="randomized mice").new == {
        "cohort": "A", "mice": 16, "method": "sorted_block", "strata": [], "input_sha256": drawn.input_sha256,
        "left_out": [], "accepted": [],
    }  # fmt: skip
    for event in open_events:
        told = f"{event.old} {event.new} {event.reason}"
        assert SEED not in told and not any(arm in told for arm in ARMS)
    assert broken_link(allocation_chain(ready)) is None and broken_link(study_chain(ready)) is None


def test_every_arm_gets_a_syringe_code_that_later_cohorts_keep(ready, director):
    press(ready, director)
    codes = dict(SyringeCode.objects.values_list("arm__name", "code"))
    assert set(codes) == set(ARMS) and len(set(codes.values())) == 4
    make_cohort(ready, 8, "B", first=17)
    press(ready, director, "B", seed="b" * 32)
    assert dict(SyringeCode.objects.values_list("arm__name", "code")) == codes
    call_command("verify_allocation")


def test_syringe_codes_of_many_arms_differ():
    assert len(set(syringe_codes(SEED, 200))) == 200


def test_syringe_codes_follow_from_the_seed_in_every_version():
    assert syringe_codes(SEED, 4) == ["H7K", "H6W", "X6W", "D6P"]
    assert syringe_codes(SEED, 0) == []


def test_planned_mice_give_the_arms_their_shares(ready, director):
    ready.arms.filter(name="vehicle").update(planned_mice=10)
    ready.arms.exclude(name="vehicle").update(planned_mice=5)
    make_cohort(ready, 4, None, first=17, session=ready.sessions.get())
    Mouse.objects.update(cohort=ready.cohorts.get())
    drawn = press(ready, director)
    counts = Counter(drawn.allocations.values_list("arm__name", flat=True))
    assert counts == {"vehicle": 8, "drug A": 4, "drug B": 4, "drug A + drug B": 4}


def shares(study) -> list[int]:
    return [share.ratio for share in propose(study, "A", QUICK, BASELINE).plan.arms]


def test_an_arm_without_planned_mice_leaves_the_shares_equal(ready):
    for planned, expected in (
        ([12, 6, 6, 18], [2, 1, 1, 3]),
        ([12, 6, 6, None], [1] * 4),
        ([0, 6, 6, 6], [1] * 4),
    ):
        for arm, mice in zip(ready.arms.order_by("position"), planned, strict=True):
            ready.arms.filter(pk=arm.pk).update(planned_mice=mice)
        assert shares(ready) == expected
    assert shares(make_study("PDX-TEST-02")) == []


def test_levels_of_minimization_part_the_window_into_thirds_of_its_logarithm(ready):
    def cuts(lowest: float, method: str = "minimization") -> dict:
        ready.enrollment_min_mm3, ready.enrollment_max_mm3 = lowest, 200
        return dict(propose(ready, "A", Choices(method), BASELINE).plan.cuts)

    assert cuts(100) == {"log_volume": (126.0, 158.7)}
    assert cuts(0) == cuts(1) == {"log_volume": (5.8, 34.2)}  # a window from 0 has no logarithm
    assert cuts(100, "sorted_block") == {}


# Which mice a name stands for


def test_a_name_stands_for_the_cohort_that_waits_the_one_drawn_or_the_mice_without_one(study, director):
    make_arms(study)
    make_cohort(study, 8, "A")
    make_cohort(study, 8, "B", first=21)
    press(study, director, "A")
    press(study, director, "B", seed="b" * 32)
    make_cohort(study, 4, None, first=41)
    Mouse.objects.filter(label="M041").update(label="A041")  # the first of the list has no cohort
    waiting = Cohort.objects.create(study=study, name="C")
    Mouse.objects.create(study=study, label="C1", pdx_model=PdxModel.objects.get(), cohort=waiting)

    def wave(name: str) -> tuple:
        found = propose(study, name, QUICK, BASELINE).wave
        return found.cohort and found.cohort.name, len(found.standings), len(found.ready)

    assert [wave(name) for name in ("A", "B", "C", "", "D")] == [
        ("A", 0, 0), ("B", 0, 0), ("C", 1, 0), (None, 4, 4), (None, 4, 4),
    ]  # fmt: skip
    assert (
        propose(study, "B", QUICK, BASELINE).name == "B" and propose(study, "D", QUICK, BASELINE).name == ""
    )
    assert propose(make_study("PDX-TEST-02"), "D", QUICK, BASELINE).wave.standings == ()


# Pressed twice


def test_a_second_press_and_a_changed_seed_draw_nothing(ready, director):
    first = press(ready, director)
    before = set(Allocation.objects.values_list("mouse", "arm"))
    with pytest.raises(
        AlreadyAllocated, match="cohort A was randomized .* by Dr. Rivera; no second seed"
    ) as told:
        press(ready, director, seed="0" * 31 + "1")
    assert told.value.randomization == first
    assert set(Allocation.objects.values_list("mouse", "arm")) == before


@pytest.mark.django_db(transaction=True)
def test_two_people_pressing_at_once_allocate_once():
    study = make_study()
    make_arms(study)
    make_cohort(study, 12)
    people = [make_user(f"director_{number}") for number in range(4)]
    together, outcomes = threading.Barrier(len(people)), []

    def press_at_once(person, seed):
        try:
            together.wait(timeout=20)
            outcomes.append(press(study, person, seed=seed).pk)
        except AlreadyAllocated as told:
            outcomes.append(told)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=press_at_once, args=(person, f"{number:032x}"))
        for number, person in enumerate(people)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyAllocated"] * 3 + ["int"]
    assert Randomization.objects.count() == 1 and Allocation.objects.count() == 12
    assert AuditEvent.objects.filter(action="allocated mice").count() == 1
    call_command("verify_allocation")


# Replay


def tamper(statement: str) -> None:
    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement)
    triggers.install(connection)


def verdict(capsys) -> str:
    with pytest.raises(CommandError) as failure:
        call_command("verify_allocation")
    assert failure.value.returncode == 1
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        (
            "UPDATE studies_randomization SET seed = '0123'",
            "not in the arm that seed and input give: M0",
        ),
        (
            "UPDATE studies_randomization SET ordered_input = replace(CAST(ordered_input AS text), 'M001', 'M999')"
            "{json}",
            "the ordered input was changed",
        ),
        (
            "UPDATE studies_allocation SET arm_id = (SELECT max(id) FROM studies_arm WHERE id <> arm_id) "
            "WHERE mouse_id = (SELECT id FROM studies_mouse WHERE label = 'M005')",
            "not in the arm that seed and input give: M005",
        ),
        (
            "DELETE FROM studies_allocation WHERE mouse_id = (SELECT id FROM studies_mouse WHERE label = 'M005')",
            "drawn, but not allocated: M005",
        ),
        ("UPDATE studies_randomization SET rejected_count = 999", "stored are 999"),
        ("UPDATE studies_syringecode SET code = 'A' || code", "syringe codes are not those of the seed"),
        ("UPDATE studies_randomization SET algorithm_version = '0'", "drawn by version 0"),
    ],
)
def test_a_changed_seed_input_or_arm_is_named(ready, director, capsys, statement, named):
    press(ready, director, choices=Choices() if "rejected" in statement else QUICK)
    tamper(statement.format(json="::jsonb" if connection.vendor == "postgresql" else ""))
    told = verdict(capsys)
    assert named in told
    assert not any(arm in told for arm in ARMS)


def test_limits_that_differ_and_a_record_that_cannot_be_drawn_again_are_named(ready, director):
    drawn = press(ready, director, choices=Choices())
    limits = drawn.parameters["limits"]
    drawn.parameters["limits"] = limits | dict.fromkeys(limits, 9)
    assert [one.reason for one in deviations(drawn)] == ["the acceptance limits differ from those stored"]
    drawn.seed = "no hexadecimal"
    (told,) = map(str, deviations(drawn))
    assert told.startswith("PDX-TEST-01, cohort A: it cannot be drawn again: ")


def test_verify_of_nothing_and_of_no_study(db, capsys):
    call_command("verify_allocation")
    assert "no randomization" in capsys.readouterr().out
    with pytest.raises(CommandError, match="no study X"):
        call_command("verify_allocation", "X")


def test_an_allocation_cannot_be_changed_by_a_query(ready, director):
    press(ready, director)
    for statement in ("UPDATE studies_syringecode SET code = 'X'", "DELETE FROM studies_randomization"):
        with pytest.raises(Exception, match="append-only"), connection.cursor() as cursor:
            cursor.execute("SAVEPOINT before")
            try:
                cursor.execute(statement)
            finally:
                cursor.execute("ROLLBACK TO SAVEPOINT before")


# Who may be drawn


def test_mice_outside_the_window_are_left_out_with_their_reason(study, director):
    make_arms(study)
    mice = make_cohort(study, 10)
    session = study.sessions.get()
    extra = [
        (make_other(study, "M100"), 80.0, 22.0),
        (make_other(study, "M101"), 240.0, 22.0),
        (make_other(study, "M102"), 150.0, 15.2),
        (make_other(study, "M103"), 150.0, None),
        (make_other(study, "M104"), None, None),
    ]
    for mouse, volume, weight in extra:
        if volume:
            read(session, mouse, volume, weight)
    Exclusion.objects.create(mouse=mice[0], reason="fighting", excluded_at=NOW)
    reasons = {one.mouse.label: "; ".join(one.reasons) for one in standings(study) if one.reasons}
    assert reasons == {
        "M001": "excluded: fighting",
        "M100": "80 mm³ is below the window of 100 to 200 mm³",
        "M101": "240 mm³ is above the window of 100 to 200 mm³",
        "M102": "15.2 g is below the 17 g a mouse must weigh",
        "M103": "no weight at baseline, where 17 g is the least",
        "M104": "no baseline reading",
    }
    drawn = press(study, director, exclude_outside=True)
    assert drawn.allocations.count() == 9
    assert dict(drawn.parameters["left_out"]) == reasons
    told = Exclusion.objects.get(mouse__label="M100").reason
    assert told == "Not enrolled: 80 mm³ is below the window of 100 to 200 mm³."
    assert AuditEvent.objects.filter(action="excluded a mouse").count() == 5


def make_other(study, label: str) -> Mouse:
    return Mouse.objects.create(
        study=study, label=label, pdx_model=PdxModel.objects.first(), cohort=study.cohorts.first()
    )


def test_cohorts_are_randomized_as_their_tumors_arrive(study, director):
    make_arms(study)
    mice = make_cohort(study, 12, None)
    session = study.sessions.get()
    late = [make_other(study, f"L{number}") for number in range(4)]
    for mouse in late:
        read(session, mouse, 60.0)
    assert [(wave.cohort, len(wave.ready), len(wave.left_out)) for wave in waves(standings(study))] == [
        (None, 12, 4)
    ]
    first = press(study, director, "A")
    assert {allocation.mouse for allocation in first.allocations.all()} == set(mice)
    (wave,) = waves(standings(study))
    assert (wave.cohort, len(wave.ready), len(wave.left_out)) == (None, 0, 4)
    again = make_baseline(study, on=date(2026, 6, 8))
    for mouse in late:
        read(again, mouse, 130.0)
    second = press(study, director, "B", seed="beef", at=datetime(2026, 6, 8, 15, tzinfo=UTC))
    assert Counter(second.allocations.values_list("arm__name", flat=True)) == dict.fromkeys(ARMS, 1)
    assert Mouse.objects.get(label="L0").cohort.name == "B"
    formed = AuditEvent.objects.filter(action="formed a cohort").order_by("pk").last()
    assert formed.new == {"cohort": "B", "mice": ["L0", "L1", "L2", "L3"]}
    assert len(second.ordered_input) == 16 and sum(bool(row["arm"]) for row in second.ordered_input) == 12
    call_command("verify_allocation")


def test_minimization_takes_a_mouse_alone(study, director):
    make_arms(study)
    make_cohort(study, 3, "A")
    press(study, director, choices=Choices(method="minimization"))
    make_cohort(study, 1, "B", first=9)
    drawn = press(study, director, "B", Choices(method="minimization"), seed="1")
    assert drawn.allocations.count() == 1
    assert drawn.parameters["plan"]["cuts"] == {"log_volume": [126.0, 158.7]}
    call_command("verify_allocation")


def test_the_growth_rate_before_baseline_is_balanced_too(study, director):
    make_arms(study)
    mice = make_cohort(study, 8)
    earlier = make_session_before(study)
    for mouse in mice:
        read(earlier, mouse, 75.0)
    rows = {one.mouse.label: one for one in standings(study)}
    volume = rows["M001"].volume_mm3
    assert rows["M001"].growth_rate_per_day == pytest.approx(log(volume / 75) / 4)
    assert press(study, director).ordered_input[0]["growth_rate_per_day"] is not None


def make_session_before(study):
    from studies.models import MeasurementSession

    return MeasurementSession.objects.create(study=study, due_on=date(2026, 5, 28))


def test_take_rate_counts_mice_that_ever_had_a_tumor(study):
    make_cohort(study, 5)
    make_other(study, "M100")
    (rate,) = take_rates(study)
    assert (rate.implanted, rate.took) == (6, 5) and rate.percent == pytest.approx(83.3, abs=0.1)


# Refused or asked about by name


def refused(study, director, match: str, kind=AllocationRefused, **options):
    with pytest.raises(kind, match=match):
        press(study, director, **options)
    assert not Allocation.objects.exists() and not AuditEvent.objects.exists()


def test_before_baseline(study, director):
    make_arms(study)
    make_cohort(study, 8)
    other = make_study("PDX-OTHER-09")
    make_arms(other)
    Mouse.objects.create(
        study=other,
        label="M1",
        pdx_model=PdxModel.objects.get(),
        cohort=Cohort.objects.create(study=other, name="A"),
    )
    refused(other, director, "no baseline is measured")


def test_a_cohort_of_which_no_mouse_is_ready(study, director):
    make_arms(study)
    session = make_baseline(study, Cohort.objects.create(study=study, name="A"))
    make_pdx_model()
    read(session, make_other(study, "M001"), 60.0)
    refused(study, director, "^no mouse of the cohort is ready$")


def test_a_new_cohort_wants_a_name(study, director):
    make_arms(study)
    make_cohort(study, 8, None)
    refused(study, director, "^name the new cohort$", cohort="")
    assert not study.cohorts.exists()


def test_after_the_first_dose(ready, director):
    ready.cohorts.update(day0=BASELINE)
    refused(
        ready, director, "cohort A was first dosed on 01 June 2026", at=datetime(2026, 6, 2, 9, tzinfo=UTC)
    )
    assert press(ready, director).pk  # on day 0 itself, before the dose


def test_more_arms_than_mice(study, director):
    make_arms(study)
    make_cohort(study, 3)
    refused(study, director, r"4 arms \(1, 2, 3, 4\) are more than the 3 mice")
    study.is_blinded = False
    study.save()
    refused(study, director, r"4 arms \(vehicle, .*\) are more than the 3 mice")


def test_a_draft_is_activated_first(ready, director):
    ready.state = StudyState.DRAFT
    ready.save()
    refused(ready, director, "is draft: mice are randomized in an active study")


def test_a_stratum_with_one_mouse_is_asked_about(ready, director):
    Mouse.objects.filter(label="M003").update(pdx_model=make_pdx_model("BR-777"))
    choices = Choices("sorted_block", strata=("pdx_model",))
    concern = "PDX model BR-777 holds one mouse, M003"
    refused(ready, director, concern, ConcernsRaised, choices=choices)
    drawn = press(ready, director, choices=choices, accepted=[concern])
    assert drawn.parameters["accepted"] == [concern]


def test_overlapping_arms_are_asked_about(ready, director):
    Arm.objects.create(study=ready, name="second vehicle", role="vehicle", position=9)
    refused(ready, director, "arms 1 and 5 give the same", ConcernsRaised)
    ready.is_blinded = False
    ready.save()
    refused(ready, director, "arms vehicle and second vehicle give the same", ConcernsRaised)


def test_an_old_baseline_is_asked_about(ready, director):
    at = datetime(2026, 6, 9, 9, tzinfo=UTC)
    refused(ready, director, "M001, .* and 11 more is up to 8 days old", ConcernsRaised, at=at)


@pytest.mark.parametrize(("mice", "named"), [(5, "M005"), (6, "M005 and 1 more")])
def test_a_baseline_of_four_days_before_is_old(study, mice, named):
    make_arms(study)
    make_cohort(study, mice)
    assert propose(study, "A", QUICK, BASELINE + timedelta(days=3)).concerns == ()
    assert propose(study, "A", QUICK, BASELINE + timedelta(days=4)).concerns == (
        f"the baseline of M001, M002, M003, M004, {named} is up to 4 days old",
    )


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({}, {}, True),
        ({"dose_mg_per_kg": None}, {"dose_mg_per_kg": None}, True),
        ({"dose_mg_per_kg": 1.0}, {"dose_mg_per_kg": 2.0}, False),
        ({"dose_mg_per_kg": None}, {"dose_mg_per_kg": 1.0}, False),
        ({"first_day": 0}, {"first_day": 1}, False),
        ({"first_day": None}, {"first_day": 0}, False),
        ({"last_day": 20}, {"last_day": 21}, False),
        ({"last_day": None}, {"last_day": 21}, False),
        ({"last_day": None}, {"last_day": None}, True),
        ({"route": "oral"}, {"route": "iv"}, False),
        ({"frequency": "qd"}, {"frequency": "bid"}, False),
    ],
)
def test_arms_overlap_where_agent_dose_route_and_days_are_the_same(study, one, other, is_same):
    make_arms(study, ("vehicle", "drug A", "drug B"))
    agent = Agent.objects.first()
    for name, change in (("drug A", one), ("drug B", other)):
        same = {"agent": agent, "dose_mg_per_kg": 10.0, "first_day": 0, "last_day": 21} | change
        ArmAgent.objects.filter(arm__name=name).update(**same)
    found = propose(study, "A", QUICK, BASELINE).concerns
    assert found == (("arms 2 and 3 give the same",) if is_same else ())


def test_mice_that_changed_since_they_were_shown(ready, director):
    shown = propose(ready, "A", QUICK, NOW.date()).token
    Exclusion.objects.create(mouse=ready.mice.first(), reason="died", excluded_at=NOW)
    refused(ready, director, "changed since they were shown", expected_token=shown)


def test_what_a_page_shows_of_a_proposal_does_not_depend_on_where_earlier_mice_went(ready, director):
    """A plain hash over their arms could be tried against each of the few ways a small first cohort may lie."""
    press(ready, director)
    make_cohort(ready, 8, "B", first=40)
    shown = propose(ready, "B", QUICK, NOW.date()).token
    first = Allocation.objects.order_by("pk").first()
    other = Arm.objects.exclude(pk=first.arm_id).first()
    triggers.drop(connection)
    Allocation.objects.filter(pk=first.pk).update(arm=other)
    triggers.install(connection)
    assert propose(ready, "B", QUICK, NOW.date()).token == shown
    Mouse.objects.filter(label="M040").update(sex="male")
    assert propose(ready, "B", QUICK, NOW.date()).token != shown


def test_a_drawing_that_finds_no_acceptable_allocation_is_refused_in_words(ready, director, monkeypatch):
    def none_found(*args):
        raise RandomizationRefused("none of 200 allocations came within the limits")

    monkeypatch.setattr("studies.randomization.draw", none_found)
    refused(ready, director, "none of 200 allocations")


def test_a_record_of_a_method_of_before_is_named_and_not_replayed(ready, director):
    drawn = Randomization.objects.create(
        study=ready, method="by lots", seed="1", algorithm_version="1", code_version="1", ordered_input=[],
        input_sha256="0" * 64, made_at=NOW, made_by=director,
    )  # fmt: skip
    assert list(map(str, deviations(drawn))) == [
        "PDX-TEST-01, cohort -: its method, by lots, is none of this version's"
    ]


def test_a_mouse_allocated_beside_the_drawing_is_named(ready, director):
    drawn = press(ready, director)
    Allocation.objects.create(mouse=make_other(ready, "M099"), arm=ready.arms.first(), randomization=drawn)
    assert [one.reason for one in deviations(drawn)] == ["allocated, but not drawn: M099"]


@pytest.mark.parametrize("choices", [Choices(), Choices("minimization")], ids=lambda one: one.method)
def test_a_mouse_drawn_earlier_whose_baseline_was_voided_hinders_no_later_cohort(ready, director, choices):
    press(ready, director)
    mouse = Mouse.objects.get(label="M003")
    make_measurement(
        ready.sessions.get(), mouse, revision=2, is_void=True, reason="another mouse was measured"
    )
    make_cohort(ready, 8, "B", first=41)
    second = press(ready, director, "B", choices, seed="b" * 32)
    assert second.allocations.count() == 8 and deviations(second) == []


def test_variances_are_balanced_unless_the_director_wants_otherwise():
    assert Choices() == Choices(method="balanced_exchange", strata=(), balance_variances=True)
