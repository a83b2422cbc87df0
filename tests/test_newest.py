"""What is known of a newer version without network and without starting a process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ai_factory import __version__, git, newest
from ai_factory.lock import Origin
from ai_factory.workspace import Folder
from tests.kit import SMALL, put
from tests.kit import git as run


def origin(kind: str, version: str, url: str = "https://example.org/f.git", tree: str = "") -> Origin:
    return Origin(kind, url, version, "", tree)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        message = "a process was started"
        raise AssertionError(message)

    monkeypatch.setattr(subprocess, "Popen", refuse)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("version", "newer"),
    [(__version__, ""), ("0.0.1", __version__), ("99.0", ""), (f"{__version__}+local", ""), ("", "")],
)
def test_the_embedded_factory_is_as_new_as_the_tool(version: str, newer: str) -> None:
    assert newest.newer(origin("embedded", version)) == newer


@pytest.mark.usefixtures("offline")
def test_a_folder_is_newer_when_its_content_differs(tmp_path: Path) -> None:
    put(tmp_path, SMALL)
    here = str(tmp_path)
    applied = origin("folder", "tree-x", here, newest.folder_tree_id(here))
    put(
        tmp_path,
        {
            "README.md": "not the factory's",
            "templates/core/__pycache__/x.pyc": "no",
            "templates/.DS_Store": "no",
            "templates/x.pyc": "no",
        },
    )
    assert newest.newer(applied) == ""
    put(tmp_path, {"templates/core/files/new.md": "new\n"})
    assert newest.newer(applied) == f"the folder `{here}` as it is now"
    assert newest.newer(applied._replace(url=f"{here}/gone")) == ""


def mirrored(factory: Path) -> str:
    """The address of a factory with a mirror in the cache."""
    url = f"file://{factory}"
    Path(newest.mirror_place(url)).parent.mkdir(parents=True)
    git.update_mirror(url, newest.mirror_place(url))
    return url


@pytest.mark.parametrize(
    ("version", "newer"), [("v1.0.0", "v2.0.0"), ("v2.0.0", ""), ("v3.0.0", ""), ("1.9", "v2.0.0")]
)
def test_the_newest_release_in_the_cached_mirror_counts(
    version: str, newer: str, factory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tag in ("v2.1.0-rc1", "nightly", "9lives"):
        run(factory, "tag", tag)
    url = mirrored(factory)
    monkeypatch.setattr(subprocess, "Popen", None)
    assert newest.newer(origin("git", version, url)) == newer


@pytest.mark.parametrize(("bound", "newer"), [("", "v2.0.0"), ("<3", "v2.0.0"), ("<2", ""), (">=3", "")])
def test_what_lies_outside_the_bound_does_not_count(bound: str, newer: str, factory: Path) -> None:
    assert newest.newer(origin("git", "v1.0.0", mirrored(factory)), bound) == newer
    assert newest.newer(origin("embedded", "0.0.1"), f"<{__version__}") == ""


def test_a_factory_without_mirror_or_without_numbered_release_has_nothing_newer(tmp_path: Path) -> None:
    run(tmp_path, "init", "-q", "-b", "main", "f")
    run(tmp_path / "f", "commit", "-q", "--allow-empty", "-m", "x")
    assert newest.newer(origin("git", "v1", f"file://{tmp_path}/f")) == ""
    run(tmp_path / "f", "tag", "v1.0rc1")
    assert newest.newer(origin("git", "main", mirrored(tmp_path / "f"))) == ""


@pytest.mark.parametrize("packed", [False, True])
def test_a_branch_without_releases_is_newer_where_it_has_moved(tmp_path: Path, packed: bool) -> None:
    """Within no bound: a branch is no release."""
    place = tmp_path / "f"
    run(tmp_path, "init", "-q", "-b", "main", "f")
    run(place, "commit", "-q", "--allow-empty", "-m", "x")
    at_first = origin("git", "main", str(place))._replace(commit=git.resolve(str(place), "main"))
    assert newest.newer(at_first) == ""
    run(place, "commit", "-q", "--allow-empty", "-m", "y")
    run(place, "pack-refs", *(["--all"] if packed else []))
    moved = git.resolve(str(place), "main")
    assert [newest.newer(at_first), newest.newer(at_first, "<3")] == [f"main {moved[:7]}", ""]
    assert newest.newer(at_first._replace(version="draft")) == ""
    assert newest.newer(at_first._replace(version="../heads/main")) == ""
    run(place, "tag", "v1.0.0")
    assert newest.newer(at_first) == "v1.0.0"


@pytest.mark.parametrize("version", ["main", "tree-abc", "", "a1b2c3"])
def test_a_version_that_is_no_number_is_answered_too(version: str, factory: Path) -> None:
    """A project that was stamped from a branch is behind the newest release, as far as anybody knows."""
    assert newest.newer(origin("git", version, mirrored(factory))) == "v2.0.0"


def test_packed_and_loose_tags_are_found_also_with_slashes(factory: Path) -> None:
    url = mirrored(factory)
    place = newest.mirror_place(url)
    run(Path(place), "pack-refs", "--all")
    run(factory, "tag", "team/v3")
    git.update_mirror(url, place)
    assert newest.tags_in(place) == ["team/v3", "v1.0.0", "v2.0.0"]


def test_the_parts_of_a_factory_are_its_paths(tmp_path: Path) -> None:
    put(
        tmp_path,
        {"templates/a/b": "", "blueprints/c.yaml": "", "controls/d": "", "src/e": "", "templates/.git/f": "", "g": ""},
    )
    assert newest.folder_paths(Folder(str(tmp_path))) == ["templates/a/b", "blueprints/c.yaml", "controls/d"]
