"""`blueprint export`: a repository that Copier stamps and updates from, and that only grows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from copier import run_copy, run_update

from ai_factory.factory import open_factory
from ai_factory.git import editions, process
from tests import golden
from tests.kit import LINES, cli, commit, git, put, small_factory, snapshot, tree

ANSWERS = ".copier-answers.yml"


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    """The small factory with its licence, and its releases v1.0.0 and v2.0.0."""
    folder = tmp_path / "factory"
    put(folder, {"LICENSE": "free\n"})
    return small_factory(folder)


def export(factory: Path | str, place: Path, *options: str) -> tuple[int, str]:
    """The exit code, and what was said."""
    result = cli("blueprint", "export", "small", str(place), "--factory", str(factory), *options)
    return result.code, result.out or result.err


def test_each_release_is_a_commit_and_a_tag(factory: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    told = f"small → {place}\n  + v1.0.0\n  + v2.0.0\n2 versions added; the newest is v2.0.0\n"
    assert export(factory, place) == (0, told)
    assert git(place, "log", "--format=%s %an %ad", "--date=short").splitlines() == [
        "small v2.0.0 ai-factory 2026-01-02",
        "small v1.0.0 ai-factory 2026-01-02",
    ]
    assert git(place, "tag", "--points-at", "HEAD") == "v2.0.0"
    assert git(place, "status", "--porcelain") == ""
    assert (place / "LICENSE").read_text() == "free\n"
    assert json.loads((place / "export.json").read_text()) == {
        "schema": "ai-factory/exported/1",
        "blueprint": "small",
        "factory": "folder",
        "version": "v2.0.0",
        "commit": git(factory, "rev-parse", "v2.0.0"),
    }


def test_the_same_export_is_the_same_repository(factory: Path, tmp_path: Path) -> None:
    export(factory, tmp_path / "one")
    export(factory, tmp_path / "two")
    assert git(tmp_path / "one", "rev-parse", "HEAD") == git(tmp_path / "two", "rev-parse", "HEAD")


def test_a_later_export_adds_what_is_new_and_changes_nothing(factory: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    git(factory, "tag", "-d", "v2.0.0")
    export(factory, place)
    first = git(place, "rev-parse", "v1.0.0")
    git(factory, "tag", "v2.0.0")
    git(factory, "tag", "v1.0.1", "v1.0.0")
    told = f"small → {place}\n  + v1.0.1\n  + v2.0.0\n2 versions added; the newest is v2.0.0\n"
    assert export(factory, place) == (0, told)
    assert git(place, "rev-list", "--parents", "-1", "v1.0.1").split()[1] == first
    assert git(place, "rev-parse", "v2.0.0~1", "HEAD").split() == git(place, "rev-parse", "v1.0.1", "v2.0.0").split()
    before = snapshot(place)
    assert export(factory, place) == (0, f"small → {place}\nnothing to add; the newest is v2.0.0\n")
    assert snapshot(place) == before


def test_an_older_release_that_comes_late_stands_after_the_one_before_it(factory: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    export(factory, place)
    head = git(place, "rev-parse", "HEAD")
    git(factory, "tag", "v1.5.0", "v1.0.0")
    assert export(factory, place)[0] == 0
    assert git(place, "rev-parse", "HEAD", "v1.5.0~1").split() == [head, git(place, "rev-parse", "v1.0.0")]
    assert git(place, "status", "--porcelain") == ""


def test_copier_updates_a_project_and_keeps_an_edit(factory: Path, tmp_path: Path) -> None:
    """From one tag to the next, by Copier alone: an edit stays, a seeded file is left alone, the rest changes."""
    place, project = tmp_path / "out", tmp_path / "project"
    export(factory, place)
    run_copy(str(place), project, data={"with_nice": True}, defaults=True, vcs_ref="v1.0.0", quiet=True)
    git(tmp_path, "init", "-q", "-b", "main", str(project))
    put(project, {"ops/runbook.md": LINES.replace("line 19\n", "line of ours\n")})
    commit(project)
    run_update(str(project), defaults=True, overwrite=True, quiet=True)
    found = tree(project)
    answers = found.pop(ANSWERS)
    assert "_commit: v2.0.0\n" in answers
    assert found == {
        "config/settings.txt": LINES.replace("line", "setting").replace("setting 20", "setting twenty"),
        "docs/extra.md": "extra\n",
        "docs/nice.md": "nice\n",
        "ops/new.md": "new\n",
        "ops/runbook.md": LINES.replace("line 2\n", "line two\n").replace("line 19\n", "line of ours\n"),
        "pyproject.toml": '[project]\nname = "small_thing"\ndependencies = [\n\n  "polars>=2,<3",\n\n]\n',
        "src/small_thing/controls/audit.py": "def record() -> None:\n    print()\n",
        "src/small_thing/main.py": 'NAME = "small thing"\n',
    }


def test_a_factory_without_releases_is_exported_as_it_stands(tmp_path: Path) -> None:
    place, folder = tmp_path / "out", small_factory(tmp_path / "factory", tags=False)
    version = open_factory(str(folder)).origin.version
    told = "the factory has no release, and is exported as it stands\n"
    added = f"small → {place}\n  + {version}\nadded as a commit, without a tag: {told}"
    assert export(folder, place) == (0, added)
    assert git(place, "tag") == ""
    assert export(folder, place) == (0, f"small → {place}\nnothing to add: {told}")
    put(folder, {"templates/extras/files/docs/extra.md": "more\n"})
    assert export(folder, place)[0] == 0
    assert git(place, "rev-list", "--count", "HEAD") == "2"


def test_the_embedded_factory_is_one_version(tmp_path: Path) -> None:
    result = cli("blueprint", "export", "blank", str(tmp_path / "out"), "--json")
    version = open_factory("embedded").origin.version
    assert (result.code, result.data) == (
        0,
        {
            "schema": "ai-factory/blueprint-export/1",
            "blueprint": "blank",
            "place": str(tmp_path / "out"),
            "added": [f"v{version}"],
            "newest": version,
            "left_out": [],
        },
    )
    assert (tmp_path / "out" / "LICENSE").read_bytes() == (golden.ROOT / "LICENSE").read_bytes()


def test_a_release_that_cannot_be_exported_is_named(factory: Path, tmp_path: Path) -> None:
    git(factory, "checkout", "-q", "v1.0.0")
    put(factory, {"templates/extras/component.yaml": "summary: [\n"})
    commit(factory)
    git(factory, "tag", "v1.2.0")
    told_of_yaml = "`templates/extras/component.yaml` line 2: expected the node content, but found '<stream end>'"
    code, told = export(factory, tmp_path / "out")
    assert (code, told.splitlines()[3:]) == (
        1,
        [f"  ! v1.2.0 could not be exported: {told_of_yaml}", "2 versions added; the newest is v2.0.0"],
    )


# ---- refused --------------------------------------------------------------------------------------


def test_what_is_no_earlier_export_of_the_same_is_left_alone(factory: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    put(place, {"notes.md": "mine\n"})
    told = f"`{place}` is not empty: it holds `notes.md`"
    hint = "name a folder that is new or empty, or one that holds an earlier export"
    assert export(factory, place) == (2, f"error: {told}\nhint: {hint}\n")
    git(place, "init", "-q", "-b", "main")
    commit(place)
    told = f"`{place}` holds no export of `small` from `folder`"
    assert export(factory, place) == (2, f"error: {told}\nhint: {hint} of the same\n")
    inside = place / "inside"
    told = f"`{inside}` lies in the repository `{place}`, and a template is a repository of its own"
    assert export(factory, inside) == (2, f"error: {told}\nhint: name a folder outside of it\n")
    assert not inside.exists()


def test_an_export_of_another_factory_is_not_gone_on_with(factory: Path, tmp_path: Path) -> None:
    """A folder has no address to tell them apart: the commits of the versions do."""
    place, other = tmp_path / "out", small_factory(tmp_path / "other", tags=False)
    git(other, "init", "-q")
    commit(other)
    export(factory, place)
    git(place, "tag", "stable")  # of somebody's own, for a version that is the factory's
    assert export(factory, place)[0] == 0
    before = snapshot(place), git(place, "for-each-ref")
    hint = "name a folder that is new or empty; or, where the factory took that release back"
    for tags in ((), ("v3.0.0",), ("v1.0.0", "v2.0.0")):  # none, no such version, the same versions of other commits
        for tag in tags:
            git(other, "tag", tag)
        told = f"`stable` in `{place}` was made from a commit that is no such release of `{other}`"
        assert export(other, place) == (2, f"error: {told}\nhint: {hint}, `git -C {place} tag -d stable`\n")
        assert (snapshot(place), git(place, "for-each-ref")) == before
    git(place, "tag", "-d", "stable")
    git(factory, "tag", "-d", "v1.0.0")
    told = f"`v1.0.0` in `{place}` was made from a commit that is no such release of `{factory}`"
    assert export(factory, place) == (2, f"error: {told}\nhint: {hint}, `git -C {place} tag -d v1.0.0`\n")
    git(place, "tag", "-d", "v1.0.0")
    assert export(factory, place)[0] == 0


def test_edits_in_an_export_are_not_undone(factory: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    git(factory, "tag", "-d", "v2.0.0")
    export(factory, place)
    git(factory, "tag", "v2.0.0")
    put(place, {"README.md": "mine\n"})
    before = snapshot(place)
    told = f"`{place}` has changes that are not committed: `README.md`"
    hint = f"an export is generated, so drop them: `git -C {place} stash --all`"
    assert export(factory, place) == (2, f"error: {told}\nhint: {hint}\n")
    assert snapshot(place) == before
    commit(place)
    assert export(factory, place)[0] == 2
    assert git(place, "tag") == "v1.0.0"


def test_there_is_no_such_blueprint(factory: Path, tmp_path: Path) -> None:
    result = cli("blueprint", "export", "smal", str(tmp_path / "out"), "--factory", str(factory))
    assert (result.code, result.err.splitlines()[0]) == (
        2,
        "error: there is no blueprint `smal`; did you mean `small`?",
    )
    assert not (tmp_path / "out").exists()


# ---- cut off --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["begin", "_packed", "run update-ref", "_check_out"])
@pytest.mark.parametrize("again", [False, True])
def test_an_export_that_was_cut_off_is_finished_by_the_next(
    step: str, again: bool, factory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before any step, in a new place and in an earlier export: the same command makes it whole."""
    place = tmp_path / "out"
    if again:
        git(factory, "tag", "-d", "v2.0.0")
        export(factory, place)
        git(factory, "tag", "v2.0.0")
    with monkeypatch.context() as patch:
        _cut(patch, step)
        export(factory, place)
    assert export(factory, place)[0] == 0
    assert (git(place, "status", "--porcelain"), git(place, "tag").split()) == ("", ["v1.0.0", "v2.0.0"])
    assert (place / "export.json").exists()
    assert not (place / ".git" / editions.MARKER).exists()


