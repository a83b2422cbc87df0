"""`check --baseline`: a repository that begins with drift fails only for what is new."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from ai_factory import baseline
from ai_factory.report.formats import FORMATS
from tests import valid
from tests.kit import cli, commit, converse, git, put, snapshot

CONTROLS = "src/small_thing/controls"
AUDIT, OWN, RUNBOOK = f"{CONTROLS}/audit.py", f"{CONTROLS}/own.py", "ops/runbook.md"
LOCK, WAIVERS = ".ai-factory/lock.json", ".ai-factory/waivers.yaml"
EDITED = "def record() -> None:\n    return\n"
MARKED = "one\n<<<<<<< yours\na\n=======\nb\n>>>>>>> factory\n"
FILE = "ci/baseline.json"


@pytest.fixture
def here(project: Path) -> Path:
    """A project that begins with drift, a file too many, and a baseline that knows both."""
    git(project, "branch", "-m", "main")
    put(project, {AUDIT: EDITED, OWN: ""})
    assert cli("check", "--write-baseline", FILE, cwd=project).code == 0
    return project


def found(here: Path, *options: str) -> tuple[int, list[tuple[str, str, str]]]:
    result = cli("check", "--json", *options, cwd=here)
    rows = [row for row in result.data["projects"][0]["findings"] if row["rule"] != "AF001"]
    return result.code, [(row["rule"], row["level"], row["path"]) for row in rows]


def test_the_file_names_what_is_known(here: Path) -> None:
    data = json.loads((here / FILE).read_text())
    rows = [(row["rule"], row["path"], row["project"]) for row in data["findings"]]
    assert (data["schema"], rows) == ("ai-factory/baseline/1", [("AF002", AUDIT, ""), ("AF011", OWN, "")])
    before = (here / FILE).read_bytes()
    assert cli("check", "--write-baseline", FILE, cwd=here).code == 0
    assert (here / FILE).read_bytes() == before


def test_what_is_known_is_a_note_and_what_is_new_fails(here: Path) -> None:
    known = [("AF002", "note", AUDIT), ("AF011", "note", OWN)]
    assert found(here, "--baseline", FILE) == (0, known)
    assert found(here, "--baseline", FILE, "--fail-on", "any")[0] == 1  # behind, which no baseline knows
    put(here, {RUNBOOK: MARKED})
    assert found(here, "--baseline", FILE) == (1, [("AF004", "error", RUNBOOK), *known])


def test_it_is_the_same_finding_from_wherever_the_command_runs(here: Path, tmp_path: Path) -> None:
    """In a repository of several projects too, of which one may be looked at alone."""
    top = tmp_path / "top"
    for name in ("one", "two"):
        shutil.copytree(here, top / name, ignore=shutil.ignore_patterns(".git", "ci"))
    git(tmp_path, "init", "-q", "-b", "main", str(top))
    assert cli("check", "one", "two", "--write-baseline", "known.json", cwd=top).code == 0
    for folder, paths in ((top, ["one", "two"]), (top, ["two"]), (top / "two/ops", [".."]), (tmp_path, ["top/one"])):
        result = cli("check", *paths, "--json", "--baseline", str(top / "known.json"), cwd=folder)
        assert (result.code, result.data["notes"]) == (0, [])


def test_what_is_healed_is_told_so_that_it_can_go(here: Path) -> None:
    assert cli("restore", AUDIT, cwd=here).code == 0
    result = cli("check", "--json", "--baseline", FILE, cwd=here)
    command = f"`ai-factory check --write-baseline {FILE}`"
    told = f"the baseline `{FILE}` knows AF002 of `{AUDIT}`, which is healed: take it out, or {command}"
    assert (result.code, result.data["notes"]) == (0, [told])


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_it(name: str, here: Path) -> None:
    """As a note, and what is healed too; no test case fails."""
    put(here, {OWN: None})
    result = cli("check", "--format", name, "--baseline", FILE, cwd=here)
    assert (result.code, "which is healed" in result.out) == (0, True)
    if name not in ("text", "junit"):
        grades = {one.grade for one in valid.read(name, result.out) if one.rule == "AF002"}
        assert grades <= {"note", "notice", "info"}
        assert grades
    if name == "junit":
        assert "<failure" not in result.out


@pytest.mark.parametrize(("change", "rule"), [({LOCK: "{"}, "AF005"), ({".ai-factory/base": b"PK"}, "AF005")])
def test_a_baseline_hides_nothing_that_cannot_be_judged(
    change: dict[str, str | bytes | None], rule: str, here: Path
) -> None:
    """Nor is one written then."""
    put(here, change)
    code, rows = found(here, "--baseline", FILE)
    assert (code, rows[0][:2]) == (2, (rule, "undetermined"))
    before = snapshot(here)
    result = cli("check", "--write-baseline", FILE, cwd=here)
    assert (result.code, result.out, snapshot(here)) == (2, "", before)
    assert result.err.splitlines()[0] == "error: a project cannot be judged, so there is nothing to write down"


TAKEN = {  # a place, and why no baseline goes there
    ".ai-factory/lock.json": "lies in `.ai-factory/`, which no output is written to",
    ".ai-factory/base": "lies in `.ai-factory/`, which no output is written to",
    ".git/config": "lies in `.git/`, which no output is written to",
    AUDIT: "is a file of the project's lock, and no place for an output",
    "README.md": "is there already, and is no earlier baseline",
    "report.json": "is there already, and is no earlier baseline",
}


@pytest.mark.parametrize("place", TAKEN)
def test_no_baseline_takes_the_place_of_another_file(place: str, here: Path) -> None:
    """Told before anything is looked at."""
    put(here, {"README.md": "# Ours\n"})
    assert cli("check", "--output", "json=report.json", cwd=here).code == 1
    before = snapshot(here)
    result = cli("check", "--write-baseline", place, "--output", "junit=fine.xml", cwd=here)
    assert (result.code, result.err.splitlines()[0]) == (2, f"error: `{place}` {TAKEN[place]}")
    assert snapshot(here) == before


def test_a_baseline_goes_where_nothing_is_or_an_empty_file(here: Path) -> None:
    """And no report takes its place."""
    put(here, {"empty.json": "\n"})
    for place in ("empty.json", "new/new.json", FILE):
        assert cli("check", "--write-baseline", place, cwd=here).code == 0
        assert found(here, "--baseline", place)[0] == 0
    assert cli("check", "--output", f"json={FILE}", cwd=here).code == 2


def test_what_was_written_can_be_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is found; what could not be is not written."""
    put(here, {f"{CONTROLS}/own_{number}.py": "" for number in range(2000)})
    assert cli("check", "--write-baseline", FILE, cwd=here).code == 0
    size = (here / FILE).stat().st_size
    assert (size > 300_000, found(here, "--baseline", FILE)[0]) == (True, 0)
    monkeypatch.setattr(baseline, "LIMIT", size)
    assert found(here, "--baseline", FILE)[0] == 0
    monkeypatch.setattr(baseline, "LIMIT", size - 1)
    before = snapshot(here)
    result = cli("check", "--write-baseline", FILE, cwd=here)
    assert (result.code, snapshot(here)) == (2, before)
    assert result.err.startswith(f"error: 2002 findings are more than a baseline of {size - 1} bytes holds\n")
    assert cli("check", "--baseline", FILE, cwd=here).code == 2


