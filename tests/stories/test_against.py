"""`check --against` and `--verify`: a pull request cannot excuse itself, and an honest sync is no drift."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ai_factory import base
from ai_factory.base import Base
from ai_factory.tree import File, blob_id, digest
from tests.kit import cli, commit, git, put, small_factory

CONTROLS = "src/small_thing/controls"
AUDIT, RUNBOOK = f"{CONTROLS}/audit.py", "ops/runbook.md"
LOCK, BASE, WAIVERS = ".ai-factory/lock.json", ".ai-factory/base", ".ai-factory/waivers.yaml"
EVIL = "def record() -> None:\n    return\n"
ROW = f"- {{rule: AF002, path: {AUDIT}, reason: a hot fix, owner: a@x, approver: b@x, until: '2999-12-31'}}\n"
AGAINST = ("--against", "main")
VERIFIED = (*AGAINST, "--verify")


@pytest.fixture
def here(project: Path) -> Path:
    """A project at v1.0.0 on a branch of its own, with `main` behind it."""
    git(project, "branch", "-m", "main")
    git(project, "checkout", "-q", "-b", "feature")
    return project


def found(here: Path, *options: str) -> tuple[int, list[tuple[str, str]]]:
    """The exit code, and rule and path of each finding but that a newer version is there."""
    result = cli("check", "--json", *options, cwd=here)
    rows = [(row["rule"], row["path"]) for row in result.data["projects"][0]["findings"] if row["rule"] != "AF001"]
    return result.code, rows


def messages(here: Path, *options: str) -> list[str]:
    findings = cli("check", "--json", *options, cwd=here).data["projects"][0]["findings"]
    return [row["message"] for row in findings if row["rule"] != "AF001"]


def lock_of(here: Path) -> dict[str, Any]:
    return dict(json.loads((here / LOCK).read_text()))


def with_lock(here: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Edit the lock, and forge base and digest so that they fit it."""
    data, known = lock_of(here), base.read((here / BASE).read_bytes())
    change(data)
    files = {
        path: File((here / path).read_bytes(), row["mode"]) if blob_id(file.content) != row["base"] else file
        for path, file in known.files.items()
        if (row := data["paths"].get(path)) and row["ownership"] in ("managed", "merged")
    }
    archive = base.write(Base(files, {}))
    data["base_file"] = digest(archive)
    put(here, {BASE: archive, LOCK: json.dumps(data)})


# ---- four ways to cheat --------------------------------------------------------------------------


def lock_and_file(here: Path) -> None:
    put(here, {AUDIT: EVIL})
    with_lock(here, lambda data: data["paths"][AUDIT].update(base=blob_id(EVIL.encode())))


def own_waiver(here: Path) -> None:
    put(here, {AUDIT: EVIL, WAIVERS: ROW})


def another_owner(here: Path) -> None:
    put(here, {AUDIT: EVIL})
    with_lock(here, lambda data: data["paths"][AUDIT].update(ownership="merged"))


def off_the_record(here: Path) -> None:
    put(here, {AUDIT: None, f"{CONTROLS}/other.py": EVIL})
    with_lock(here, lambda data: (data["paths"].pop(AUDIT), data.update(folders=[])))


def hidden(here: Path) -> None:
    put(here, {AUDIT: None, ".gitignore": f"{AUDIT}\n"})
    git(here, "rm", "-q", "--cached", AUDIT)
    with_lock(here, lambda data: data["paths"][AUDIT].update(state="local"))


LIE = ("AF005", AUDIT)
DOUBT = ("AF005", LOCK)
CHEATS: Mapping[str, tuple[Callable[[Path], None], list[tuple[str, str]], list[tuple[str, str]]]] = {
    # what is done, what `--against` finds, what `--against --verify` finds; a plain check finds nothing that fails
    "lock and file": (lock_and_file, [DOUBT], [LIE, ("AF002", AUDIT)]),
    "a waiver of one's own": (own_waiver, [("AF002", AUDIT)], [("AF002", AUDIT)]),
    "another owner": (another_owner, [DOUBT], [LIE, ("AF002", AUDIT)]),
    "off the record": (
        off_the_record,
        [DOUBT],
        [DOUBT, LIE, ("AF003", AUDIT), ("AF011", f"{CONTROLS}/other.py")],
    ),
    "hidden from git": (hidden, [DOUBT], [LIE, ("AF003", AUDIT)]),
}


