"""Figures from the tables and results of the analysis; nothing is computed here that a reader could cite."""
