"""What Prometheus is told about the review queue, as ops/alerts-review.yml expects it."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from .queue import Queue


def watch(
    registry: CollectorRegistry, system: str, queue: Queue, unqueued: Callable[[], int]
) -> None:
    """Add the metrics of the queue: waiting, age of the oldest, decided, and lost referrals."""
    figures: dict[str, tuple[str, Callable[[], float]]] = {
        "review_waiting": ("cases that wait for a person", lambda: len(queue.waiting())),
        "review_oldest_seconds": ("how long the oldest case waits", queue.oldest_seconds),
        "review_decided": ("cases that people have decided", lambda: len(queue.decided())),
        "review_unqueued": ("referrals that are in no queue", unqueued),
    }
    for name, (meaning, figure) in figures.items():
        Gauge(name, meaning, ["system"], registry=registry).labels(system).set_function(figure)
