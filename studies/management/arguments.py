"""Arguments several commands take."""

import argparse
import math


def megabytes(text: str) -> float:
    """A size in MB above 0; argparse names the argument and the reason where it is none."""
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not (math.isfinite(size) and size > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no size in MB above 0")
    return size