def _cut(patch: pytest.MonkeyPatch, step: str) -> None:
    """Let the run die before that step."""
    real = process.run

    def dying(*_: object, **__: object) -> bytes:
        message = "cut off"
        raise RuntimeError(message)

    def run(arguments: list[str], *rest: Any, **more: Any) -> bytes:
        return dying() if arguments[0] == "update-ref" else real(arguments, *rest, **more)

    if step == "begin":
        patch.setattr("ai_factory.git.begin", dying)
    elif step.startswith("run"):
        patch.setattr(editions, "run", run)
    else:
        patch.setattr(editions, step, dying)


@pytest.mark.parametrize("part", [0.2, 0.4, 0.6, 0.8, 0.9, 0.95])
def test_an_export_that_was_killed_is_finished_by_the_next(part: float, factory: Path, tmp_path: Path) -> None:
    """A process killed at any moment, and the same command again: the repository of a run that was not disturbed."""
    command = [sys.executable, "-m", "ai_factory", "blueprint", "export", "small"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    begun = time.monotonic()
    subprocess.run([*command, str(whole), "--factory", str(factory)], check=True, capture_output=True)
    seconds = time.monotonic() - begun
    with subprocess.Popen([*command, str(cut), "--factory", str(factory)], stdout=subprocess.PIPE) as process:
        time.sleep(seconds * part)
        process.kill()
    time.sleep(0.5)  # git ends by itself
    assert export(factory, cut)[0] == 0
    assert git(cut, "status", "--porcelain") == ""
    assert tree(cut) == tree(whole)
    assert git(cut, "for-each-ref") == git(whole, "for-each-ref")


def test_nothing_of_a_persons_git_runs(factory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hook, no filter and no setting of the person or of the place has a say."""
    place = tmp_path / "out"
    git(factory, "tag", "-d", "v2.0.0")
    export(factory, place)
    git(factory, "tag", "v2.0.0")
    mark = tmp_path / "ran"
    hook = place / ".git" / "hooks" / "post-checkout"
    put(place, {".git/hooks/post-checkout": f"#!/bin/sh\ntouch {mark}\n"})
    hook.chmod(0o755)
    put(place, {".git/info/attributes": "* filter=loud text=auto\n"})
    git(place, "config", "filter.loud.smudge", f"touch {mark}; cat")
    git(place, "config", "filter.loud.clean", f"touch {mark}; cat")
    put(tmp_path, {"config": "[core]\n\tautocrlf = true\n[commit]\n\tgpgSign = true\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    assert export(factory, place)[0] == 0
    assert not mark.exists()
    shown = subprocess.run(["git", "show", "v2.0.0:README.md"], cwd=place, capture_output=True, check=True).stdout
    assert (place / "README.md").read_bytes() == shown
    assert b"\r" not in shown
    assert os.listdir(place / ".git" / "hooks") == ["post-checkout"]
