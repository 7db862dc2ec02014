"""The multivariate t: by hand where a closed form exists, by simulation, by law."""

import itertools

import numpy as np
import pytest
from scipy import integrate, special, stats
from scipy.linalg import block_diag

from studies.analysis.lmm.adjust import adjust_p, holm
from studies.analysis.lmm.multivariate_t import (
    _by_direction,
    _by_factor,
    _by_union,
    _scale_nodes,
    adjusted_p,
    one_factor,
)


def dunnett(size: int, rho: float = 0.5) -> np.ndarray:
    return np.full((size, size), rho) + (1 - rho) * np.eye(size)


def test_independent_normals_have_a_closed_form():
    p = adjusted_p(np.full(4, 2.5), np.full(4, np.inf), np.eye(4))
    assert p == pytest.approx(np.full(4, 1 - (1 - 2 * special.ndtr(-2.5)) ** 4), rel=1e-12)


@pytest.mark.parametrize(
    ("size", "df", "critical"),
    [(2, 10, 2.57), (3, 10, 2.76), (4, 20, 2.65), (5, 6, 3.39), (2, 5, 3.03), (9, 60, 2.77)],
)
def test_dunnetts_published_two_sided_five_percent_points(size, df, critical):
    """Dunnett 1964, Biometrics 20:482, table II, given to two digits."""
    low, high = (adjusted_p(np.full(size, critical + step), np.full(size, df), dunnett(size))[0]
                 for step in (0.008, -0.008))  # fmt: skip
    assert low < 0.05 < high


def test_both_routes_agree_where_both_apply():
    for df in (1.7, 6.3, 40.0):
        for statistic in (0.7, 2.2, 5.0):
            by_factor = _by_factor(statistic, df, one_factor(dunnett(3, 0.4)))
            assert _by_direction(statistic, df, dunnett(3, 0.4)) == pytest.approx(by_factor, rel=2e-5)


def test_many_unlike_contrasts_agree_with_the_one_factor_route():
    loadings = np.array([0.9, 0.5, -0.3, 0.7, 0.2])
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    assert _by_direction(2.4, 9.5, correlation) == pytest.approx(_by_factor(2.4, 9.5, loadings), rel=1e-3)


def test_all_pairs_are_tukeys_range():
    pairs = np.array([[1, -1, 0], [1, 0, -1], [0, 1, -1]]) / np.sqrt(2)
    p = adjusted_p(np.full(3, 2.7), np.full(3, 12.0), pairs @ pairs.T)
    assert p == pytest.approx(np.full(3, stats.studentized_range.sf(2.7 * np.sqrt(2), 3, 12)), rel=1e-6)


def test_a_tiny_p_keeps_its_relative_precision():
    p = adjusted_p(np.full(3, 40.0), np.full(3, 20.0), dunnett(3))[0]
    single = 2 * special.stdtr(20, -40.0)
    assert single < p <= 3 * single
    assert p == pytest.approx(3 * single, rel=0.2)


def test_copies_and_mirror_images_cost_nothing():
    rho = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0], [1.0, -1.0, 1.0]])
    assert adjusted_p(np.full(3, 2.0), np.full(3, 8.0), rho) == pytest.approx(2 * special.stdtr(8, -2.0))


def test_each_contrast_uses_its_own_degrees_of_freedom():
    p = adjusted_p(np.array([2.5, 2.5]), np.array([4.0, 400.0]), dunnett(2))
    assert p[0] > p[1]
    assert p[0] == pytest.approx(adjusted_p(np.array([2.5, 2.5]), np.array([4.0, 4.0]), dunnett(2))[0])


def test_adjusted_p_lies_between_single_and_bonferroni_and_grows_with_the_family():
    before = 0.0
    for size in range(1, 7):
        p = adjusted_p(np.full(size, 2.2), np.full(size, 11.0), dunnett(size))[0]
        single = 2 * special.stdtr(11, -2.2)
        assert max(single, before) <= p <= size * single + 1e-15
        before = p


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.filterwarnings("error")
def test_a_contrast_without_a_standard_error_counts_neither_in_nor_out():
    covariance = np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]])
    p, t, df = np.array([0.03, 0.2, 0.0]), np.array([2.3, 1.3, np.inf]), np.array([20.0, 20.0, 20.0])
    found = adjust_p(p, t, df, covariance, "mvt")
    assert found[:2] == pytest.approx(adjust_p(p[:2], t[:2], df[:2], covariance[:2, :2], "mvt"))
    assert np.isnan(found[2])


def test_a_missing_p_counts_neither_in_nor_out():
    p = np.array([0.01, np.nan, 0.04])
    assert adjust_p(p, p, p, np.eye(3), "holm")[[0, 2]] == pytest.approx([0.02, 0.04])


