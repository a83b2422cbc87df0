"""How far behind: `check --remote` and `--max-behind`, by releases and days, with what a factory takes back."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ai_factory.git import mirror
from ai_factory.project import behind
from tests.kit import cli, git, put, small_factory, small_project

DAY = 24 * 60 * 60
NOW = 1_800_000_000.0
LOCK = ".ai-factory/lock.json"


def release(factory: Path, tag: str, age: int, files: dict[str, str | bytes | None] | None = None) -> None:
    """A release that is so many days old."""
    put(factory, {"README.md": tag, **(files or {})})
    git(factory, "add", "-A")
    git(factory, "commit", "-q", "-m", tag)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", f"@{int(NOW) - age * DAY} +0000")
        git(factory, "tag", "-a", "-m", tag, tag)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)


@pytest.fixture
def far(factory: Path) -> Path:
    """The factory, with two releases after v2.0.0: 40 and 10 days old."""
    release(factory, "v2.1.0", 40)
    release(factory, "v2.2.0", 10)
    return factory


@pytest.fixture
def here(tmp_path: Path, far: Path) -> Path:
    """A project at v2.0.0 of a factory elsewhere, of which there is a copy as of then."""
    place = tmp_path / "small-thing"
    url = f"file://{far}"
    result = cli("new", "small", str(place), "--defaults", "--factory", url, "--version", "v2.0.0")
    assert result.code == 0, result.err
    return place


def found(here: Path, *options: str) -> tuple[int, list[tuple[str, str, str]]]:
    result = cli("check", "--json", *options, cwd=here)
    rows: list[dict[str, Any]] = result.data["projects"][0]["findings"]
    return result.code, [(row["rule"], row["level"], row["message"]) for row in rows]


TWO = "is behind: v2.2.0 is there, 2 releases more, the first of them 40 days old"


def test_the_copy_is_brought_up_to_date_and_the_distance_told(here: Path, far: Path) -> None:
    release(far, "v3.0.0", 1)
    assert found(here) == (0, [("AF001", "note", "is behind: v2.2.0 is there")])
    three = "is behind: v3.0.0 is there, 3 releases more, the first of them 40 days old"
    assert found(here, "--remote") == (0, [("AF001", "note", three)])
    assert found(here, "--remote", "--fail-on", "behind") == (1, [("AF001", "note", three)])


@pytest.mark.parametrize(
    ("limit", "code", "more"),
    [
        ("2", 0, ""),
        ("1", 1, "; more than the 1 release that may be"),
        ("0", 1, "; more than the 0 releases that may be"),
        ("40d", 0, ""),
        ("39d", 1, "; more than the 39 days that may be"),
    ],
)
def test_too_far_behind_fails_whatever_else_does(limit: str, code: int, more: str, here: Path) -> None:
    """Unless nothing is to."""
    level = "error" if code else "note"
    for options in ((), ("--remote",), ("--fail-on", "conflict")):
        assert found(here, *options, "--max-behind", limit) == (code, [("AF001", level, TWO + more)])
    assert found(here, "--max-behind", limit, "--fail-on", "never")[0] == 0


@pytest.mark.parametrize("limit", ["x", "-1", "1w", "", "d", "1000000", "\u0661"])
def test_what_is_no_limit_is_refused(limit: str, here: Path) -> None:
    result = cli("check", f"--max-behind={limit}", cwd=here)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[0] == f"error: `--max-behind {limit}` is no limit"


def test_releases_beyond_the_bound_do_not_count(here: Path) -> None:
    put(here, {".ai-factory/project.yaml": (here / ".ai-factory/project.yaml").read_text() + 'version: "<2.2"\n'})
    one = "is behind: v2.1.0 is there, 1 release more, the first of them 40 days old"
    assert found(here, "--remote", "--max-behind", "1") == (0, [("AF001", "note", one)])


def test_a_pull_request_cannot_narrow_the_bound(here: Path) -> None:
    git(here, "branch", "-m", "main")
    git(here, "checkout", "-q", "-b", "feature")
    put(here, {".ai-factory/project.yaml": (here / ".ai-factory/project.yaml").read_text() + 'version: "<2.1"\n'})
    assert found(here, "--max-behind", "1") == (0, [])
    assert found(here, "--max-behind", "1", "--against", "main")[0] == 1


def test_a_factory_that_cannot_be_reached_is_af006(here: Path, far: Path) -> None:
    shutil.rmtree(far)
    code, rows = found(here, "--remote", "--fail-on", "never")
    assert (code, [row[:2] for row in rows]) == (2, [("AF006", "undetermined")])


def test_without_a_copy_nobody_can_tell(here: Path, far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown is never taken for near enough."""
    monkeypatch.setenv("AI_FACTORY_CACHE", str(here.parent / "fresh"))
    assert found(here) == (0, [])
    message = f"there is no copy of the factory `file://{far}` here: how far behind the project is, nobody can tell"
    assert found(here, "--max-behind", "9") == (2, [("AF006", "undetermined", message)])
    assert found(here, "--max-behind", "9", "--remote") == (0, [("AF001", "note", TWO)])


