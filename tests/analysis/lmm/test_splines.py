"""Natural splines and orthonormal polynomials as R's ns() and poly() give them, and beyond the readings."""

import numpy as np
import pytest

from studies.analysis.lmm.orthogonal import Poly
from studies.analysis.lmm.splines import NaturalSpline

DAYS = np.array([0.0, 2, 3, 5, 7, 10, 14, 14, 21])


def spline(**asked) -> NaturalSpline:
    made = NaturalSpline()
    made.memorize_chunk(DAYS[:4], **asked)  # patsy hands over a table in pieces
    made.memorize_chunk(DAYS[4:], **asked)
    made.memorize_finish()
    return made


@pytest.mark.parametrize(
    "asked",
    [{"df": 3}, {"df": 4, "intercept": True}, {"knots": [5, 9]}, {"knots": 6.0, "intercept": True}, {}],
)
def test_beyond_the_readings_a_spline_goes_straight_on(asked):
    made = spline(**asked)
    for end, outward in ((DAYS.min(), -1.0), (DAYS.max(), 1.0)):
        at = made.transform(end + outward * np.array([-1e-6, 0.0, 1.0, 2.5]))
        slope = (at[1] - at[0]) / 1e-6
        assert at[2] - at[1] == pytest.approx(slope, abs=1e-6)
        assert at[3] - at[1] == pytest.approx(2.5 * slope, abs=3e-6)


def test_a_spline_with_the_constant_spans_what_one_without_spans_beside_it():
    """df counts the constant's column, so that both have the knots at the thirds of the readings."""
    x = np.linspace(-3, 25, 40)
    alone, beside = spline(df=4, intercept=True).transform(x), spline(df=3).transform(x)
    assert (alone.shape[1], beside.shape[1]) == (4, 3)
    both = np.column_stack([np.ones(len(x)), beside])
    assert both @ np.linalg.lstsq(both, alone, rcond=None)[0] == pytest.approx(alone, abs=1e-9)
    assert np.linalg.matrix_rank(alone) == 4


@pytest.mark.parametrize("df", [1, 2, 5])
def test_a_spline_has_as_many_columns_as_degrees_of_freedom_and_bends_at_quantiles(df):
    made = spline(df=df)
    assert made.transform(DAYS).shape == (len(DAYS), df)
    assert made._knots[4:-4] == pytest.approx(np.quantile(DAYS, np.arange(1, df) / df))


def test_a_straight_line_is_among_the_splines():
    columns = np.column_stack([np.ones(len(DAYS)), spline(df=3).transform(DAYS)])
    left = DAYS - columns @ np.linalg.lstsq(columns, DAYS, rcond=None)[0]
    assert left == pytest.approx(np.zeros(len(DAYS)), abs=1e-9)


def test_polynomials_are_orthonormal_over_the_readings_and_remembered_for_others():
    made = Poly()
    made.memorize_chunk(DAYS[:4], 3)
    made.memorize_chunk(DAYS[4:], 3)
    made.memorize_finish()
    columns = made.transform(DAYS, 3)
    whole = np.column_stack([np.full(len(DAYS), len(DAYS) ** -0.5), columns])
    assert whole.T @ whole == pytest.approx(np.eye(4), abs=1e-12)
    assert (np.sign(columns[-1]) == 1).all()
    for degree in (1, 2, 3):  # of that degree, also at days without a reading
        coefficients = np.polynomial.polynomial.polyfit(DAYS, columns[:, degree - 1], degree)
        new = np.array([1.0, 30.0])
        expected = np.polynomial.polynomial.polyval(new, coefficients)
        assert made.transform(new, 3)[:, degree - 1] == pytest.approx(expected, rel=1e-6)