def by_quadrature(t: float, df: float, rho: float) -> float:
    """Two contrasts by polar coordinates, where the radius has a closed form, to 12 digits between the kinks."""
    first, second = np.array([1.0, 0.0]), np.array([rho, np.sqrt(1 - rho**2)])

    def beyond(angle: float) -> float:
        direction = np.array([np.cos(angle), np.sin(angle)])
        return (1 + (t / max(abs(first @ direction), abs(second @ direction))) ** 2 / df) ** (-df / 2)

    between = np.arccos(rho)
    breaks = sorted({0.0, np.pi, between, between / 2, between / 2 + np.pi / 2})
    parts = [integrate.quad(beyond, low, high, epsabs=0, epsrel=1e-12, limit=200)[0]
             for low, high in itertools.pairwise(breaks)]  # fmt: skip
    return sum(parts) / np.pi


@pytest.mark.parametrize("df", [2.5, 20.0, 300.0])
@pytest.mark.parametrize("rho", [0.0, 0.5, -0.3, 0.95])
def test_p_keeps_its_digits_however_small(df, rho):
    correlation = np.array([[1.0, rho], [rho, 1.0]])
    for t in (0.5, 5.0, 30.0, 100.0):
        p = adjusted_p(np.array([t, t]), np.array([df, df]), correlation)[0]
        assert p == pytest.approx(by_quadrature(t, df, rho), rel=1e-6, abs=1e-300)


@pytest.mark.parametrize(("df", "t"), [(5.0, 20.0), (20.0, 8.0), (150.0, 8.0), (np.inf, 8.0), (150.0, 20.0)])
def test_many_unlike_contrasts_keep_theirs(df, t):
    """One common factor, so that the exact integral is at hand, but taken the way of those without."""
    loadings = np.array([0.9, 0.5, -0.3, 0.7, 0.2, 0.6])
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    assert _by_union(t, df, correlation) == pytest.approx(_by_factor(t, df, loadings), rel=3e-3)


# Pairs that correlate with each other and with no other pair: exact by one integral over the scale


NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(120)


def of_pair(bound: np.ndarray, rho: float) -> np.ndarray:
    """P(|Z_1| and |Z_2| <= bound) of two standard normals that correlate by rho."""
    u, spread = bound[:, None] * NODES, np.sqrt(1 - rho**2)
    beside = special.ndtr((bound[:, None] - rho * u) / spread) - special.ndtr(
        (-bound[:, None] - rho * u) / spread
    )
    return bound * ((stats.norm.pdf(u) * beside) @ NODE_WEIGHTS)


def of_pairs(t: float, df: float, rhos: list[float | None]) -> float:
    """p of the largest of the contrasts: two for each of `rhos`, one for a None."""
    low, high = (1.0, 1.0) if np.isinf(df) else stats.chi.ppf((1e-15, 1 - 1e-15), df) / np.sqrt(df)
    scale = (high + low) / 2 + (high - low) / 2 * NODES
    mass = np.ones(len(NODES)) if np.isinf(df) else stats.chi.pdf(scale * np.sqrt(df), df)
    mass = mass * NODE_WEIGHTS / (mass @ NODE_WEIGHTS)
    parts = [1 - 2 * special.ndtr(-t * scale) if rho is None else of_pair(t * scale, rho) for rho in rhos]
    return float(mass @ (1 - np.prod(parts, axis=0)))


def correlation_of(rhos: list[float | None]) -> np.ndarray:
    parts = [np.eye(1) if rho is None else np.array([[1, rho], [rho, 1]]) for rho in rhos]
    return block_diag(*parts)


@pytest.mark.parametrize("df", [6.5, 30.0, np.inf])
@pytest.mark.parametrize("rhos", [[0.6, None], [0.7, -0.4], [0.8, 0.5, None]])
def test_pairs_without_a_common_factor_keep_the_exact_p(rhos, df):
    """On the sphere to six digits, on the lattice to three; a small p, from its own tail, to three as well."""
    correlation = correlation_of(rhos)
    size, t = len(correlation), np.array([0.8, 2.3, 4.5, 3.1, 6.0])[: len(correlation)]
    p = adjusted_p(t, np.full(size, df), correlation)
    exact = np.array([of_pairs(one, df, rhos) for one in t])
    assert p == pytest.approx(exact, rel=1e-5 if size == 3 else 2e-3)


@pytest.mark.parametrize("df", [30.0, np.inf])
def test_a_small_p_of_many_contrasts_is_taken_from_its_own_tail(df):
    """Of eight contrasts the lattice of directions alone is a hundredth off."""
    rhos, t = [0.7, -0.4, 0.5, 0.2], np.array([4.5, 5.5, 6.5])
    p = adjusted_p(np.r_[t, np.full(5, np.nan)], np.full(8, df), correlation_of(rhos))
    assert p[:3] == pytest.approx([of_pairs(one, df, rhos) for one in t], rel=2e-3)


