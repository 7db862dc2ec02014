"""What version 1 drew it draws for good: each drawing here was made once, and a replay must give it again.

The mice are spread by multiples, not by a generator, so that nothing but the methods themselves is pinned.
"""

import numpy as np
import pytest

from studies.randomization import ALGORITHM_VERSION, ArmShare, Candidate, Plan, draw, redraw


def cohort(n: int, arms: tuple[str, ...] = ()) -> list[Candidate]:
    """Mice of two PDX models and both sexes, three to a cage; the first of them in `arms` already."""
    return [
        Candidate(
            f"M{place:02d}",
            volume_mm3=100 + 37 * place % 101 + (0 if place % 3 else 40),
            weight_g=19 + 53 * place % 67 / 10,
            growth_rate_per_day=(29 * place % 41 - 15) / 200,
            pdx_model=f"P{place % 5 // 3}",
            sex="female" if place % 2 else "male",
            cage=f"C{place // 3}",
            arm=arms[place] if place < len(arms) else "",
        )
        for place in range(n)
    ]


def plan(*ratios: int, **options) -> Plan:
    return Plan(tuple(ArmShare(str(place), ratio) for place, ratio in enumerate(ratios)), **options)


BEHIND = ("0", "0", "0", "1")
CASES = {
    "alike": (cohort(18), plan(1, 1, 1)),
    "a larger control": (cohort(20), plan(2, 1, 1, starts=60)),
    "without variances": (cohort(20), plan(1, 1, balance_variances=False, starts=60)),
    "two mice an arm": (cohort(8), plan(1, 1, 1, 1, starts=60)),
    "within PDX models": (cohort(24), plan(1, 1, 1, strata=("pdx_model",), starts=60)),
    "within models and sexes": (cohort(26), plan(1, 1, strata=("pdx_model", "sex"), starts=60)),
    "a later cohort": (cohort(18, BEHIND), plan(1, 1, 1, starts=60)),
    "volume counts double": (cohort(18), plan(1, 1, 1, weights={"log_volume": 2, "weight": 0.6}, starts=60)),
    "whole cages": (cohort(26), plan(1, 1, method="whole_cage", starts=60)),
    "simple": (cohort(13, BEHIND), plan(1, 1, 2, method="simple", strata=("sex",))),
    "permuted blocks": (
        cohort(31, BEHIND),
        plan(1, 1, 2, method="permuted_block", blocks_of=2, strata=("sex",)),
    ),
    "sorted blocks": (cohort(17), plan(2, 1, method="sorted_block")),
    "minimization": (
        cohort(20, BEHIND),
        plan(2, 1, 1, method="minimization", strata=("sex",), cuts={"log_volume": (120, 150)}),
    ),
    "four mice": (cohort(4), plan(1, 1, starts=60)),
    "ten to one": (cohort(11), plan(10, 1, starts=20)),
    "one mouse beside two": (cohort(3), plan(1, 2, starts=20)),
    "one mouse beside five": (cohort(10, BEHIND), plan(1, 5, starts=20)),
}
DRAWN = {
    "alike": ("021121102120201002", "", 137, 2.074),
    "a larger control": ("11201000022020211000", "", 20, 2.488),
    "without variances": ("11001000011101011010", "", 16, 1.44),
    "two mice an arm": ("03123012", "", 0, 31.948),
    "within PDX models": ("200222212002011111011200", "", 1, 3.583),
    "within models and sexes": ("00010100101110101001110101", "", 0, 3.583),
    "a later cohort": ("01220121212010", "", 8, 4.3),
    "volume counts double": ("011220000212111220", "", 3, 1.728),
    "whole cages": ("11111100011100000011100000", "", 0, 5.16),
    "simple": ("112022022", "", 0, 0),
    "permuted blocks": ("022012102221210202122221221", "111111111111111122222222222", 0, 0),
    "sorted blocks": ("10000010010110001", "55345244133622611", 0, 0),
    "minimization": ("2211002100202101", "", 0, 0),
    "four mice": ("0011", "", 0, 46.005),
    "ten to one": ("00000001000", "", 0, np.inf),
    "one mouse beside two": ("101", "", 5, 95.396),
    "one mouse beside five": ("101111", "", 0, np.inf),
}
REDRAWN = ["002112022121100111020022", "110111002000222221012120", "001220121222200121100011"]


@pytest.mark.parametrize("name", CASES)
def test_a_replay_gives_what_was_drawn(name):
    mice, rule = CASES[name]
    drawing = draw(mice, rule, "deadbeef")
    blocks, factor = (
        "".join(block[-1:] for block in drawing.blocks),
        round(drawing.limits.get("factor", 0), 3),
    )
    assert ALGORITHM_VERSION == "1"
    assert ("".join(drawing.arms), blocks, drawing.rejected, factor) == DRAWN[name]


def test_a_block_is_named_by_its_stratum_and_number():
    mice, rule = CASES["permuted blocks"]
    assert set(draw(mice, rule, "1").blocks) == {"female/1", "female/2", "male/1", "male/2"}


def test_a_permutation_test_draws_the_same_reference_set_again():
    mice, rule = CASES["within PDX models"]
    labels = redraw(mice, rule, 3, np.random.default_rng(1))
    assert ["".join(map(str, row)) for row in labels] == REDRAWN
