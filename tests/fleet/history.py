"""Projects with a past: real commits and tags of given days, made by given people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import kit

STAMP = "2026-01-05"
LAW = {1: {"one": {"cite": "Art. 1"}}, 2: {"one": {"cite": "Art. 1"}, "two": {"cite": "Art. 2"}}}


@contextmanager
def at(day: str, who: str = "ana@example.org") -> Iterator[None]:
    """On that day, as that person."""
    with pytest.MonkeyPatch.context() as patch:
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_DATE", f"{day}T12:00:00Z")
            patch.setenv(f"GIT_{role}_EMAIL", who)
        yield


def work(project: Path, day: str, files: Mapping[str, str | bytes | None], who: str = "ana@example.org") -> None:
    """A commit of that day."""
    with at(day, who):
        kit.put(project, files)
        kit.commit(project, "work")


def stamped(place: Path, factory: Path, day: str = STAMP, version: str = "v1.0.0") -> Path:
    """A project that was stamped on that day."""
    kit.small_project(place, factory, version=version)
    with at(day):
        kit.git(place, "commit", "-q", "--amend", "--no-edit", "--date", f"{day}T12:00:00Z")
    return place


def evaluation(*, passed: bool) -> str:
    """The evidence of an evaluation."""
    return json.dumps({"content": {"gate": {"passed": passed}}})


def record(tier: str, required: int, day: str = "2026-01-01", requirements: tuple[str, ...] = ("one",)) -> str:
    """An applicability record in which so many controls are required now, and two are not."""
    rows = {f"C-{number}": {"verdict": "required now"} for number in range(required)}
    rows |= {"R-1": {"verdict": "recommended"}, "R-2": {"verdict": "does not apply"}}
    duties = {name: {"applies": True} for name in requirements}
    return json.dumps({"map": day, "tier": {"inherent": tier}, "controls": rows, "requirements": duties})


APPROVED = """\
approvals:
  - {role: risk, approver: bo@example.org, author: ana@example.org, decision: approved, approved_on: 2026-01-20,
     expires: 2026-12-20, covers: {}, conditions: none}
"""


def lawful(factory: Path) -> Path:
    """The small factory with a map whose second release has a requirement more, released on 1 and 10 February."""
    for number, day in ((1, "2026-01-01"), (2, "2026-02-10")):
        kit.git(factory, "checkout", "-q", f"v{number}.0.0")
        kit.git(factory, "tag", "-d", f"v{number}.0.0")
        with at(day):
            rows = json.dumps({"as_of": day, "requirements": LAW[number]})
            kit.put(factory, {"controls/requirements.yaml": rows})
            kit.commit(factory, "law")
            kit.git(factory, "tag", f"v{number}.0.0")
    return factory
