"""Answers questions of claims handlers from the handbook, and cites it."""

__version__ = "0.1.0"
