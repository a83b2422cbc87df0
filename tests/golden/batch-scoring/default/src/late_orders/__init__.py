"""Scores late orders each night, with every row accounted for."""

__version__ = "0.1.0"
