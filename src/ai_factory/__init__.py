"""Stamps out AI projects that are governed from their first commit, and keeps them current."""

__version__ = "0.1.0"
