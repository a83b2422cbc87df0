"""Fleets: many repositories, with real git."""
