"""Each method by what it promises, and what is refused before any of them draws."""

from collections import Counter

import numpy as np
import pytest

from studies.randomization import (
    METHODS,
    ArmShare,
    Candidate,
    Plan,
    RandomizationRefused,
    as_rows,
    draw,
    from_rows,
    lone_strata,
    redraw,
    rows_sha256,
)
from studies.randomization.units import units_of
from tests.bench.randomization import plan_of, simulated_cohort


def cohort(mice: int = 24, seed: int = 1, **factors) -> list[Candidate]:
    """Simulated mice; `factors` are functions of a mouse's number."""
    return [
        Candidate(m.mouse, m.volume_mm3, m.weight_g, **{name: value(n) for name, value in factors.items()})
        for n, m in enumerate(simulated_cohort(mice, np.random.default_rng(seed)))
    ]


def table(mice, drawing, factor: str) -> dict[tuple[str, str], int]:
    arm_of = drawing.arm_of
    return Counter((getattr(mouse, factor), arm_of[mouse.mouse]) for mouse in mice if mouse.mouse in arm_of)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_drawing_and_another_seed_another(method):
    mice = cohort(24, cage=lambda n: f"C{n // 2}")
    plan = plan_of(3, method=method)
    first = draw(mice, plan, "a1")
    assert draw(mice, plan, "a1") == first != draw(mice, plan, "a2")


@pytest.mark.parametrize("method", METHODS)
def test_a_plan_and_its_mice_come_back_from_the_record(method):
    mice = cohort(12, cage=lambda n: f"C{n // 2}", sex=lambda n: "female" if n % 2 else "male")
    plan = plan_of(
        3, method=method, strata=("sex",) if method != "whole_cage" else (), cuts={"weight": (21.5,)}
    )
    assert Plan.from_record(plan.as_record()) == plan
    assert from_rows(as_rows(mice)) == mice
    assert rows_sha256(as_rows(mice)) != rows_sha256(as_rows(mice[::-1]))


def test_the_hash_of_the_input_does_not_know_22_from_22_point_0():
    row = as_rows([Candidate("M1", 150.0, 22.0)])
    assert rows_sha256(row) == rows_sha256([{**row[0], "weight_g": 22}])


@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("minimization", "whole_cage")])
@pytest.mark.parametrize("ratios", [(1, 1, 1), (2, 1, 1), (3, 2, 1)])
def test_arms_have_the_sizes_their_ratios_ask_for(method, ratios):
    arms = tuple(ArmShare(f"arm {place}", ratio) for place, ratio in enumerate(ratios))
    counts = Counter(draw(cohort(4 * sum(ratios)), Plan(arms, method=method), "7").arms)
    assert [counts[share.arm] for share in arms] == [4 * ratio for ratio in ratios]


@pytest.mark.parametrize("method", [m for m in METHODS if m not in ("minimization", "whole_cage")])
def test_mice_that_do_not_divide_make_arms_differ_by_one(method):
    counts = Counter(draw(cohort(26), plan_of(4, method=method), "7").arms)
    assert max(counts.values()) - min(counts.values()) == 1


@pytest.mark.parametrize("method", ["balanced_exchange", "simple", "sorted_block", "permuted_block"])
def test_every_stratum_is_spread_over_the_arms(method):
    mice = cohort(40, pdx_model=lambda n: f"P{n // 20}", cage=lambda n: f"C{n // 5}")
    plan = plan_of(4, method=method, strata=("pdx_model", "cage"))
    drawing = draw(mice, plan, "c0ffee")
    assert set(table(mice, drawing, "pdx_model").values()) == {5}
    in_cages = table(mice, drawing, "cage")
    assert all(in_cages[f"C{cage}", arm] in (1, 2) for cage in range(8) for arm in plan.names)


