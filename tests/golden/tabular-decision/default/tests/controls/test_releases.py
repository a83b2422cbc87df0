"""A release is what it was when it was saved; rolling back checks it and is on record."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from credit_line.controls import evidence, governance, releases
from credit_line.controls.audit import AuditUnavailable, open_log, read_events
from credit_line.controls.governance import NotApproved
from credit_line.controls.paths import Paths
from credit_line.controls.releases import ReleaseRefused

WHO = ["--actor", "duty@example.org"]
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


def test_the_digest_of_one_file_is_its_own(paths: Paths) -> None:
    """So that any tool can check it."""
    version = releases.save(paths, {"index.jsonl": b"{}\n"}, {})
    own = hashlib.sha256(b"{}\n").hexdigest()
    assert releases.load(paths, version).digest == f"sha256:{own}"


def test_a_promotion_is_recorded_and_in_the_evidence(project: Paths) -> None:
    """Once: the same release serves already."""
    old = releases.load(project, releases.save(project, FILES, {"threshold": 0.25}))
    new = releases.load(project, releases.save(project, {}, {}))
    told = [releases.promote(project, ready, []) for ready in (old, new, new)]
    assert told == [
        f"{old.version} serves",
        f"{new.version} serves",
        f"{new.version} serves already",
    ]
    assert releases.history(project) == [old.version, new.version]
    model = evidence.read(project, "model")["content"]
    assert model == {"version": new.version, "model": new.digest, "facts": {}}
    events = list(read_events(project.audit / "pipeline.jsonl"))
    assert [(event["subject"], event["data"]["before"]) for event in events] == [
        (old.version, None),
        (new.version, old.version),
    ]


def test_what_cannot_be_recorded_does_not_serve(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record comes first."""
    ready = releases.load(project, releases.save(project, FILES, {}))

    def unavailable(*_: object) -> None:
        raise AuditUnavailable("disk full")

    monkeypatch.setattr(releases, "open_log", unavailable)
    with pytest.raises(AuditUnavailable):
        releases.promote(project, ready, [])
    assert releases.serving(project) is None


