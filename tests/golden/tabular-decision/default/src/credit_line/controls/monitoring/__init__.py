"""Watches for drift: compares a window with the reference and names what is beyond limits."""

from .export import METRICS, CollectorRefused, main, otlp, send_metrics, write_html, write_metrics
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
from .publish import publish
from .statistics import kolmogorov_smirnov, missing_rate, psi

__all__ = [
    "KINDS",
    "METRICS",
    "Alert",
    "Check",
    "CollectorRefused",
    "Measurement",
    "Plan",
    "Report",
    "joined",
    "judge",
    "kolmogorov_smirnov",
    "load",
    "main",
    "missing_rate",
    "observe",
    "otlp",
    "psi",
    "publish",
    "send_metrics",
    "write_html",
    "write_metrics",
]
