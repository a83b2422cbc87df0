"""Originals stay as they came, for as long as they may, and their end is on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from paper_desk.controls.audit import (
    AuditLog,
    AuditUnavailable,
    EventType,
    Privacy,
)
from paper_desk.controls.documents.originals import (
    OriginalChanged,
    OriginalGone,
    Originals,
)

DAY = date(2025, 6, 1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    """An audit log of its own."""
    with AuditLog(tmp_path / "audit" / "a.jsonl", "/test", Privacy(b"k" * 32)) as opened:
        yield opened


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    """An empty store."""
    return Originals(tmp_path / "originals")


def test_an_original_comes_back_as_it_was(originals: Originals) -> None:
    """By its digest; the same content is kept once, and nobody else may read the file."""
    digest = originals.put(b"content", DAY)
    assert originals.put(b"content", DAY) == digest
    assert originals.get(digest) == b"content"
    assert [kept.digest for kept in originals.all()] == [digest]
    assert (originals.folder / f"{digest}.pdf").stat().st_mode & 0o077 == 0


def test_a_changed_original_is_not_given_out(originals: Originals) -> None:
    """Evidence that was touched is none."""
    digest = originals.put(b"content", DAY)
    (originals.folder / f"{digest}.pdf").write_bytes(b"other")
    with pytest.raises(OriginalChanged):
        originals.get(digest)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "f" * 63, "F" * 64, "0" * 64])
def test_what_is_no_digest_of_an_original_is_not_there(originals: Originals, digest: str) -> None:
    """A path is not followed."""
    with pytest.raises(OriginalGone):
        originals.get(digest)


def test_what_is_due_is_deleted_and_on_record(
    originals: Originals, log: AuditLog, tmp_path: Path
) -> None:
    """Older than its time, not on hold, not in use; a later receipt starts the time anew."""
    names = ("old", "held", "used", "again", "new")
    kept = {name: originals.put(name.encode(), DAY) for name in names[:-1]}
    kept["new"] = originals.put(b"new", date(2025, 8, 1))
    originals.put(b"again", date(2025, 8, 1))
    originals.hold(kept["held"], "dispute 12")
    gone = originals.dispose(date(2025, 8, 31), 60, log, in_use={kept["used"]})
    assert gone == [kept["old"]]
    with pytest.raises(OriginalGone):
        originals.get(kept["old"])
    assert {one.digest for one in originals.all()} == set(kept.values()) - {kept["old"]}
    (event,) = [json.loads(text) for text in log.path.read_text().splitlines()]
    assert (event["type"], event["data"]["after_days"]) == (EventType.DISPOSAL, 60)
    assert kept["old"] in event["data"]["digest"]


def test_a_hold_that_is_lifted_holds_no_more(originals: Originals, log: AuditLog) -> None:
    """And nothing is deleted on its last day."""
    digest = originals.put(b"a", DAY)
    originals.hold(digest, "dispute")
    assert originals.dispose(date(2026, 6, 1), 30, log) == []
    originals.hold(digest, "")
    assert originals.dispose(date(2025, 7, 1), 30, log) == []
    assert originals.dispose(date(2025, 7, 2), 30, log) == [digest]
    with pytest.raises(OriginalGone):
        originals.hold(digest, "too late")


def test_what_cannot_be_recorded_is_not_deleted(
    originals: Originals, log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an original would be gone without a trace."""

    def broken(*_: object) -> None:
        raise AuditUnavailable("disk full")

    digest = originals.put(b"a", DAY)
    monkeypatch.setattr(log, "record", broken)
    with pytest.raises(AuditUnavailable):
        originals.dispose(date(2027, 1, 1), 30, log)
    assert originals.get(digest) == b"a"
