"""The acceptance limits of the exchange, met exactly, and how far they are widened."""

from types import SimpleNamespace

import numpy as np
import pytest

from studies.randomization import ArmShare, Candidate, Plan, exchange, refusals, rows_sha256
from studies.randomization.dealing import Assignment, even_word
from studies.randomization.exchange import (
    Cohort,
    Limits,
    _said_of,
    _Search,
    calibrate,
    cohort_generator,
    first_limits,
    search,
)
from studies.randomization.methods import _split_cages
from studies.randomization.minimization import _toss
from studies.randomization.units import Units, covariate, units_of
from tests.bench.randomization import plan_of

NO_LIMIT = 100.0


def cohort_of(z, squares, size=None, stratum=None) -> Cohort:
    """Units of two arms with one covariate; `z` and `squares` count 256 a standard deviation."""
    size, stratum = size or [1.0] * len(z), stratum or [0] * len(z)
    units = Units(
        z=np.array(z, dtype=float)[:, None],
        squares=np.array(squares, dtype=float)[:, None],
        size=np.array(size, dtype=float),
        keys=[(str(number),) for number in stratum],
        stratum=np.array(stratum),
        members=np.arange(len(z)),
        names=("weight",),
        weights=np.array([4.0]),
        notes=(),
    )
    return Cohort(units, plan_of(2), [0, 0])


def n_accepted(cohort: Cohort, limits: Limits) -> int:
    return len(search(cohort, limits, 6, np.random.default_rng(1)))


def test_means_may_differ_by_the_limit_and_no_more():
    """Two mice whose pooled SD is 320: 0.05 of it are 16."""
    limits = Limits(smd=0.05, variance_ratio=None, stratum_smd=None)
    assert n_accepted(cohort_of([16, 0], [401, 0]), limits) == 6
    assert n_accepted(cohort_of([17, 0], [401, 0]), limits) == 0


def test_one_variance_may_be_twice_the_other_and_no_more():
    limits = Limits(smd=NO_LIMIT, variance_ratio=2.0, stratum_smd=None)
    assert n_accepted(cohort_of([0, 0], [2, 1]), limits) == 6
    assert n_accepted(cohort_of([0, 0], [2.01, 1]), limits) == 0


def test_a_variance_is_that_of_the_mice_and_not_of_the_cages():
    limits = Limits(smd=NO_LIMIT, variance_ratio=2.0, stratum_smd=None)
    assert n_accepted(cohort_of([0, 0], [4, 1], size=[3.0, 1.0]), limits) == 6
    assert n_accepted(cohort_of([0, 0], [4.1, 1], size=[3.0, 1.0]), limits) == 0


def test_the_fewer_mice_an_arm_has_the_more_each_of_them_weighs():
    found = _Search(cohort_of([0, 0, 0], [0, 0, 0]), np.array([[0, 1, 1]]))
    assert found.share.tolist() == [[2**14, 2**13]]


def test_an_exchange_that_betters_nothing_is_not_made_least_of_all_across_strata():
    alike = _Search(cohort_of([0, 5, 0, 5], [0] * 4, stratum=[0, 0, 1, 1]), np.array([[0, 1, 1, 0]]))
    for unit in range(4):
        alike.exchange(np.array([unit]))
        assert alike.labels.tolist() == [[0, 1, 1, 0]]


@pytest.mark.parametrize(
    ("apart", "sizes", "n"),
    [(128, (2, 2), 6), (129, (2, 2), 0), (96, (3, 1), 6), (97, (3, 1), 0), (1000, (2, 1), 6)],
)
def test_within_a_stratum_of_two_mice_an_arm_means_may_differ_by_half_a_standard_deviation(apart, sizes, n):
    """Two cages beside a mouse of another stratum; three mice are too few to be held to it."""
    cohort = cohort_of([2 * apart, 0, 0], [1e6] * 3, size=[*sizes, 1.0], stratum=[0, 0, 1])
    assert n_accepted(cohort, Limits(NO_LIMIT, None, 0.5)) == n