@pytest.mark.parametrize("name", CHEATS)
@pytest.mark.parametrize("committed", [False, True])
def test_a_pull_request_cannot_excuse_itself(name: str, committed: bool, here: Path) -> None:
    """What the work tree alone says is believed by a plain check, and by no other."""
    cheat, doubted, proved = CHEATS[name]
    cheat(here)
    if committed:
        commit(here)
    assert found(here)[0] == 0
    assert found(here, *AGAINST) == (2 if DOUBT in doubted else 1, doubted)
    assert found(here, *VERIFIED) == (2 if any(rule == "AF005" for rule, _ in proved) else 1, proved)


def test_what_is_wrong_is_said_with_the_command_that_proves_it(here: Path) -> None:
    lock_and_file(here)
    (row,) = [
        row
        for row in cli("check", "--json", *AGAINST, cwd=here).data["projects"][0]["findings"]
        if row["rule"] == "AF005"
    ]
    assert row["message"] == f"differs from that of `main` in the rows of `{AUDIT}`, and nothing proves it"
    assert row["hint"] == "`ai-factory check --against main --verify` renders it again and says whether it is right"
    assert messages(here, *VERIFIED) == [
        "has another id in the lock, content in the base than the factory gives it",
        "was edited",
    ]


def test_a_lock_that_is_edited_alone_is_in_doubt_and_its_file_is_not(here: Path) -> None:
    """Else the next pull request would find a lock that fits what it brings."""
    data = lock_of(here)
    data["paths"][AUDIT]["base"] = blob_id(EVIL.encode())
    put(here, {LOCK: json.dumps(data)})
    assert found(here, *AGAINST) == (2, [DOUBT])
    assert found(here, *VERIFIED) == (2, [LIE])


def test_a_waiver_counts_once_it_is_merged_by_itself(here: Path) -> None:
    """And until then the finding says so; one that is withdrawn counts no more."""
    own_waiver(here)
    (row,) = cli("check", "--json", *AGAINST, cwd=here).data["projects"][0]["findings"][:1]
    assert row["hint"].startswith("a waiver counts here once it is merged, by itself; else `ai-factory restore")
    git(here, "stash", "-q", "-u")
    git(here, "checkout", "-q", "main")
    put(here, {WAIVERS: ROW})
    commit(here)
    git(here, "checkout", "-q", "-B", "feature")
    put(here, {AUDIT: EVIL})
    assert found(here, *AGAINST) == (0, [("AF010", AUDIT)])
    put(here, {WAIVERS: None})
    assert found(here, *AGAINST) == (1, [("AF002", AUDIT)])


# ---- what is honest ------------------------------------------------------------------------------


def test_a_sync_is_proved_and_is_no_drift(here: Path) -> None:
    """Without the proof it is neither right nor wrong."""
    assert cli("sync", "--to", "v2.0.0", "--commit", cwd=here).code == 0
    assert found(here, *AGAINST) == (2, [DOUBT])
    assert found(here, *VERIFIED) == (0, [])
    notes = cli("check", "--json", *VERIFIED, cwd=here).data["notes"]
    assert notes == ["against `main`: version v1.0.0 becomes v2.0.0"]


def test_drift_beside_a_sync_is_drift(here: Path) -> None:
    assert cli("sync", "--to", "v2.0.0", "--commit", cwd=here).code == 0
    put(here, {AUDIT: EVIL})
    assert found(here, *AGAINST) == (2, [DOUBT, ("AF002", AUDIT)])
    assert found(here, *VERIFIED) == (1, [("AF002", AUDIT)])