def test_in_production_only_the_approved_release_is_promoted(
    project: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without approvals none, and with them none but the one of the evidence."""
    ready = releases.load(project, releases.save(project, FILES, {}))
    other = releases.load(project, releases.save(project, {}, {}))
    monkeypatch.setenv("ENVIRONMENT", "Production")
    monkeypatch.setenv("AUDIT_KEY", "s" * 32)
    monkeypatch.setattr(governance, "production_findings", lambda *_: [])
    evidence.write(project, "model", {"version": other.version, "model": other.digest}, [])
    with pytest.raises(NotApproved, match=f"{ready.version} serves, which is not the model of"):
        releases.promote(project, ready, [])
    assert releases.serving(project) is None
    assert releases.promote(project, other, []) == f"{other.version} serves"
    missing = governance.Finding("approval of the risk", "missing", "approve it")
    monkeypatch.setattr(governance, "production_findings", lambda *_: [missing])
    with pytest.raises(NotApproved, match="not released for production; approval of the risk"):
        releases.promote(project, other, [])


def test_a_version_serves_once_in_a_row(paths: Paths) -> None:
    """Activated again, it stays; all versions that were saved are listed."""
    old, new = releases.save(paths, FILES, {}), releases.save(paths, {}, {})
    for version in (old, new, new):
        releases.activate(paths, version)
    assert (releases.load(paths).version, releases.history(paths)) == (new, [old, new])
    assert releases.versions(paths) == sorted([old, new])


def test_the_card_of_a_release_is_plain_json(paths: Paths) -> None:
    """Any tool can read what a release is."""
    version = releases.save(paths, FILES, {"documents": 2})
    card = json.loads((paths.models / version / "model.json").read_text())
    assert (card["schema"], card["facts"]) == ("release/1", {"documents": 2})
    assert sorted(card["files"]) == ["index.jsonl", "prompt.txt"]


@pytest.fixture
def released(project: Paths, monkeypatch: pytest.MonkeyPatch) -> tuple[Paths, list[str]]:
    """A project in which two releases served, the second one now."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    files = {"index.jsonl": b"{}\n"}
    versions = [releases.save(project, files, {"release": number}) for number in (1, 2)]
    for version in versions:
        releases.activate(project, version)
    return project, versions


def test_the_earlier_release_serves_again(
    released: tuple[Paths, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be loaded, and the log says from what, to what and why, and not by whom in clear."""
    paths, (first, second) = released
    assert releases.main(["back", "--reason", "wrong answers", *WHO]) == 0
    assert f"* {first} (serves)" in capsys.readouterr().out
    assert releases.load(paths).facts["release"] == 1
    (event,) = read_events(paths.audit / "operations.jsonl")
    assert event["subject"] == first
    assert event["data"]["before"] == second
    assert event["data"]["reason"] == "wrong answers"
    assert event["data"]["actor"].startswith("person:")


@pytest.mark.parametrize(("reason", "actor"), [("", "a"), (" \n", "a"), ("r", ""), ("r", " ")])
def test_a_rollback_without_a_reason_or_a_name_is_refused(
    released: tuple[Paths, list[str]],
    capsys: pytest.CaptureFixture[str],
    reason: str,
    actor: str,
) -> None:
    """Nobody could tell later why it was, or by whom."""
    paths, versions = released
    assert releases.main(["back", "--reason", reason, "--actor", actor]) == 1
    refused = "back: say why and who you are: neither --reason nor --actor may be blank\n"
    assert capsys.readouterr().err == refused
    assert releases.history(paths) == versions
    assert not (paths.audit / "operations.jsonl").exists()


def test_a_damaged_release_is_refused(
    released: tuple[Paths, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A release that was changed since does not get into service; the present one stays."""
    paths, (first, second) = released
    file = paths.models / first / "index.jsonl"
    file.write_bytes(file.read_bytes() + b" ")
    assert releases.main(["back", "--reason", "r", *WHO]) == 1
    assert "was changed after it was saved" in capsys.readouterr().err
    assert releases.serving(paths) == second
    assert not (paths.audit / "operations.jsonl").exists()


def test_a_missing_release_is_refused(released: tuple[Paths, list[str]]) -> None:
    """Also one that was deleted to save space."""
    paths, (first, second) = released
    shutil.rmtree(paths.models / first)
    assert releases.main(["back", "--reason", "r", *WHO]) == 1
    assert releases.serving(paths) == second


def test_a_rollback_without_record_says_so(
    released: tuple[Paths, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The safe release serves, and whoever called knows that the log lacks it."""
    paths, (first, _) = released
    with open_log(paths, "operations"):
        assert releases.main(["back", "--reason", "r", *WHO]) == 1
    assert "another process" in capsys.readouterr().err
    assert releases.serving(paths) == first


def test_there_is_no_way_back_from_the_first_release(
    released: tuple[Paths, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The list says so too."""
    assert releases.main(["back", "--reason", "r", *WHO]) == 0
    assert releases.main(["back", "--reason", "r", *WHO]) == 1
    assert "no earlier version" in capsys.readouterr().err
    assert releases.main(["list"]) == 0


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_a_damaged_list_of_what_served_is_named(
    released: tuple[Paths, list[str]], capsys: pytest.CaptureFixture[str], content: str
) -> None:
    """A sentence for the person at night; nothing is rolled back."""
    paths, _ = released
    (paths.models / "serving.json").write_text(content)
    capsys.readouterr()
    for command in (["list"], ["back", "--reason", "r", *WHO]):
        assert releases.main(command) == 1
        said = capsys.readouterr()
        lines = said.err.splitlines()
        assert said.out == ""
        assert lines and all("serving.json does not say what served: " in one for one in lines)
    assert (paths.models / "serving.json").read_text() == content