def test_what_is_known_to_be_edited_and_then_deleted_is_not_healed(here: Path) -> None:
    put(here, {AUDIT: None})
    result = cli("check", "--json", "--baseline", FILE, cwd=here)
    told = f"the baseline `{FILE}` knows AF002 of `{AUDIT}`, which is AF003 by now: take it out, or "
    assert (result.code, [note.partition("`ai-factory")[0] for note in result.data["notes"]]) == (1, [told])


def test_waivers_and_lateness_have_dates_of_their_own(here: Path) -> None:
    row = f"- {{rule: AF002, path: {AUDIT}, reason: a fix, owner: a@x, approver: b@x, until: '2020-01-01'}}\n"
    put(here, {WAIVERS: row})
    assert cli("check", "--write-baseline", FILE, cwd=here).code == 1
    assert [one["rule"] for one in json.loads((here / FILE).read_text())["findings"]] == ["AF002", "AF011"]
    assert found(here, "--baseline", FILE)[0] == 1


def test_a_pull_request_cannot_add_to_the_baseline(here: Path) -> None:
    """Against a branch, the file is that of the branch, also where a link leads out; one elsewhere is as it is."""
    commit(here)
    git(here, "checkout", "-q", "-b", "feature")
    put(here, {RUNBOOK: MARKED})
    assert cli("check", "--write-baseline", FILE, cwd=here).code == 0
    assert found(here, "--baseline", FILE)[0] == 0
    shutil.copy(here / FILE, here.parent / "elsewhere.json")
    options = ("--against", "main")
    assert found(here, "--baseline", FILE, *options)[0] == 1
    assert found(here, "--baseline", str(here.parent / "elsewhere.json"), *options)[0] == 0
    shutil.rmtree(here / "ci")
    (here / "ci").symlink_to(here.parent)
    (here.parent / "baseline.json").write_bytes((here.parent / "elsewhere.json").read_bytes())
    assert found(here, "--baseline", FILE, *options)[0] == 1


