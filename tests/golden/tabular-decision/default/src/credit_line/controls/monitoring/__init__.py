"""Watches for drift: compares a window with the reference and names what is beyond limits."""

from .export import METRICS, write_html, write_metrics
from .observe import (
    KINDS,
    Alert,
    Check,
    Measurement,
    Plan,
    Report,
    joined,
    judge,
    load,
    observe,
)
from .statistics import kolmogorov_smirnov, missing_rate, psi

__all__ = [
    "KINDS",
    "METRICS",
    "Alert",
    "Check",
    "Measurement",
    "Plan",
    "Report",
    "joined",
    "judge",
    "kolmogorov_smirnov",
    "load",
    "missing_rate",
    "observe",
    "psi",
    "write_html",
    "write_metrics",
]
