"""Watches what payment screening reports, and keeps its trail."""

__version__ = "0.1.0"
