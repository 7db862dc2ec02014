"""Rows to files. Text that a spreadsheet would run as a formula is guarded in every format."""
