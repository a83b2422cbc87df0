"""A release is what it was when it was saved, or it does not load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handbook.controls import releases
from handbook.controls.paths import Paths
from handbook.controls.releases import ReleaseRefused

FILES = {"index.jsonl": b'{"id": 1}\n', "prompt.txt": b"Quote, or say that you do not know.\n"}


def test_a_release_comes_back_as_it_was(paths: Paths) -> None:
    """Every file to the byte, and the facts with it."""
    version = releases.save(paths, FILES, {"threshold": 0.25})
    found = releases.load(paths, version)
    assert (found.version, dict(found.files), found.facts) == (version, FILES, {"threshold": 0.25})
    assert found.digest.startswith("sha256:")


def test_the_version_names_the_content(paths: Paths) -> None:
    """The same content has the same version; a changed file, name or fact has another."""
    first = releases.save(paths, FILES, {})
    assert releases.save(paths, dict(reversed(FILES.items())), {}) == first
    renamed = {"other.txt": FILES["prompt.txt"], "index.jsonl": FILES["index.jsonl"]}
    others = [
        releases.save(paths, {**FILES, "prompt.txt": b"Guess.\n"}, {}),
        releases.save(paths, renamed, {}),
        releases.save(paths, FILES, {"threshold": 0.3}),
    ]
    assert len({first, *others}) == 4


@pytest.mark.parametrize("name", ["index.jsonl", "prompt.txt", "model.json"])
@pytest.mark.parametrize("gone", [False, True])
def test_a_changed_release_is_refused(paths: Paths, name: str, gone: bool) -> None:
    """Whichever file it is, and whether it was changed or removed."""
    version = releases.save(paths, FILES, {})
    file: Path = paths.models / version / name
    file.unlink() if gone else file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ReleaseRefused, match=r"there is no|missing|changed after"):
        releases.load(paths, version)


@pytest.mark.parametrize("name", ["", "../evil", "a/b", "a\\b", ".hidden", "model.json"])
def test_a_name_that_leads_elsewhere_is_refused(paths: Paths, name: str) -> None:
    """A release stays in its folder and does not overwrite its own card."""
    with pytest.raises(ValueError, match="no name for a file"):
        releases.save(paths, {name: b""}, {})


def test_nothing_serves_before_the_first_activation(paths: Paths) -> None:
    """And a version that is not there cannot be made to serve."""
    assert releases.serving(paths) is None
    with pytest.raises(ReleaseRefused, match="nothing serves yet"):
        releases.load(paths)
    with pytest.raises(ReleaseRefused, match="there is no release r-0"):
        releases.activate(paths, "r-0")


def test_rolling_back_brings_the_version_before(paths: Paths) -> None:
    """And there is an end to it."""
    old, new = releases.save(paths, FILES, {}), releases.save(paths, {}, {})
    for version in (old, new, new):
        releases.activate(paths, version)
    assert (releases.load(paths).version, releases.history(paths)) == (new, [old, new])
    assert releases.roll_back(paths) == old
    assert releases.load(paths).version == old
    with pytest.raises(ReleaseRefused, match="no earlier version"):
        releases.roll_back(paths)


def test_the_card_of_a_release_is_plain_json(paths: Paths) -> None:
    """Any tool can read what a release is."""
    version = releases.save(paths, FILES, {"documents": 2})
    card = json.loads((paths.models / version / "model.json").read_text())
    assert (card["schema"], card["facts"]) == ("release/1", {"documents": 2})
    assert sorted(card["files"]) == ["index.jsonl", "prompt.txt"]