def test_a_baseline_that_the_branch_has_not_counts_for_nothing(here: Path) -> None:
    result = cli("check", "--json", "--baseline", FILE, "--against", "main", cwd=here)
    assert result.code == 1
    assert result.data["notes"] == [f"`main` has no baseline `{FILE}`: it counts once it is merged, by itself"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no baseline `b.json`"),
        ("{", "`b.json` line 1"),
        ('{"schema": "other", "findings": []}', "`b.json` line 1: schema: must be 'ai-factory/baseline/1'"),
        (
            '{"schema": "ai-factory/baseline/1", "findings": [{}]}',
            "`b.json` line 1: findings.0: `fingerprint` is missing",
        ),
    ],
)
def test_what_is_no_baseline_is_refused(text: str | None, message: str, here: Path) -> None:
    put(here, {"b.json": text} if text else {})
    result = cli("check", "--baseline", "b.json", cwd=here)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"error: {message}")


@pytest.mark.parametrize("other", [("--baseline", FILE), ("--against", "main")])
def test_writing_compares_with_nothing(other: tuple[str, str], here: Path) -> None:
    before = snapshot(here)
    result = cli("check", "--write-baseline", FILE, *other, cwd=here)
    assert (result.code, snapshot(here)) == (2, before)
    assert (
        result.err.splitlines()[0] == "error: `--write-baseline` writes down what there is, and compares with nothing"
    )


# ---- several projects ----------------------------------------------------------------------------


def test_several_projects_are_summed_up_by_owner_and_control(here: Path) -> None:
    other = shutil.copytree(here, here.parent / "other", symlinks=True)
    data = json.loads((other / LOCK).read_text())
    data["answers"]["owner_team"] = "risk-analytics"
    put(other, {LOCK: json.dumps(data), OWN: None})
    lines = cli("check", str(here), str(other)).out.splitlines()
    assert lines[-3:] == [
        "by owner: nobody named 2, risk-analytics 1",
        "by control: AUD-01 2",
        "2 projects: 2 errors, 1 warning, 2 notes; failed",
    ]
    assert not any(line.startswith("by ") for line in cli("check", cwd=here).out.splitlines())


def _shown(here: Path, patience: str, tmp_path: Path) -> str:
    """What a terminal shows of a check of three projects; `patience` is in seconds."""
    code = (
        "import sys; from ai_factory.cli import check; from ai_factory.__main__ import main; "
        f"check.PATIENCE = {patience}; sys.argv = ['ai-factory', 'check', *['{here}'] * 3]; main()"
    )
    return converse([sys.executable, "-c", code], tmp_path, [])


def test_a_person_who_waits_sees_how_far_it_has_come(here: Path, tmp_path: Path) -> None:
    """On a terminal, once it takes long; the line is gone at the end."""
    shown = _shown(here, "-1", tmp_path)
    assert [step for step in ("1 of 3", "2 of 3", "3 of 3") if f"] {step} projects" in shown] == ["1 of 3", "2 of 3"]
    assert "\r[##########....................] 1 of 3 projects\r[" in shown
    assert "of 3 projects" not in _shown(here, "600", tmp_path)


def test_a_baseline_written_by_hand_hides_no_more(here: Path) -> None:
    """A waiver that ran out, and a version too old, fail whatever it says."""
    row = f"- {{rule: AF002, path: {AUDIT}, reason: a fix, owner: a@x, approver: b@x, until: '2020-01-01'}}\n"
    put(here, {WAIVERS: row})
    options = ("--max-behind", "0")
    lines = cli("check", "--format", "jsonl", *options, cwd=here).out.splitlines()
    told = [one for one in map(json.loads, lines) if one["type"] == "finding"]
    known = [{key: one[key] for key in ("fingerprint", "rule", "path")} | {"project": ""} for one in told]
    put(here, {FILE: json.dumps({"schema": "ai-factory/baseline/1", "findings": known})})
    result = cli("check", "--json", "--baseline", FILE, *options, cwd=here)
    failing = [one["rule"] for one in result.data["projects"][0]["findings"] if one["level"] == "error"]
    assert (result.code, sorted(failing)) == (1, ["AF001", "AF008"])
