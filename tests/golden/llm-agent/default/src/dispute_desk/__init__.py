"""Prepares payment disputes and address changes, and proposes what a person approves."""

__version__ = "0.1.0"
