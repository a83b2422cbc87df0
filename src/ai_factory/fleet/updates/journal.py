"""What a run has done so far, in SQLite: a run that is killed goes on where it was. It is a memory, never the truth.

What counts stands in the repositories and on the forge. A journal that is lost costs a second look at each project.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple
from urllib.parse import quote

from ai_factory.errors import MachineError

FOLDER = ".fleet"  # beside fleet.yaml; git ignores it by a file of its own
NAME = "journal.db"
_TABLES = """
create table if not exists run (plan text, started real, ended real);
create table if not exists arrived (key text, version text, since real, primary key (key, version));
create table if not exists outcome (
  plan text, key text, state text, reason text, failure text, hint text, branch text, commit_id text, url text,
  since real, primary key (plan, key)
);
"""
_FIELDS = "key, state, reason, failure, hint, branch, commit_id, url, since"


class Row(NamedTuple):
    """What became of a project; `since` is when it came to this state first (Unix time)."""

    key: str
    state: str
    reason: str = ""
    failure: str = ""
    hint: str = ""
    branch: str = ""
    commit: str = ""
    url: str = ""
    since: float = 0


class Journal:
    """The memory of one fleet. May be used from several threads."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def begin(self, plan: str, now: float) -> bool:
        """Begin a run of that plan; whether the last one was cut off, so that this one goes on with it."""
        with self._lock, self._connection as here:
            last = here.execute("select ended from run where plan = ? order by rowid desc limit 1", (plan,)).fetchone()
            if last is not None and last[0] is None:
                return True
            here.execute("insert into run values (?, ?, null)", (plan, now))
            return False

    def end(self, plan: str, now: float) -> None:
        """The run of that plan has come to its end."""
        with self._lock, self._connection as here:
            here.execute("update run set ended = ? where plan = ? and ended is null", (now, plan))

    def record(self, plan: str, row: Row) -> None:
        """Write down what became of a project; the time of a state that it had before stays."""
        with self._lock, self._connection as here:
            known = here.execute(
                "select state, commit_id, since from outcome where plan = ? and key = ?", (plan, row.key)
            ).fetchone()
            since = known[2] if known and known[:2] == (row.state, row.commit) else row.since
            here.execute(
                "insert or replace into outcome values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (plan, *row[:-1], since)
            )

    def arrived(self, key: str, version: str, when: float) -> float:
        """Since when a project has had a version, whatever plan is applied: `when`, where nobody has noted it."""
        with self._lock, self._connection as here:
            here.execute("insert or ignore into arrived values (?, ?, ?)", (key, version, when))
            asked = "select since from arrived where key = ? and version = ?"
            return float(here.execute(asked, (key, version)).fetchone()[0])

    def rows(self, plan: str) -> dict[str, Row]:
        """What is known of the projects of that plan, by their keys."""
        with self._lock:
            found = self._connection.execute(f"select {_FIELDS} from outcome where plan = ?", (plan,))  # noqa: S608
            return {row[0]: Row(*row) for row in found}

    def last(self) -> dict[str, Row]:
        """What the last run of any plan left, by the keys of the projects."""
        with self._lock:
            plan = self._connection.execute("select plan from run order by rowid desc limit 1").fetchone()
        return self.rows(plan[0]) if plan else {}


def last_rows(folder: str) -> dict[str, Row]:
    """What the last run left of each project of the fleet that lies there; nothing where there was none."""
    place = os.path.join(folder, FOLDER, NAME)
    if not os.path.exists(place):
        return {}
    try:  # it is a memory: a look at the fleet does without
        connection = sqlite3.connect(f"file:{quote(place)}?mode=ro", uri=True, timeout=5)
        with closing(connection):
            return Journal(connection).last()
    except sqlite3.Error:
        return {}


@contextmanager
def opened(folder: str) -> Iterator[Journal]:
    """The journal of the fleet whose file lies in that folder. Raises MachineError where it cannot be used."""
    place = os.path.join(folder, FOLDER)
    try:
        os.makedirs(place, exist_ok=True)
        with open(os.path.join(place, ".gitignore"), "w", encoding="utf-8") as stream:
            stream.write("*\n")
        connection = sqlite3.connect(os.path.join(place, NAME), timeout=30, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise MachineError(f"cannot use the journal in `{place}`: {error}", "check its owner and permissions") from None
    try:
        connection.execute("pragma journal_mode = wal")
        connection.executescript(_TABLES)
        yield Journal(connection)
    except sqlite3.DatabaseError as error:
        hint = f"remove `{place}`: what was done is found again in the repositories and on the forge"
        raise MachineError(f"the journal in `{place}` cannot be used: {error}", hint) from None
    finally:
        connection.close()
