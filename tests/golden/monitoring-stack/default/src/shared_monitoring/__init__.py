"""Watches the systems that join it, and tells their owners."""

__version__ = "0.1.0"
