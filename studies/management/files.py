"""What the commands that read a file of measurements, or write a report, share."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from studies.imports import (
    DEFECTS_SHOWN,
    MeasurementTable,
    RowError,
    read_measurement_table,
    refuse_oversize,
)


def megabytes(text: str) -> float:
    """A size in MB above 0; argparse names the argument and the reason where it is none."""
    try:
        size = float(text)
    except ValueError:
        size = math.nan
    if not (math.isfinite(size) and size > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no size in MB above 0")
    return size


def read_file(file: Path, max_mb: float) -> MeasurementTable:
    """The measurements in a file, refused by its size before it is read. Raises ImportRefused and OSError."""
    max_bytes = int(max_mb * 1e6)
    refuse_oversize(file.stat().st_size, max_bytes)
    return read_measurement_table(file.read_bytes(), file.name, max_bytes=max_bytes)


def listing(file: Path, errors: Sequence[RowError]) -> str:
    """Every defect of a refused file, a line each: the first 200, then a count."""
    lines = [f"{file.name} was refused; nothing was written."]
    lines += [f"  {error}" for error in errors[:DEFECTS_SHOWN]]
    if len(errors) > DEFECTS_SHOWN:
        lines.append(f"  ... and {len(errors) - DEFECTS_SHOWN} more: {len(errors)} defects in all")
    return "\n".join(lines)