def test_contrasts_all_but_the_same_cost_next_to_nothing():
    """Three that correlate by 1 - 1e-11 are one direction, yet no copies."""
    correlation = np.full((3, 3), 1 - 1e-11) + 1e-11 * np.eye(3)
    assert adjusted_p(np.full(3, 2.4), np.full(3, 9.0), correlation) == pytest.approx(
        2 * special.stdtr(9, -2.4), rel=1e-9
    )


@pytest.mark.parametrize("method", ["none", "holm", "mvt"])
def test_of_no_contrast_that_has_a_p_nothing_is_adjusted(method):
    nothing = np.array([np.nan, np.nan])
    assert np.isnan(adjust_p(nothing, nothing, nothing, np.zeros((2, 2)), method)).all()


def test_unadjusted_p_are_a_copy():
    p = np.array([0.01, 0.02])
    found = adjust_p(p, p, p, np.eye(2), "none")
    found[0] = 1
    assert p[0] == 0.01


def test_holm_never_exceeds_1_and_keeps_ties():
    assert holm(np.array([0.6, 0.6, 0.9])) == pytest.approx([1, 1, 1])
    assert holm(np.array([0.02, 0.02])) == pytest.approx([0.04, 0.04])


@pytest.mark.parametrize(
    "loadings", [[0.9, 0.5, -0.3], [0.0, 0.0, 0.0], [0.9, -0.9, 0.9, 0.1], [-0.2, -0.6, 0.7, 0.0]]
)
def test_a_common_factor_is_found_with_its_signs(loadings):
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    found = one_factor(correlation)
    product = np.outer(found, found)
    np.fill_diagonal(product, 1.0)
    assert product == pytest.approx(correlation, abs=1e-12)


def test_no_common_factor_is_made_up():
    """Pairs of arms compared all with all, and correlations that would need a loading above 1."""
    pairs = np.array([[1, -1, 0], [1, 0, -1], [0, 1, -1]]) / np.sqrt(2)
    assert one_factor(pairs @ pairs.T) is None
    assert one_factor(np.array([[1, 0.9, 0.9], [0.9, 1, 0.7], [0.9, 0.7, 1]])) is None
    assert one_factor(np.array([[1, 0.5, 0.0], [0.5, 1, 0.0], [0.0, 0.0, 1]])) is None


def test_copies_beside_others_cost_nothing():
    """Of two copies one stands, and a copy or a mirror image among others changes no p."""
    copies = adjusted_p(np.full(2, 2.0), np.full(2, 8.0), np.ones((2, 2)))
    assert copies == pytest.approx(np.full(2, 2 * special.stdtr(8, -2.0)), rel=1e-12)
    places, turn = [0, 1, 2, 1, 0], np.array([1, 1, 1, -1, 1])
    beside = dunnett(3)[np.ix_(places, places)] * np.outer(turn, turn)
    t, df = np.array([2.0, 2.5, 1.0, 2.5, 2.0]), np.full(5, 14.0)
    assert adjusted_p(t, df, beside) == pytest.approx(
        adjusted_p(t[:3], df[:3], dunnett(3))[places], rel=1e-12
    )


@pytest.mark.parametrize("df", [1.0, 1.7, 2.0, 6.0, 80.0])
@pytest.mark.parametrize("single", [0.5, 1e-8, 1e-40])
def test_the_scale_has_four_nodes_to_a_deviation_and_the_moments_of_its_law(df, single):
    nodes, masses = _scale_nodes(df, single)
    assert np.diff(np.log(nodes)).max() * np.sqrt(2 * df) < 0.2501 * (1 + 4 / len(nodes))
    assert masses.sum() == pytest.approx(1, rel=1e-14)
    assert masses @ nodes**2 == pytest.approx(1, rel=1e-9)
    assert special.gammainc(df / 2, nodes[0] ** 2 * df / 2) <= 1e-15 * single


def test_without_an_end_of_degrees_of_freedom_the_scale_is_1():
    assert [part.tolist() for part in _scale_nodes(np.inf, 0.1)] == [[1.0], [1.0]]
    assert len(_scale_nodes(1.1e7, 0.1)[0]) == 1 and len(_scale_nodes(0.9e7, 0.1)[0]) > 100


def test_no_degrees_of_freedom_and_no_statistic_give_no_p():
    p = adjusted_p(np.array([2.0, np.nan, 2.0]), np.array([0.0, 5.0, 5.0]), dunnett(3))
    assert np.isnan(p[:2]).all() and 0.05 < p[2] < 0.3
