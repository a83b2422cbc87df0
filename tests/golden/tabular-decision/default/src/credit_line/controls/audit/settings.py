"""What `ops/audit.yaml` says, read once and checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from .delivery import SINKS
from .events import EventType

TYPES = {type.name.lower(): str(type) for type in EventType}


class OnFailure(StrEnum):
    """What happens to an outcome while its event cannot be made durable."""

    CLOSED = "closed"  # it does not go out
    DEGRADE = "degrade"  # it goes out while the events that wait in memory are few, then not
    OPEN = "open"  # it goes out; events beyond those few are lost, and their number is recorded


@dataclass(frozen=True, slots=True)
class Rule:
    """How long one kind of record is kept: `what` is payloads, events or files."""

    record: str
    what: str
    keep_days: int
    types: tuple[str, ...] = ()
    files: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The source of events, where else they go, and what is kept for how long."""

    source: str
    sinks: tuple[str, ...]
    identifying_fields: tuple[str, ...] = ()
    connections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    checkpoint_keys: tuple[str, ...] = ()
    on_failure: OnFailure = OnFailure.CLOSED
    hold_events: int = 1000
    retention: tuple[Rule, ...] = ()
    holds: frozenset[str] = frozenset()


def settings(path: Path) -> Settings:
    """Read `ops/audit.yaml`; ValueError names what is wrong in it."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(content, Mapping):
            raise ValueError("it says nothing: give `source` and `sinks`")
        unknown = set(content["sinks"]) - {"file", *SINKS}
        if unknown:
            known = ", ".join(["file", *SINKS])
            raise ValueError(f"unknown sink {', '.join(sorted(unknown))} ({known})")
        return Settings(
            source=content["source"],
            sinks=tuple(content["sinks"]),
            identifying_fields=tuple(content.get("identifying_fields") or ()),
            connections=dict(content.get("connections") or {}),
            checkpoint_keys=tuple(content.get("checkpoint_keys") or ()),
            on_failure=_on_failure(content),
            hold_events=int(content.get("hold_events", 1000)),
            retention=tuple(map(_rule, content.get("retention") or ())),
            holds=frozenset(hold["subject"] for hold in content.get("holds") or ()),
        )
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error!r}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _on_failure(content: Mapping[str, Any]) -> OnFailure:
    """The policy of the system's tier; whoever names no tier is closed."""
    policies = content.get("on_audit_failure") or {}
    tier = content.get("risk_tier")
    if tier is not None and tier not in policies:
        raise ValueError(f"on_audit_failure says nothing of the risk tier {tier!r}")
    return OnFailure(policies[tier]) if tier is not None else OnFailure.CLOSED


def _rule(row: Mapping[str, Any]) -> Rule:
    name, what = row["record"], row["what"]
    if what not in ("payloads", "events", "files"):
        raise ValueError(f"retention of {name}: {what!r} is none of payloads, events, files")
    unknown = set(row.get("types") or ()) - TYPES.keys()
    if unknown or "disposal" in (row.get("types") or ()):
        raise ValueError(f"retention of {name}: no rule disposes of {sorted(unknown)} or disposal")
    types = tuple(TYPES[type] for type in row.get("types") or ())
    return Rule(name, what, int(row["keep_days"]), types, row.get("files") or "")
