"""What people decide: which cases go to them, and the queue in which these wait."""

from .queue import (
    Item,
    NotYours,
    Queue,
    Task,
    UnknownTask,
    file_of,
    reconcile,
    released_unreviewed,
    unqueued,
    waiting_in,
    watch,
)
from .routing import NEVER, Limit, Route, controlled_limit, error_bound, route, sampled

__all__ = [
    "NEVER",
    "Item",
    "Limit",
    "NotYours",
    "Queue",
    "Route",
    "Task",
    "UnknownTask",
    "controlled_limit",
    "error_bound",
    "file_of",
    "reconcile",
    "released_unreviewed",
    "route",
    "sampled",
    "unqueued",
    "waiting_in",
    "watch",
]
