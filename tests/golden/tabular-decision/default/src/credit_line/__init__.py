"""Decides on credit line applications, with evidence for each decision."""

__version__ = "0.1.0"
