"""Four figures look as they did when they were last looked at; where a change is meant, draw the images anew."""

from io import BytesIO

import numpy as np
import pytest
from matplotlib.image import imread

from studies.plots.style import to_png
from tests.plots.images import DOTS_PER_INCH, FIGURES, FOLDER

MOST_DIFFERENT = 0.004  # mean over pixels and colors; a line moved by its own width is above


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_looks_as_its_image_on_record(name):
    seen = imread(BytesIO(to_png(FIGURES[name](), DOTS_PER_INCH)))
    kept = imread(FOLDER / f"{name}.png")
    assert seen.shape == kept.shape
    assert np.abs(seen - kept).mean() < MOST_DIFFERENT


def test_another_figure_does_not_pass_for_it():
    seen = imread(FOLDER / "growth.png")
    blank = np.ones_like(seen)
    assert np.abs(seen - blank).mean() > 4 * MOST_DIFFERENT
