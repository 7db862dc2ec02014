"""Whole stories, some in a real browser."""
