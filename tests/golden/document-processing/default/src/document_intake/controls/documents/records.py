"""What is kept of documents: originals for as long as they may be, and tokens for persons.

`<folder>/<digest>.pdf` is the original, `<digest>.json` says when it came and whether a hold
stops its disposal. Nothing else in the project holds what identifies a person in clear: tokens
stand there, and a search finds what slipped through.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import uuid
import zipfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from ..audit import AuditLog, EventType, Privacy

PREFIX = "tok:"
SPACE = re.compile(r"\s+")


class OriginalGone(LookupError):
    """The original was disposed of, or never came."""


class OriginalChanged(RuntimeError):
    """The original is not what it was when it came: suspect manipulation."""


@dataclass(frozen=True, slots=True)
class Kept:
    """When an original came last, as a date in ISO form, and why it is held beyond its time."""

    digest: str
    received: str
    hold: str = ""


@dataclass(frozen=True, slots=True)
class Originals:
    """A folder of originals, named after their content."""

    folder: Path

    def put(self, content: bytes, received: date) -> str:
        """Keep an original, durably, and return its digest; the same content is kept once."""
        digest = hashlib.sha256(content).hexdigest()
        file = self._file(digest)
        self._received(digest, received.isoformat())
        if not file.exists():
            draft = file.with_suffix(f".{uuid.uuid4().hex}.new")
            with draft.open("wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            os.chmod(draft, 0o600)
            draft.replace(file)
        return digest

    def _received(self, digest: str, day: str) -> None:
        """Say when it came before it is there, so that none is kept without its time."""
        known = self._known(digest)
        if known is None or known.received < day:
            self._write(Kept(digest, day, known.hold if known else ""))

    def received(self, digest: str) -> date:
        """The day on which an original came last. Raises OriginalGone."""
        known = self._known(digest)
        return date.fromisoformat(known.received if known else _day(self._files(digest)))

    def holds(self, content: bytes) -> bool:
        """Whether this content is kept already."""
        return bool(self._files(hashlib.sha256(content).hexdigest()))

    def forget(self, digest: str) -> None:
        """Delete an original that nothing on record names: its case was not recorded."""
        for file in self._files(digest):
            file.unlink(missing_ok=True)

    def get(self, digest: str) -> bytes:
        """The original. Raises OriginalGone and OriginalChanged."""
        try:
            content = self._file(digest).read_bytes()
        except FileNotFoundError as error:
            raise OriginalGone(digest) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise OriginalChanged(digest)
        return content

    def hold(self, digest: str, reason: str) -> None:
        """Stop the disposal of an original (a dispute, a legal hold); an empty reason lifts it."""
        known = self._known(digest)
        if known is None:
            raise OriginalGone(digest)
        self._write(replace(known, hold=reason))

    def all(self) -> list[Kept]:
        """What is kept, oldest first."""
        return sorted(self._each(), key=lambda kept: (kept.received, kept.digest))

    def dispose(
        self, today: date, days: int, log: AuditLog, in_use: Collection[str] = ()
    ) -> list[str]:
        """Delete what is older than so many days, but nothing on hold or in use.

        Each deletion is on record before it happens; AuditUnavailable stops it.
        """
        latest = (today - timedelta(days=days)).isoformat()
        due = [kept for kept in self.all() if kept.received < latest and not kept.hold]
        gone = [kept.digest for kept in due if kept.digest not in in_use]
        for digest in gone:
            data = {"action": "original deleted", "digest": f"sha256:{digest}", "after_days": days}
            log.record(EventType.DISPOSAL, f"sha256:{digest}", data)
            for file in self._files(digest):
                file.unlink(missing_ok=True)
        return gone

    def _each(self) -> Iterator[Kept]:
        """Also what has no record, such as the draft of a process that was killed: by its age."""
        found = self.folder.glob("[0-9a-f]" * 64 + ".*")
        for digest in {file.name[:64] for file in found}:
            yield self._known(digest) or Kept(digest, _day(self._files(digest)))

    def _files(self, digest: str) -> list[Path]:
        """An original and its drafts; its record last, so that what is left is known."""
        found = self.folder.glob(f"{digest}.*")
        return sorted(found, key=lambda file: (file.suffix == ".json", file.name))

    def _known(self, digest: str) -> Kept | None:
        file = self._file(digest).with_suffix(".json")
        return Kept(**json.loads(file.read_text("utf-8"))) if file.exists() else None

    def _write(self, kept: Kept) -> None:
        text = json.dumps(asdict(kept), sort_keys=True) + "\n"
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f".{uuid.uuid4().hex}.new"
        draft.write_text(text, "utf-8")
        draft.replace(self._file(kept.digest).with_suffix(".json"))

    def _file(self, digest: str) -> Path:
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise OriginalGone(digest)
        return self.folder / f"{digest}.pdf"


def _day(files: Iterable[Path]) -> str:
    """The day of the newest of these files; OriginalGone where there is none."""
    newest = max((file.stat().st_mtime for file in files), default=None)
    if newest is None:
        raise OriginalGone
    return datetime.fromtimestamp(newest, UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes tokens: keyed, so that nobody without the key can find the value by trying."""

    privacy: Privacy

    def token(self, kind: str, value: str) -> str:
        """The same value of a kind has the same token, whatever its spaces and its case."""
        known = [kind, SPACE.sub("", value).casefold()]
        return PREFIX + self.privacy.digest(known).rpartition(":")[2][:32]


def leaks(folder: Path, secrets: Iterable[str], skip: Iterable[Path] = ()) -> list[str]:
    """Files below a folder that hold one of these values in clear, in any spacing and case.

    Looks into text, SQLite, parquet and zip files (packaged models are such). `skip` are folders
    that may hold them, such as that of the originals. What is shorter than six characters is not
    looked for: it would be found by chance.
    """
    wanted = {SPACE.sub("", secret).casefold() for secret in secrets}
    wanted = {secret for secret in wanted if len(secret) >= 6}
    left_out = [place.resolve() for place in skip]
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    checked = [
        path for path in files if not any(path.resolve().is_relative_to(p) for p in left_out)
    ]
    return [path.relative_to(folder).as_posix() for path in checked if _holds(path, wanted)]


def _holds(path: Path, wanted: set[str]) -> bool:
    plain = [SPACE.sub("", text).casefold() for text in _texts(path)]
    return any(secret in text for text in plain for secret in wanted)


def _texts(path: Path) -> Iterator[str]:
    """What a file says, in clear."""
    content = path.read_bytes()
    yield content.decode("utf-8", "replace")
    if path.suffix == ".parquet":
        yield pl.read_parquet(path).write_ndjson()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (
                archive.read(name).decode("utf-8", "replace") for name in archive.namelist()
            )
    elif content.startswith(b"SQLite format 3"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            yield "\n".join(database.iterdump())
