"""Turns the post of a claims desk into fields."""

__version__ = "0.1.0"