def test_a_sync_with_edits_deletions_and_moves_is_proved(here: Path) -> None:
    """What a sync keeps of the team's is nothing that a rendering contradicts."""
    put(here, {RUNBOOK: (here / RUNBOOK).read_text() + "ours\n", "pyproject.toml": None})
    (here / "docs/extra.md").rename(here / "docs/moved.md")
    commit(here)
    assert cli("sync", "--to", "v2.0.0", "--commit", cwd=here).code == 0
    assert found(here, *VERIFIED) == (0, [])


def test_an_open_conflict_stays_one(here: Path) -> None:
    put(here, {RUNBOOK: (here / RUNBOOK).read_text().replace("line 2\n", "line zwei\n")})
    commit(here)
    assert cli("sync", "--to", "v2.0.0", cwd=here).code == 1
    assert found(here, *VERIFIED) == (1, [("AF004", RUNBOOK)])


def test_other_answers_are_told_and_are_no_drift(here: Path) -> None:
    assert cli("sync", "--data", "use_case=other thing", "--data", "package=small_thing", cwd=here).code == 0
    assert found(here, *VERIFIED) == (0, [])
    assert cli("check", *VERIFIED, cwd=here).out.splitlines()[-2] == "against `main`: other answers: use_case"


def test_a_branch_that_began_before_the_last_sync_of_main_is_judged_by_its_own_lock(here: Path) -> None:
    """It changes nothing in it, so nothing has to be proved."""
    put(here, {"src/small_thing/own.py": "x = 1\n"})
    commit(here)
    git(here, "checkout", "-q", "main")
    assert cli("sync", "--to", "v2.0.0", "--commit", cwd=here).code == 0
    git(here, "checkout", "-q", "feature")
    assert found(here, *AGAINST) == (0, [])
    put(here, {AUDIT: EVIL})
    assert found(here, *AGAINST) == (1, [("AF002", AUDIT)])


def test_a_project_in_a_folder_of_its_repository(here: Path, tmp_path: Path) -> None:
    top = tmp_path / "top"
    shutil.copytree(here, top / "services/x", ignore=shutil.ignore_patterns(".git"))
    git(tmp_path, "init", "-q", "-b", "main", str(top))
    commit(top)
    lock_and_file(top / "services/x")
    assert found(top / "services/x", *AGAINST) == (2, [DOUBT])
    assert found(top, "services/x", *AGAINST) == (2, [DOUBT])


# ---- what is not there ---------------------------------------------------------------------------


def test_a_reference_that_is_not_there_is_named_with_the_command_that_brings_it(here: Path, tmp_path: Path) -> None:
    """And that command does bring it into a shallow clone of one branch."""
    git(tmp_path, "clone", "-q", "--depth", "1", "-b", "feature", f"file://{here}", "clone")
    clone = tmp_path / "clone"
    (row,) = cli("check", "--json", "--against", "origin/main", cwd=clone).data["projects"][0]["findings"]
    command = "git fetch --depth 1 origin main:refs/remotes/origin/main"
    assert (row["rule"], row["message"]) == ("AF005", "the clone has no `origin/main` to check against")
    assert row["hint"] == f"bring it: `{command}`"
    assert found(clone, *AGAINST) == (2, [DOUBT])
    git(clone, *command.split()[1:])
    assert (found(clone, *AGAINST), found(clone, "--against", "origin/main")) == ((0, []), (0, []))


def test_a_branch_or_tag_of_the_same_name_is_not_taken_for_that_of_the_server(here: Path, tmp_path: Path) -> None:
    git(here, "checkout", "-q", "main")
    git(tmp_path, "clone", "-q", str(here), "clone")
    clone = tmp_path / "clone"
    lock_and_file(clone)
    commit(clone)  # on the clone's own `main`
    git(clone, "tag", "origin/main")
    assert found(clone, *AGAINST) == found(clone, "--against", "origin/main") == (2, [DOUBT])


