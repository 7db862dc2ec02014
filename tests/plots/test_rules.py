"""What a reader may rely on in every figure: where a limit lies, what is left out, what is told beside it."""

import pytest

from studies.plots.axes import spread_labels
from studies.plots.mean_growth import mean_growth
from tests.plots.examples import ARMS, LOSS, MANY, WILD, V, means


def heights(axis):
    return [y for line in axis.lines if line.get_linewidth() == 1.3 for y in line.get_ydata()]


@pytest.mark.parametrize("arms", [ARMS, MANY], ids=["together", "each with its control"])
def test_no_mean_is_cut_off_where_panels_share_a_scale(arms):
    [figure, *_] = mean_growth(means(arms, (LOSS, WILD), (400.0, 900.0)), arms)
    axes = [axis for axis in figure.axes if axis.get_visible()]
    assert len({axis.get_ylim() for axis in axes}) == 1
    assert axes[0].get_ylim()[0] == 0 and axes[0].get_ylim()[1] > 900


def test_a_standard_error_as_large_as_its_mean_reaches_down_to_zero():
    rows = [row | {"mean_mm3": 40.0, "sem_mm3": 40.0} for row in means([V], (None,), (100.0,))]
    [bars] = mean_growth(rows, [V])[0].axes[0].collections
    assert bars.get_segments()[0].tolist() == [[0, 0], [0, 80]]


def test_names_of_lines_stay_between_the_ends_of_their_axis():
    assert spread_labels([0.0, 0.0, 0.0], 2.0, 10.0, 0.0) == [0, 2, 4]
    assert spread_labels([10.0, 9.5, 0.5], 2.0, 10.0, 0.0) == [10, 8, 0.5]
    assert spread_labels([1.0, 1.0], 2.0, 1.0, 0.0) == [-1, 1]  # no room: the upper end counts
