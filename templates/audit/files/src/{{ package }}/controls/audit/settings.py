"""What `ops/audit.yaml` says, read once and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from .delivery import SINKS
from .events import EventType

PSEUDONYM = re.compile(r"person:[0-9a-f]{32}")
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
        return Settings(
            source=_text(content, "source"),
            sinks=_sinks(content),
            identifying_fields=_texts(content, "identifying_fields"),
            connections=dict(content.get("connections") or {}),
            checkpoint_keys=_texts(content, "checkpoint_keys"),
            on_failure=_on_failure(content),
            hold_events=_whole(content, "hold_events", 1000),
            retention=tuple(map(_rule, content.get("retention") or ())),
            holds=frozenset(map(_held, content.get("holds") or ())),
        )
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: {' '.join(str(error).split())}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: {error!r}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _text(content: Mapping[str, Any], key: str) -> str:
    """A text that says something."""
    found = content.get(key)
    if not isinstance(found, str) or not found.strip():
        raise ValueError(f"`{key}` is {found!r}: give a text")
    return found


def _texts(content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The texts of a list, none where nothing is given; a text alone is no list of its letters."""
    found = content.get(key)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(t, str) and t.strip() for t in found):
        raise ValueError(f"`{key}` is {found!r}: give a list of texts, in brackets")
    return tuple(found)


def _whole(content: Mapping[str, Any], key: str, default: int | None = None) -> int:
    """A whole number that is not negative."""
    found = content.get(key, default)
    if type(found) is not int or found < 0:
        raise ValueError(f"`{key}` is {found!r}: give a whole number, 0 or more")
    return found


def _sinks(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The sinks; the file is always one of them."""
    found = _texts(content, "sinks")
    if unknown := set(found) - {"file", *SINKS}:
        known = ", ".join(["file", *SINKS])
        raise ValueError(f"unknown sink {', '.join(sorted(unknown))} ({known})")
    if "file" not in found:
        raise ValueError("`sinks` lacks `file`, which holds the chain")
    return found


def _held(hold: Mapping[str, Any]) -> str:
    """The pseudonym of a hold: any other name of a person would hold nothing."""
    if PSEUDONYM.fullmatch(subject := _text(hold, "subject")):
        return subject
    command = f".venv/bin/python -m {__package__} pseudonym IDENTIFIER"
    raise ValueError(f"`holds`: a subject is no pseudonym; `{command}` prints the person's")


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
    given = _texts(row, "types")
    unknown = set(given) - TYPES.keys()
    if unknown or "disposal" in given:
        raise ValueError(f"retention of {name}: no rule disposes of {sorted(unknown)} or disposal")
    files = _text(row, "files") if what == "files" else ""
    return Rule(name, what, _whole(row, "keep_days"), tuple(TYPES[one] for one in given), files)