@pytest.mark.parametrize(
    ("n", "ratios", "ratio"), [(5, (1, 1), None), (6, (1, 1), 2.0), (7, (3, 2), None), (8, (3, 2), 2.0)]
)
def test_variances_are_held_from_three_mice_in_the_smallest_arm(n, ratios, ratio):
    plan = Plan(tuple(ArmShare(str(place), share) for place, share in enumerate(ratios)))
    mice = [Candidate(f"M{place}", 100.0 + place) for place in range(n)]
    limits = first_limits(Cohort(units_of(mice, plan), plan, [0, 0]))
    assert (limits.variance_ratio, limits.smd) == (ratio, 0.08 if ratio else 0.05)


@pytest.mark.parametrize(("models", "limit"), [(1, None), (2, 0.5), (3, 0.5)])
def test_means_are_held_within_strata_where_there_are_several(models, limit):
    plan = plan_of(2, strata=("pdx_model",))
    mice = [Candidate(f"M{n}", 100.0 + n, pdx_model=f"P{n % models}") for n in range(12)]
    assert first_limits(Cohort(units_of(mice, plan), plan, [0, 0])).stratum_smd == limit


def calibrated(monkeypatch, found) -> float:
    """How far the limits are widened where `found(factor)` stands for the search."""
    monkeypatch.setattr(exchange, "search", lambda cohort, limits, starts, rng: found(limits.factor))
    return calibrate(cohort_of([0, 1], [0, 0]), np.random.default_rng(1)).factor


APART, TOGETHER = [0, 1], [0, 0]


@pytest.mark.parametrize("step", [0, 2, 3, 5, 7, 8, 11, 16, 17, 31, 32])
def test_limits_are_widened_by_the_fewest_steps_of_a_fifth_that_do(monkeypatch, step):
    """A single step is passed over: two are the first that are tried."""

    def found(factor):
        return np.array([APART] * 300 if factor >= 1.2**step * 0.999 else [TOGETHER] * 300)

    assert calibrated(monkeypatch, found) == pytest.approx(1.2**step)


@pytest.mark.parametrize(
    ("rows", "is_narrow"),
    [
        ([APART] * 60, True),
        ([APART] * 59, False),
        ([TOGETHER] * 70 + [APART] * 30, True),
        ([TOGETHER] * 71 + [APART] * 29, False),
    ],
)
def test_a_fifth_of_the_starts_must_succeed_and_two_mice_meet_in_seven_of_ten(monkeypatch, rows, is_narrow):
    found = calibrated(monkeypatch, lambda factor: np.array(rows))
    assert found == (1 if is_narrow else np.inf)


def test_the_reference_set_depends_on_the_mice_and_the_starts_alone():
    mice = [Candidate(f"M{place}", 100.0 + place) for place in range(4)]
    one, same, other = (
        cohort_generator(mice, plan_of(2, starts=starts)).random() for starts in (200, 200, 201)
    )
    assert one == same != other


def test_the_record_holds_the_limits_there_were():
    assert Limits(0.05, None, None).as_record() == {"factor": 1.0, "smd": 0.05}
    assert Limits(0.08, 2.0, 0.5).widened(2).as_record() == {
        "factor": 2,
        "smd": 0.16,
        "variance_ratio": 3.0,
        "stratum_smd": 1.0,
    }


def test_of_equal_places_the_arm_given_fewer_of_its_share_stands_first():
    """At a ratio of 3 to 1 the second of the three and the single one stand in the middle."""
    rng = np.random.default_rng(1)
    assert even_word((3, 1), (3, 2), rng).tolist() == [0, 0, 1, 0]
    assert even_word((3, 1), (9, 2), rng).tolist() == [0, 1, 0, 0]


WIDENED = (
    "Acceptance limits were widened 1.2 times, to |SMD| 0.10, so that no two mice share an arm in more than 75 % of "
    "seeds."
)
NONE_SET = "The cohort is too small to be balanced without fixing who meets whom: no limit was set."
NO_VARIANCES = "Variances are not balanced: an arm has fewer than three mice."