def test_a_branch_has_no_place_among_releases(tmp_path: Path, far: Path) -> None:
    branch = git(far, "rev-parse", "--abbrev-ref", "HEAD")
    here = small_project(tmp_path / "small-thing", far, version=branch)
    behind = "is behind: v2.2.0 is there"
    assert found(here, "--remote") == (0, [("AF001", "note", behind)])
    why = "whether that is more than the 3 releases that may be, nobody can tell"
    assert found(here, "--max-behind", "3") == (2, [("AF001", "undetermined", f"{behind}; {why}")])


def test_a_folder_that_moved_on_is_some_way_ahead(tmp_path: Path) -> None:
    place = small_factory(tmp_path / "folder", tags=False)
    here = tmp_path / "small-thing"
    assert cli("new", "small", str(here), "--defaults", "--factory", str(place)).code == 0
    assert found(here, "--remote", "--max-behind", "0") == (0, [])
    put(place, {"templates/core/files/ops/new.md": "new\n"})
    assert [row[:2] for row in found(here, "--max-behind", "0")[1]] == [("AF001", "error")]


# ---- what a factory takes back -------------------------------------------------------------------


def test_a_version_that_was_taken_back_is_told_by_the_newest_release(here: Path, far: Path) -> None:
    told = "yanked: {2.0.0: it loses events}\nsecurity: {v2.0.0: forged entries pass}\n"
    release(far, "v2.3.0", 5, {"releases.yaml": told})
    assert found(here)[1] == [("AF001", "note", "is behind: v2.2.0 is there")]
    message = (
        "is behind: v2.3.0 is there, 3 releases more, the first of them 40 days old; "
        "v2.0.0 was taken back: it loses events; v2.0.0 has a security flaw: forged entries pass"
    )
    assert found(here, "--remote") == (0, [("AF001", "warning", message)])
    assert found(here, "--remote", "--fail-on", "behind")[0] == 1


def test_it_is_told_also_where_nothing_newer_is_allowed(here: Path, far: Path) -> None:
    """The newest release of all is asked, whatever the bound."""
    put(here, {".ai-factory/project.yaml": (here / ".ai-factory/project.yaml").read_text() + 'version: "<2.1"\n'})
    release(far, "v3.0.0", 5, {"releases.yaml": "yanked: {2.0.0: it loses events}\n"})
    message = "v2.0.0 was taken back: it loses events; and no newer version is known within the bound"
    assert found(here, "--remote") == (0, [("AF001", "warning", message)])


@pytest.mark.parametrize(
    "text", ["yanked: [1]\n", "yanked: {1.0: x}\n", "recalled: {}\n", "security: {soon: x}\n", "{"]
)
def test_what_a_factory_says_badly_is_af006(text: str, here: Path, far: Path) -> None:
    release(far, "v2.3.0", 5, {"releases.yaml": text})
    code, rows = found(here, "--remote")
    assert (code, [row[0] for row in rows]) == (2, ["AF006"])
    assert rows[0][2].startswith("`releases.yaml` line 1: ")


# ---- hosts that do not answer --------------------------------------------------------------------


@contextmanager
def silent_host(*, trickling: bool) -> Iterator[str]:
    """The address of a host that takes a connection and then says nothing, or a letter now and then."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept: list[socket.socket] = []

        def answer() -> None:
            with suppress(OSError):
                while True:
                    kept.append(listening.accept()[0])
                    if trickling:
                        kept[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
                    while trickling:
                        kept[-1].sendall(b"x")
                        time.sleep(0.1)

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/f.git"
        listening.close()
        for connection in kept:
            connection.close()


@pytest.mark.parametrize("trickling", [False, True])
def test_a_host_that_stays_silent_is_af006(
    trickling: bool, here: Path, far: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Long before a job is ended: else there would be no finding, and no report."""
    assert mirror.SILENCE + behind.PATIENCE < 120
    monkeypatch.setattr(mirror, "SILENCE", 1)
    with silent_host(trickling=trickling) as url:
        text = (here / LOCK).read_text().replace(f"file://{far}", url)
        put(here, {LOCK: text, ".ai-factory/project.yaml": f"factory: {url}\nblueprint: small\n"})
        result = cli("check", "--remote", "--output", "junit=j.xml", cwd=here)
    assert (result.code, result.out.splitlines()[0].startswith("AF006 undetermined")) == (2, True)
    assert f"the factory `{url}` cannot be reached: " in result.out
    assert 'errors="1"' in (here / "j.xml").read_text()


def test_a_fetch_that_takes_too_long_is_ended(here: Path, far: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the transport is: over ssh, git itself waits for ever."""
    monkeypatch.setattr(behind, "PATIENCE", 0.5)
    monkeypatch.setenv("GIT_SSH_COMMAND", "sh -c 'sleep 5'")
    url = "ssh://git@127.0.0.1/f.git"
    put(here, {LOCK: (here / LOCK).read_text().replace(f"file://{far}", url)})
    message = f"the factory `{url}` cannot be reached: `git fetch --quiet` took longer than 0.5 seconds"
    assert found(here, "--remote") == (2, [("AF006", "undetermined", message)])