@pytest.mark.parametrize("name", ["--help", "a b", "main:x", "main^{tree}"])
def test_what_is_no_name_is_refused(name: str, here: Path) -> None:
    (row,) = cli("check", "--json", f"--against={name}", cwd=here).data["projects"][0]["findings"]
    assert row["message"] == f"the clone has no `{name}` to check against"


def test_without_git_there_is_nothing_to_check_against(here: Path) -> None:
    shutil.rmtree(here / ".git")
    (row,) = cli("check", "--json", *AGAINST, cwd=here).data["projects"][0]["findings"]
    assert row["message"] == f"`{here}` lies in no git repository, so there is no `main`"


def test_a_project_that_is_new_in_a_pull_request_has_to_be_proved(here: Path) -> None:
    git(here, "checkout", "-q", "--orphan", "empty")
    git(here, "commit", "-q", "--allow-empty", "-m", "empty", "--only")
    git(here, "checkout", "-q", "feature")
    assert found(here, "--against", "empty") == (2, [DOUBT])
    assert messages(here, "--against", "empty") == ["is not there at `empty`, and nothing proves it"]
    assert found(here, "--against", "empty", "--verify") == (0, [])


# ---- the factory ---------------------------------------------------------------------------------


def other_factory(factory: Path) -> Path:
    """A factory of a stranger's, with the same history and one release more."""
    place = factory.parent / "other"
    shutil.copytree(factory, place, symlinks=True)
    put(place, {"templates/core/files/src/{{ package }}/controls/audit.py": EVIL})
    commit(place)
    git(place, "tag", "v3.0.0")
    return place


def test_a_pull_request_cannot_bring_a_factory_of_its_own(here: Path, factory: Path) -> None:
    place = other_factory(factory)
    assert cli("sync", "--to", "v3.0.0", "--accept-factory", str(place), "--commit", cwd=here).code == 0
    assert found(here, "--verify") == (0, [])
    assert found(here, *VERIFIED) == (2, [DOUBT])
    assert messages(here, *VERIFIED)[0] == f"names the factory `{place}`, and not `{factory}`"
    assert found(here, *VERIFIED, "--factory", str(place)) == (0, [])


def test_a_branch_of_the_factory_is_no_release(here: Path, factory: Path) -> None:
    """Whoever may push a branch there is not who releases."""
    git(factory, "checkout", "-q", "-b", "draft")
    put(factory, {"templates/core/files/src/{{ package }}/controls/audit.py": EVIL})
    commit(factory)
    assert cli("sync", "--to", "draft", "--commit", cwd=here).code == 0
    assert found(here, "--verify") == (0, [])
    assert found(here, *VERIFIED) == (2, [DOUBT])
    assert messages(here, *VERIFIED) == [f"`draft`, which `{LOCK}` names, is no release of the factory"]


def test_a_commit_under_the_name_of_a_release_is_none(here: Path, factory: Path) -> None:
    put(factory, {"README.md": "more\n"})
    new = commit(factory)
    with_lock(here, lambda data: data["factory"].update(commit=new))
    message = f"`{LOCK}` names a commit that is not `v1.0.0` of the factory"
    assert messages(here, "--verify") == [message]