@pytest.mark.parametrize(
    ("factor", "ratio", "asked", "said"),
    [
        (1.0, 2.0, True, []),
        (1.2, 2.0, True, [WIDENED]),
        (np.inf, 2.0, True, [NONE_SET]),
        (1.0, None, True, [NO_VARIANCES]),
        (1.2, None, True, [WIDENED, NO_VARIANCES]),
        (1.0, None, False, []),
    ],
)
def test_limits_that_were_widened_or_dropped_are_said(factor, ratio, asked, said):
    units = cohort_of([0, 1], [0, 0]).units
    cohort = Cohort(units, plan_of(2, balance_variances=asked), [0, 0])
    assert _said_of(Limits(0.08, ratio, None).widened(factor), cohort) == said


def test_of_several_best_arms_each_is_favored_by_its_share():
    """Arms of 2, 1 and 1, the last behind none: a coin that always favors gives two thirds to the first."""
    rng = np.random.default_rng(1)
    tossed = [_toss(np.array([0.0, 0.0, 1.0]), np.array([2.0, 1.0, 1.0]), 1.0, rng) for _ in range(600)]
    assert set(tossed) == {0, 1} and tossed.count(0) == pytest.approx(400, abs=40)


def test_a_coin_on_its_very_edge_gives_the_last_arm():
    edge = SimpleNamespace(random=lambda: 1.0)
    assert _toss(np.zeros(3), np.ones(3), 0.8, edge) == 2


def test_a_value_that_is_no_number_has_no_hash():
    with pytest.raises(ValueError, match="not JSON compliant"):
        rows_sha256([{"mouse": "M1", "volume_mm3": float("nan")}])


def test_the_hash_of_a_drawing_s_input_is_the_same_for_good():
    rows = [{"mouse": "Mäuschen", "volume_mm3": 150, "cage": "C1"}]
    assert rows_sha256(rows).startswith("6a5dc9a5ae2e4b1c")
    assert rows_sha256([dict(reversed(rows[0].items()))]) == rows_sha256(rows)


def test_a_volume_of_0_has_no_logarithm_and_is_not_known():
    assert np.isnan(covariate("log_volume", [Candidate("M1", 0)])).all()
    assert covariate("log_volume", [Candidate("M1", 0.5)]) == pytest.approx(np.log(0.5))


@pytest.mark.parametrize(("n", "told"), [(5, "M0, M1, M2, M3, M4"), (6, "M0, M1, M2, M3, M4 and 1 more")])
def test_five_mice_without_a_covariate_are_named_and_the_others_counted(n, told):
    mice = [Candidate(f"M{place}", 100 + place, 20 if place >= n else None) for place in range(8)]
    notes = units_of(mice, plan_of(2)).notes
    assert f"weight is not balanced: it is not known of {told}" in notes


def test_a_cage_is_exchanged_within_the_stratum_of_its_own_mice():
    mice = [
        Candidate(f"M{n}", 100 + n, sex="male" if n < 2 else "female", cage=f"C{n // 2}") for n in range(6)
    ]
    found = units_of(mice, plan_of(2, strata=("sex", "cage")), by_cage=True)
    assert found.keys == [("male", "2 mice"), ("female", "2 mice"), ("female", "2 mice")]
    assert (found.stratum.tolist(), found.members.tolist()) == ([1, 0, 0], [0, 0, 1, 1, 2, 2])


def test_any_volume_above_0_is_drawn_for():
    assert refusals([Candidate("M1", 0.5), Candidate("M2", 1.0)], plan_of(2)) == []
    assert "mouse M1 has a volume of 0 mm³, not above 0" in refusals([Candidate("M1", 0)], plan_of(2))


@pytest.mark.parametrize(("labels", "is_said"), [([0, 0, 1], False), ([0, 1, 1], True), ([0, 1], True)])
def test_arms_of_whole_cages_are_held_against_their_shares(labels, is_said):
    plan = Plan((ArmShare("a", 2), ArmShare("b")), method="whole_cage")
    assert bool(_split_cages([], plan, Assignment(np.array(labels)))) == is_said


def test_two_mice_are_enough_for_a_covariate():
    assert units_of([Candidate("M1", 100), Candidate("M2", 200)], plan_of(2)).names == ("log_volume",)
