"""Blueprints in the formats of other tools, so that nobody depends on this one."""