@pytest.mark.parametrize("options", [("--verify",), ("--remote",)])
def test_in_ci_no_factory_is_taken_from_the_project(
    options: tuple[str, ...], here: Path, factory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target branch may name one, and who runs the job."""
    monkeypatch.setenv("CI", "true")
    assert messages(here, *options) == [f"names the factory `{factory}`, and in CI that is not taken from the project"]
    assert found(here, *options, *AGAINST) == (0, [])
    assert found(here, *options, "--factory", str(factory)) == (0, [])
    assert found(here, *options, "--factory", "https://example.org/f.git") == (2, [DOUBT])


# ---- the proof -----------------------------------------------------------------------------------

LIES: Mapping[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    "id": (lambda row: row.update(base="0" * 40), AUDIT, "id in the lock, content in the base"),
    "controls": (lambda row: row.update(controls=[]), AUDIT, "controls"),
    "mode": (lambda row: row.update(mode="100755"), AUDIT, "mode"),
    "component": (lambda row: row.update(component="extras"), RUNBOOK, "component"),
    "ownership": (lambda row: row.update(ownership="seeded"), RUNBOOK, "ownership"),
    "state": (lambda row: row.update(state="local"), AUDIT, "state"),
}


@pytest.mark.parametrize("name", LIES)
def test_each_part_of_a_row_is_proved(name: str, here: Path) -> None:
    """The file itself is judged by the rendering."""
    change, path, words = LIES[name]
    data = lock_of(here)
    change(data["paths"][path])
    put(here, {LOCK: json.dumps(data)})
    told = [
        row["message"]
        for row in cli("check", "--json", "--verify", cwd=here).data["projects"][0]["findings"]
        if row["path"] == path
    ]
    wanted = words.removesuffix(", content in the base") if name == "id" else words
    assert told == [f"has another {wanted} than the factory gives it"]


def test_the_base_is_proved(here: Path) -> None:
    known = base.read((here / BASE).read_bytes())
    forged = Base({**known.files, RUNBOOK: File(b"forged\n"), "own.md": File(b"own\n")}, {})
    data = lock_of(here)
    archive = base.write(forged)
    data["base_file"] = digest(archive)
    put(here, {BASE: archive, LOCK: json.dumps(data)})
    assert found(here, "--verify") == (2, [("AF005", RUNBOOK), ("AF005", "own.md")])
    assert messages(here, "--verify") == [
        "has another content in the base than the factory gives it",
        "is in the base, and the factory has no such file",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(folders=[]), "names other folders as managed whole than the factory does"),
        (
            lambda data: data["components"].update(core="9.9.9"),
            "names other versions of the components than the factory has",
        ),
        (
            lambda data: data["components"].update(more="1.0.0"),
            f"`{LOCK}` names the component `more`, and the blueprint `small` of `.ai-factory/project.yaml` has none",
        ),
        (
            lambda data: data["answers"].update(package="no identifier"),
            f"`{LOCK}` holds answers that the factory does not take: `package` is no identifier",
        ),
        (
            lambda data: data["answers"].pop("use_case"),
            f"`{LOCK}` lacks answers, or has other ones than were settled: use_case",
        ),
        (
            lambda data: data["factory"].update(tree="0" * 40),
            f"`{LOCK}` names a tree of the factory that `v1.0.0` has not",
        ),
    ],
)
def test_what_belongs_to_no_path_is_proved_too(
    change: Callable[[dict[str, Any]], object], message: str, here: Path
) -> None:
    data = lock_of(here)
    change(data)
    put(here, {LOCK: json.dumps(data)})
    assert (found(here, "--verify")[0], messages(here, "--verify")) == (2, [message])


def test_a_factory_that_cannot_be_read_is_af006(here: Path, factory: Path) -> None:
    shutil.rmtree(factory)
    assert found(here, "--verify") == (2, [("AF006", LOCK)])


def test_a_folder_that_has_changed_is_af006(tmp_path: Path) -> None:
    """As it was applied it is proved."""
    place = small_factory(tmp_path / "folder", tags=False)
    here = tmp_path / "small-thing"
    assert cli("new", "small", str(here), "--defaults", "--factory", str(place)).code == 0
    assert found(here, "--verify") == (0, [])
    put(place, {"templates/core/files/ops/new.md": "new\n"})
    assert found(here, "--verify") == (2, [("AF006", LOCK)])


def test_what_the_tool_carries_is_proved(tmp_path: Path) -> None:
    here = tmp_path / "credit-line"
    assert cli("new", "tabular-decision", str(here), "--defaults").code == 0
    assert found(here, "--verify") == (0, [])
