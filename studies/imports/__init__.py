"""Files to rows: bytes in, a typed table or every defect out. FORMATS names what can be read."""

from studies.imports.errors import DEFECTS_SHOWN, ImportRefused, RowError
from studies.imports.measurements import (
    DEFAULT_MAX_BYTES,
    MeasurementReader,
    MeasurementTable,
    read_measurement_table,
    refuse_oversize,
)

# Format id -> (what a person calls it, its reader: bytes and file name to a table).
FORMATS: dict[str, tuple[str, MeasurementReader]] = {
    "measurements": ("long table of tumor measurements (CSV, TSV)", read_measurement_table),
}

__all__ = [
    "DEFAULT_MAX_BYTES",
    "DEFECTS_SHOWN",
    "FORMATS",
    "ImportRefused",
    "MeasurementTable",
    "RowError",
    "read_measurement_table",
    "refuse_oversize",
]
