"""Stamped projects at work."""
