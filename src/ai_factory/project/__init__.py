"""The verbs on one project: read, compute, write, in that order; nothing here prints."""
