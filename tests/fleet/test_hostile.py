"""Projects that mean harm: nothing of theirs runs, nothing of ours reaches them, and no other project notices."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests import kit
from tests.fleet.test_apply import HELPER, ended, planned
from tests.fleet.world import AUDIT, BRANCH, RUNBOOK, WORD, World, world
from tests.forges.githttp import serving

RUNS = "#!/bin/sh\ntouch {mark}\n"
LOCK, PROJECT = ".ai-factory/lock.json", ".ai-factory/project.yaml"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COUNT", "1"), ("KEY_0", "credential.helper"), ("VALUE_0", HELPER)):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, {"plain": 2, "conflict": 1}) as made:
        yield made


def changed(here: World, name: str, files: Mapping[str, str | bytes | None]) -> None:
    """A commit of the team's on the default branch."""
    here.server.push(name, "main", files)


ATTRIBUTES = "* filter=evil merge=evil diff=evil text eol=crlf working-tree-encoding=UTF-16 export-subst\n"
DRIVERS = '[filter "evil"]\n\tclean = touch {mark}\n\tsmudge = touch {mark}\n[merge "evil"]\n\tdriver = touch {mark}\n'


def drivers(here: World, name: str, mark: Path) -> None:
    """Filters, merge drivers and hooks: named in the commit, and set up in the repository that is read."""
    changed(here, name, {".gitattributes": ATTRIBUTES, ".gitconfig": DRIVERS, RUNBOOK: kit.LINES + "own\n"})
    folder = here.server.folder(name)
    with (folder / "config").open("a") as stream:
        stream.write(DRIVERS.format(mark=mark) + f"[core]\n\tfsmonitor = touch {mark}\n\tpager = touch {mark}\n")


def submodule(here: World, name: str, mark: Path) -> None:
    """A submodule from an address that would run a command."""
    text = f'[submodule "a"]\n\tpath = a\n\turl = ext::touch {mark}\n\tupdate = !touch {mark}\n'
    changed(here, name, {".gitmodules": text})
    _entry(here.server.folder(name), f"160000,{here.server.head(name)},a")


def links(here: World, name: str, mark: Path) -> None:
    """A managed file that is a link to somewhere else."""
    folder = here.server.folder(name)
    _entry(folder, f"120000,{_run(folder, 'hash-object', '-w', '--stdin', content=str(mark))},{AUDIT}")


def _entry(folder: Path, entry: str) -> None:
    """A commit on the default branch with that entry, as `update-index --cacheinfo` takes it."""
    _run(folder, "read-tree", "main")
    _run(folder, "update-index", "--add", "--cacheinfo", entry)
    made = _run(folder, "commit-tree", _run(folder, "write-tree"), "-p", "main", "-m", "evil")
    _run(folder, "update-ref", "refs/heads/main", made)


def _run(folder: Path, *arguments: str, content: str = "") -> str:
    environment = {**os.environ, "GIT_INDEX_FILE": str(folder / "evil.index")}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, input=content, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


EVIL: Mapping[str, tuple[Callable[[World, str, Path], object], tuple[str, str]]] = {
    "filters, drivers and hooks": (drivers, ("pushed", "")),
    "a submodule": (submodule, ("failed", "policy")),
    "a link": (links, ("conflicted", "")),
    "much data": (lambda here, name, _: changed(here, name, {"data.bin": os.urandom(3_000_000)}), ("pushed", "")),
    "a huge managed file": (
        lambda here, name, _: changed(here, name, {AUDIT: b"x" * 3_000_000}),
        ("failed", "transient"),
    ),
    "a huge lock": (lambda here, name, _: changed(here, name, {LOCK: b"[" * 900_000}), ("failed", "policy")),
    "no lock": (lambda here, name, _: changed(here, name, {LOCK: "{}"}), ("failed", "policy")),
    "a bomb of YAML": (
        lambda here, name, _: changed(here, name, {PROJECT: "a: &a [x,x,x,x,x,x,x,x,x]\n" + "b: [*a,*a]\n" * 9000}),
        ("failed", "policy"),
    ),
}


@pytest.mark.parametrize("name", EVIL)
def test_nothing_of_a_project_runs_and_no_other_one_notices(name: str, here: World, tmp_path: Path) -> None:
    act, end = EVIL[name]
    mark = tmp_path / "it-ran"
    act(here, "team/plain-0", mark)
    planned(here)
    done = here.run("apply", "plan.jsonl", "--json")
    assert ended(here, done.data) == {
        "team/plain-0": end,
        "team/plain-1": ("pushed", ""),
        "team/conflict-0": ("conflicted", ""),
    }, done.data["projects"]
    assert not mark.exists()
    if end[0] in ("pushed", "conflicted"):
        folder = here.server.folder("team/plain-0")
        names = kit.git(folder, "diff", "--name-only", "main", BRANCH).split()
        assert {".gitattributes", ".gitmodules", "data.bin", "a"}.isdisjoint(names)


def test_another_factory_gets_neither_a_visit_nor_the_token(here: World, tmp_path: Path) -> None:
    """Lock and project.yaml name a server of theirs: the fleet takes from its own factories alone."""
    with serving(tmp_path / "evil", ("x",)) as evil:
        folder = here.server.folder("team/plain-0")
        lock = kit.git(folder, "show", f"main:{LOCK}").replace(str(here.factory), f"{evil.url}/factory.git")
        wish = kit.git(folder, "show", f"main:{PROJECT}").replace(str(here.factory), f"{evil.url}/factory.git")
        changed(here, "team/plain-0", {LOCK: lock, PROJECT: wish + "\n"})
        plan = planned(here)
        done = here.run("apply", "plan.jsonl", "--json")
        assert ended(here, done.data)["team/plain-0"] == ("failed", "policy")
        assert "(AF005)" in plan.out
        assert evil.seen == []
    assert all(one.secret in ("", WORD) for one in here.server.seen)


def test_the_token_goes_to_its_own_host_alone(here: World, tmp_path: Path) -> None:
    """A redirect to another host is not followed."""
    with serving(tmp_path / "other") as other:
        text = (here.folder / "fleet.yaml").read_text()
        (here.folder / "fleet.yaml").write_text(text + f"- {{url: {other.url}/team/x.git}}\n")
        planned(here)
        assert [one.secret for one in other.seen if one.secret] == []
