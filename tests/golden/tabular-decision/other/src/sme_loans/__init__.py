"""Ranks requests of small firms for a loan, and says why."""

__version__ = "0.1.0"
