"""Facts about a system, through named conditions, to duties, controls and verdicts, each with its reasons."""
