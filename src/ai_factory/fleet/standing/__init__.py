"""Where each project of a fleet stands: sync, rollout and health."""
