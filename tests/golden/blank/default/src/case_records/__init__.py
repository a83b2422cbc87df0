"""Checks and watches case records, as a base to grow a use case from."""

__version__ = "0.1.0"