def test_sorted_blocks_hold_one_mouse_of_each_arm_and_neighbors_in_volume():
    mice = cohort(16)
    drawing = draw(mice, plan_of(4, method="sorted_block"), "5")
    ranked = sorted(range(16), key=lambda place: -mice[place].volume_mm3)
    assert [drawing.blocks[place] for place in ranked] == [str(1 + rank // 4) for rank in range(16)]
    assert all(len({drawing.arms[place] for place in ranked[i : i + 4]}) == 4 for i in (0, 4, 8, 12))


def test_whole_cages_stay_together_and_arms_stay_alike():
    mice = cohort(48, cage=lambda n: f"C{n // 3}")
    drawing = draw(mice, plan_of(4, method="whole_cage"), "5")
    arm_of_cage = {(mouse.cage, arm) for mouse, arm in zip(mice, drawing.arms, strict=True)}
    assert len(arm_of_cage) == 16
    assert set(Counter(drawing.arms).values()) == {12}


def test_whole_cages_that_do_not_divide_are_said():
    mice = cohort(20, cage=lambda n: f"C{n // 4}")
    assert any("Whole cages" in note for note in draw(mice, plan_of(2, method="whole_cage"), "5").notes)


def test_a_later_cohort_gives_its_extra_mice_to_the_arms_that_are_behind():
    earlier = [
        Candidate(f"E{n}", 150.0, arm=arm) for n, arm in enumerate(["arm 1", "arm 1", "arm 2", "arm 3"])
    ]
    for method in ("balanced_exchange", "simple", "permuted_block", "sorted_block"):
        drawing = draw([*earlier, *cohort(8)], plan_of(3, method=method), "9")
        assert Counter(drawing.arms) == {"arm 1": 2, "arm 2": 3, "arm 3": 3}, method


def test_minimization_keeps_levels_even_and_its_ratio_on_average():
    plan = Plan(
        (ArmShare("control", 2), ArmShare("drug")),
        method="minimization",
        strata=("sex",),
        cuts={"log_volume": (130.0, 170.0)},
    )
    share, spreads = [], []
    for seed in range(60):
        mice = cohort(36, seed, sex=lambda n: "female" if n % 3 else "male")
        drawing = draw(mice, plan, f"{seed:x}")
        share.append(drawing.arms.count("control") / 36)
        by_sex = table(mice, drawing, "sex")
        spreads.append(abs(by_sex["male", "control"] / 2 - by_sex["male", "drug"]))
    assert np.mean(share) == pytest.approx(2 / 3, abs=0.01)
    assert np.mean(spreads) < 1.2


def test_minimization_by_an_always_true_coin_fills_arms_in_turn():
    plan = plan_of(4, method="minimization", coin=1.0)
    drawing = draw(cohort(12), plan, "3")
    for first in (0, 4, 8):
        assert len(set(drawing.arms[first : first + 4])) == 4


def test_the_reference_set_of_a_permutation_test_obeys_the_same_constraints():
    mice = cohort(24, sex=lambda n: "female" if n % 2 else "male")
    plan = plan_of(3, strata=("sex",))
    labels = redraw(mice, plan, 50, np.random.default_rng(4))
    females = np.array([mouse.sex == "female" for mouse in mice])
    assert labels.shape == (50, 24)
    for row in labels:
        assert (np.bincount(row) == 8).all() and (np.bincount(row[females]) == 4).all()
    assert len(np.unique(labels, axis=0)) == 50


@pytest.mark.parametrize(
    ("mice", "plan", "reason"),
    [
        (cohort(3), plan_of(4), "4 arms .* are more than the 3 mice"),
        (cohort(8, cage=lambda n: f"C{n // 4}"), plan_of(3, method="whole_cage"), "more than the 2 cages"),
        (cohort(8), plan_of(1), "two arms or more"),
        (cohort(8), Plan((ArmShare("drug"), ArmShare(" Drug"))), "arm drug is named twice"),
        (cohort(8), Plan((ArmShare("a"), ArmShare("b", 0))), "arm b has a share of 0"),
        ([*cohort(4), cohort(1)[0]], plan_of(2), "mouse M001 is named twice"),
        ([*cohort(4), Candidate("M9", 0.0)], plan_of(2), "M9 has a volume of 0"),
        ([*cohort(4), Candidate("M9", 99.0, arm="gone")], plan_of(2), "M9 is in gone, which is no arm"),
        (cohort(8), plan_of(2, method="dice"), "no method dice"),
        (cohort(8), plan_of(2, strata=("mood",)), "mood is no stratum"),
        ([], plan_of(2), "more than the 0 mice"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(mice, plan, reason):
    with pytest.raises(RandomizationRefused, match=reason):
        draw(mice, plan, "1")


def test_a_stratum_of_one_mouse_is_named_and_a_thin_one_noted():
    mice = cohort(13, pdx_model=lambda n: "BR-9" if n == 12 else "BR-1" if n > 2 else "BR-2")
    plan = plan_of(4, strata=("pdx_model",))
    assert lone_strata(mice, plan) == ["PDX model BR-9 holds one mouse, M013"]
    assert lone_strata(mice, plan_of(4)) == []
    assert "PDX model BR-2 holds 3 mice, fewer than the 4 arms." in draw(mice, plan, "2").notes


def test_a_covariate_not_known_of_every_mouse_is_left_out_and_said():
    mice = [*cohort(11), Candidate("M099", 140.0)]
    notes = draw(mice, plan_of(3), "2").notes
    assert "weight is not balanced: it is not known of M099" in notes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mice", [2, 3, 4, 5])
def test_the_smallest_cohorts_are_drawn(method, mice):
    drawing = draw(cohort(mice), plan_of(2, method=method), "2")
    assert len(drawing.arms) == mice


def test_mice_all_alike_are_drawn():
    mice = [Candidate(f"M{n}", 150.0, 22.0) for n in range(8)]
    drawing = draw(mice, plan_of(2), "2")
    assert Counter(drawing.arms) == {"arm 1": 4, "arm 2": 4}
    assert any("the same in every mouse" in note for note in drawing.notes)


def test_a_covariate_without_weight_is_left_out():
    mice = cohort(9)
    assert units_of(mice, plan_of(3, weights={"log_volume": 1, "weight": 0})).names == ("log_volume",)
    assert units_of(mice, plan_of(3)).names == ("log_volume", "weight")


def test_where_no_allocation_comes_within_the_limits_the_drawing_is_refused():
    with pytest.raises(
        RandomizationRefused, match="none of 1 allocations came within the limits; allow more"
    ):
        draw(cohort(9), plan_of(3, starts=1), "0")


@pytest.mark.parametrize(
    ("n_thin", "said"),
    [(4, "holds 2 mice, fewer than the 3 arms"), (5, "5 of 6 strata hold fewer mice than there are arms")],
)
def test_strata_thinner_than_the_arms_are_named_up_to_four_and_counted_beyond(n_thin, said):
    models = [f"P{n // 2}" for n in range(2 * n_thin)] + ["P9"] * 3
    mice = cohort(len(models), pdx_model=lambda n: models[n])
    notes = draw(mice, plan_of(3, method="simple", strata=("pdx_model",)), "1").notes
    thin = [note for note in notes if said in note]
    assert len(thin) == (n_thin if n_thin == 4 else 1) and not any("PDX model P9 " in note for note in notes)
