"""Rows to files. Text that a spreadsheet would run as a formula is guarded in every format."""

from studies.exports.long_csv import long_csv
from studies.exports.workbook import workbook

# Format id -> (what a person calls it, its writer).
FORMATS = {
    "long_csv": ("long table of measurements (CSV)", long_csv),
    "workbook": ("tables of results (Excel)", workbook),
}

__all__ = ["FORMATS", "long_csv", "workbook"]
