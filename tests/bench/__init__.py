"""Speeds the project promises, each measured as a ratio within one run: `make bench`."""
