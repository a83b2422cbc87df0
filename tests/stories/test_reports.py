"""`check` and `gate` for machines: every state of a project in every format, valid, with the right exit code."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ai_factory.report.formats import FORMATS
from tests import valid
from tests.approving import DAY, assessed
from tests.kit import cli, git, put, small_factory, small_project, snapshot
from tests.valid import Told

CONTROLS = "src/small_thing/controls"
AUDIT, RUNBOOK = f"{CONTROLS}/audit.py", "ops/runbook.md"
LOCK, BASE, WAIVERS = ".ai-factory/lock.json", ".ai-factory/base", ".ai-factory/waivers.yaml"
EDITED = "def record() -> None:\n    return\n"
MARKED = "one\n<<<<<<< yours\na\n=======\nb\n>>>>>>> factory\n"
ROW = f"- {{rule: AF002, path: {AUDIT}, reason: a hot fix, owner: a@x, approver: b@x, until: '%s'}}\n"
MACHINES = tuple(name for name in FORMATS if name != "text")

State = tuple[Callable[[Path], object], int, list[tuple[str, str]]]
STATES: Mapping[str, State] = {  # what somebody did, the exit code, and what is found
    "clean": (lambda _: None, 0, []),
    "edited": (lambda here: put(here, {AUDIT: EDITED}), 1, [("AF002", AUDIT)]),
    "deleted": (lambda here: put(here, {AUDIT: None}), 1, [("AF003", AUDIT)]),
    "moved": (
        lambda here: (here / AUDIT).rename(here / CONTROLS / "log.py"),
        1,
        [("AF003", AUDIT), ("AF011", f"{CONTROLS}/log.py")],
    ),
    "mode": (lambda here: (here / AUDIT).chmod(0o755), 1, [("AF002", AUDIT)]),
    "added": (lambda here: put(here, {f"{CONTROLS}/own.py": ""}), 0, [("AF011", f"{CONTROLS}/own.py")]),
    "markers": (lambda here: put(here, {RUNBOOK: MARKED}), 1, [("AF004", RUNBOOK)]),
    "lock edited": (lambda here: put(here, {LOCK: "{"}), 2, [("AF005", LOCK)]),
    "lock missing": (lambda here: put(here, {LOCK: None}), 2, [("AF005", LOCK)]),
    "base edited": (lambda here: put(here, {BASE: b"PK"}), 2, [("AF005", BASE)]),
    "base missing": (lambda here: put(here, {BASE: None}), 2, [("AF005", BASE)]),
    "waived": (lambda here: put(here, {AUDIT: EDITED, WAIVERS: ROW % "2999-12-31"}), 0, [("AF010", AUDIT)]),
    "waiver expired": (
        lambda here: put(here, {AUDIT: EDITED, WAIVERS: ROW % "2020-01-01"}),
        1,
        [("AF002", AUDIT), ("AF008", AUDIT)],
    ),
    "waivers broken": (lambda here: put(here, {WAIVERS: "- {}\n"}), 2, [("AF005", WAIVERS)]),
    "behind": (
        lambda here: put(here, {LOCK: (here / LOCK).read_text().replace("v2.0.0", "v1.0.0")}),
        0,
        [("AF001", LOCK)],
    ),
    "line endings": (lambda here: put(here, {AUDIT: (here / AUDIT).read_bytes().replace(b"\n", b"\r\n")}), 0, []),
}
GRADES = {  # how each format calls what is an error, a warning, a note, waived, and not to be determined
    "json": ("error", "warning", "note", "note", "undetermined"),
    "jsonl": ("error", "warning", "note", "note", "undetermined"),
    "sarif": ("error", "warning", "note", "suppressed", "error"),
    "github": ("error", "warning", "notice", "notice", "error"),
    "gitlab": ("major", "minor", "info", "info", "blocker"),
    "junit": ("failure", "system-out", "system-out", "skipped", "error"),
    "markdown": ("error", "warning", "note", "note", "undetermined"),
}
NUMBERS = {"AF011": 1, "AF001": 2, "AF010": 3, "AF005": 4}
BY_ITS_RULE = ("sarif", "gitlab", "junit")  # a waived finding is that of its own rule there: alerts stay the same ones


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project at the newest version, in a repository of its own."""
    folder = tmp_path_factory.mktemp("current")
    return small_project(folder / "small-thing", small_factory(folder / "factory"), version="v2.0.0")


@pytest.fixture
def here(current: Path, tmp_path: Path) -> Path:
    """The test's own copy."""
    return shutil.copytree(current, tmp_path / "here", symlinks=True)


def wanted(name: str, found: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """How a format tells what is found."""
    rows = []
    for rule, path in found:
        own = "AF002" if rule == "AF010" and name in BY_ITS_RULE else rule
        rows.append((own, path, GRADES[name][NUMBERS.get(rule, 0)]))
    return sorted(rows)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("name", MACHINES)
def test_every_state_is_told_in_every_format(name: str, state: str, here: Path) -> None:
    """Rule, place and gravity come through, and the document is valid by its published schema."""
    change, code, found = STATES[state]
    change(here)
    result = cli("check", "--format", name, cwd=here)
    told = [] if name == "junit" and not found else [one[:3] for one in valid.read(name, result.out)]
    assert (result.code, result.err, sorted(told)) == (code, "", wanted(name, found))


ASKED: Mapping[str, tuple[tuple[str, ...], str, int, list[tuple[str, str, int]]]] = {
    # the options, the state, the exit code, and what is found with the place of its gravity among the grades
    "too far behind": (("--max-behind", "0"), "behind", 1, [("AF001", LOCK, 0)]),
    "not too far behind": (("--max-behind", "1"), "behind", 0, [("AF001", LOCK, 2)]),
    "not there": (("--against", "nowhere"), "clean", 2, [("AF005", LOCK, 4)]),
    "as it was": (("--against", "HEAD"), "clean", 0, []),
    "waived here alone": (("--against", "HEAD"), "waived", 1, [("AF002", AUDIT, 0)]),
    "not proved": (("--against", "HEAD"), "behind", 2, [("AF001", LOCK, 2), ("AF005", LOCK, 4)]),
    "disproved": (("--verify",), "edited", 1, [("AF002", AUDIT, 0)]),
    "not to be trusted": (("--factory", "/other"), "clean", 2, [("AF005", LOCK, 4)]),
    "unreachable": (("--remote",), "factory gone", 2, [("AF006", LOCK, 4)]),
}


def gone(here: Path) -> None:
    """The lock names a factory that is not there."""
    data = json.loads((here / LOCK).read_text())
    data["factory"]["url"] = str(here.parent / "gone")
    put(here, {LOCK: json.dumps(data)})


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("name", MACHINES)
def test_what_is_asked_for_is_told_in_every_format(name: str, asked: str, here: Path) -> None:
    """With no word of its own in any of them."""
    options, state, code, found = ASKED[asked]
    (gone if state == "factory gone" else STATES[state][0])(here)
    result = cli("check", "--format", name, *options, cwd=here)
    told = [] if name == "junit" and not found else [one[:3] for one in valid.read(name, result.out)]
    rows = sorted((rule, path, GRADES[name][grade]) for rule, path, grade in found)
    assert (result.code, result.err, sorted(told)) == (code, "", rows)


@pytest.mark.parametrize("name", [name for name in MACHINES if name not in ("junit", "markdown")])
def test_the_first_line_that_differs_is_named(name: str, here: Path) -> None:
    put(here, {AUDIT: EDITED, RUNBOOK: MARKED})
    told = {(one.path, one.line) for one in valid.read(name, cli("check", "--format", name, cwd=here).out)}
    assert told == {(AUDIT, 2), (RUNBOOK, 2)}


def test_people_read_the_line_too(here: Path) -> None:
    put(here, {AUDIT: EDITED})
    lines = cli("check", cwd=here).out.splitlines()
    assert lines[0] == f"AF002 error: {AUDIT}:2 was edited"


@pytest.mark.parametrize("name", [name for name in MACHINES if name not in ("json", "jsonl", "markdown")])
def test_a_code_host_gets_paths_from_the_top_of_the_repository(name: str, here: Path, tmp_path: Path) -> None:
    """Wherever in it the command runs."""
    top = tmp_path / "top"
    shutil.copytree(here, top / "services/x", ignore=shutil.ignore_patterns(".git"))
    git(tmp_path, "init", "-q", str(top))
    put(top, {f"services/x/{AUDIT}": EDITED})
    path = AUDIT if name == "junit" else f"services/x/{AUDIT}"
    for folder, argument in ((top, "services/x"), (top / "services/x", "."), (tmp_path, "top/services/x")):
        told = valid.read(name, cli("check", argument, "--format", name, cwd=folder).out)
        assert [one.path for one in told] == [path]


def test_several_projects_are_one_document(here: Path, tmp_path: Path) -> None:
    shutil.copytree(here, tmp_path / "other", symlinks=True)
    put(here, {AUDIT: EDITED})
    for name in MACHINES:
        result = cli("check", "here", "other", "nowhere", "--format", name, cwd=tmp_path)
        rules = {one.rule for one in valid.read(name, result.out)} - {"check"}
        assert (result.code, rules) == (2, {"AF002", "AF005"})


# ---- several at once -----------------------------------------------------------------------------


def test_several_files_are_written_at_once_and_hold_what_is_printed(here: Path) -> None:
    put(here, {AUDIT: EDITED})
    outputs = [word for name in FORMATS for word in ("--output", f"{name}=out/{name}.txt")]
    result = cli("check", *outputs, cwd=here)
    assert (result.code, result.out, result.err) == (1, cli("check", "--format", "text", cwd=here).out, "")
    for name in FORMATS:
        assert (here / f"out/{name}.txt").read_text() == cli("check", "--format", name, cwd=here).out
    assert sorted(os.listdir(here / "out")) == sorted(f"{name}.txt" for name in FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_cannot_be_written_is_exit_code_2(name: str, here: Path) -> None:
    """The other files are written, and what is printed is still a valid document."""
    put(here, {"occupied": "", AUDIT: EDITED})
    files = ("--output", "sarif=occupied/x.sarif", "--output", "junit=ok.xml")
    result = cli("check", "--format", name, *files, cwd=here)
    assert (result.code, (here / "ok.xml").exists(), (here / "occupied").read_text()) == (2, True, "")
    message = f"cannot write `{here}/occupied/x.sarif`"
    if name == "text":
        assert result.err.startswith(f"error: {message}")
    else:
        assert (result.err, AUDIT in {one.path for one in valid.read(name, result.out)}) == ("", True)
        assert "cannot write" in result.out


@pytest.mark.parametrize("place", ["link", "folder", "pipe"])
def test_only_regular_files_are_replaced(place: str, here: Path) -> None:
    """Not a device, nor what a link that somebody committed leads to."""
    put(here, {"target": "keep\n"})
    (here / "link").symlink_to("target")
    (here / "folder").mkdir()
    os.mkfifo(here / "pipe")
    result = cli("check", "--output", f"sarif={place}", cwd=here)
    assert result.code == 2
    assert result.err.splitlines()[0] == f"error: cannot write `{place}`: it is no regular file"
    assert ((here / "target").read_text(), (here / "link").is_symlink()) == ("keep\n", True)
    assert ((here / "folder").is_dir(), (here / "pipe").is_fifo()) == (True, True)


DRAFT = "# What we think\n"
TAKEN = {  # a place, and why no output goes there
    ".ai-factory/lock.json": "lies in `.ai-factory/`, which no output is written to",
    ".ai-factory/new.sarif": "lies in `.ai-factory/`, which no output is written to",
    ".git/HEAD": "lies in `.git/`, which no output is written to",
    ".GIT/x": "lies in `.GIT/`, which no output is written to",
    AUDIT: "is a file of the project's lock, and no place for an output",
    "draft.md": "is there already, and is no earlier report in `sarif`",
}


@pytest.mark.parametrize("place", TAKEN)
@pytest.mark.parametrize("command", ["check", "gate"])
def test_nothing_of_others_is_replaced(command: str, place: str, here: Path) -> None:
    """Neither the lock, nor what git keeps, nor a draft that nobody has committed; told before anything is done."""
    put(here, {"draft.md": DRAFT})
    before = snapshot(here)
    result = cli(command, "--output", f"sarif={place}", "--output", "junit=fine.xml", cwd=here)
    assert (result.code, result.err.splitlines()[0]) == (2, f"error: `{place}` {TAKEN[place]}")
    assert (snapshot(here), (here / "fine.xml").exists()) == (before, False)


def test_a_file_that_the_team_deleted_is_no_place_either(here: Path) -> None:
    put(here, {AUDIT: None})
    result = cli("check", "--output", f"sarif={AUDIT}", cwd=here)
    assert (result.code, (here / AUDIT).exists()) == (2, False)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("edited", [False, True])
def test_an_earlier_report_is_replaced(name: str, edited: bool, here: Path) -> None:
    """In the same format; one in another is not."""
    put(here, {AUDIT: EDITED} if edited else {})
    for _ in range(2):
        assert cli("check", "--output", f"{name}=report", cwd=here).code == int(edited)
    assert cli("gate", "--output", f"{name}=report", cwd=here).code == 2
    assert cli("check", "--output", f"{name}=report", cwd=here).code == int(edited)
    other = "junit" if name != "junit" else "sarif"
    empty = (here / "report").read_text().strip() == ""
    assert cli("check", "--output", f"{other}=report", cwd=here).code == (int(edited) if empty else 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "xml"), "`xml` is no format"),
        (("--output", "xml=a"), "`xml` is no format"),
        (("--output", "sarif"), "`--output sarif` names no file"),
        (("--output", "sarif="), "`--output sarif=` names no file"),
        (("--output", "sarif=-"), "`--output sarif=-` names no file"),
        (("--output", "sarif=folder/"), "`--output sarif=folder/` names no file"),
        (("--output", "=a"), "`` is no format"),
        (("--output", "sarif=a", "--output", "junit=./a"), "two outputs go to `{}/a`"),
    ],
)
@pytest.mark.parametrize("command", ["check", "gate"])
def test_what_cannot_be_asked_for(command: str, arguments: tuple[str, ...], message: str, here: Path) -> None:
    before = snapshot(here)
    result = cli(command, *arguments, cwd=here)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[0] == f"error: {message.format(here)}"
    assert result.err.splitlines()[1].startswith("hint: ")
    assert snapshot(here) == before


# ---- exit code 2 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize(
    "arguments", [("check", "--fail-on", "soon"), ("check", "--nope"), ("gate", "--as-of", "soon"), ("gate", "--nope")]
)
def test_a_wrong_argument_leaves_a_valid_document(name: str, arguments: tuple[str, ...], here: Path) -> None:
    for words in ((*arguments, "--format", name), (*arguments, f"--format={name}")):
        result = cli(*words, cwd=here)
        told = valid.read(name, result.out)
        assert (result.code, result.err) == (2, "")
        assert {one.grade for one in told} <= {"blocker", "error"}
        assert "soon" in result.out or "nope" in result.out


def test_sarif_says_that_it_did_not_work(here: Path) -> None:
    data = cli("gate", "--format", "sarif", cwd=here).data
    (told,) = data["runs"][0]["invocations"]
    assert (told["executionSuccessful"], told["exitCode"]) == (False, 2)
    assert told["toolExecutionNotifications"][0]["message"]["text"].startswith("`governance/facts.yaml`: what applies")


def test_the_files_of_a_gate_that_cannot_judge_say_so(here: Path) -> None:
    """No older file is taken for the result."""
    cli("gate", "--output", "sarif=gate.sarif", cwd=here)
    put(here, {"gate.json": '{"schema": "ai-factory/gate/1", "passed": true}\n'})
    result = cli("gate", "--output", "sarif=gate.sarif", "--output", "json=gate.json", cwd=here)
    assert result.code == 2
    assert valid.read("sarif", (here / "gate.sarif").read_text()) == []
    assert json.loads((here / "gate.json").read_text())["kind"] == "project"


def test_the_files_of_a_check_that_broke_say_so(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was: no mistake of ours may leave an old report standing."""
    monkeypatch.setattr("ai_factory.cli.check.keeps_modes", lambda root: 1 / 0)
    put(here, {"old.xml": ""})
    result = cli("check", "--output", "junit=old.xml", cwd=here)
    (told,) = valid.read("junit", (here / "old.xml").read_text())
    assert (result.code, told.grade, result.err[:6]) == (2, "error", "error:")


# ---- GitHub --------------------------------------------------------------------------------------


def test_a_job_of_github_gets_text_annotations_and_a_page(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no format is asked for."""
    put(here, {AUDIT: EDITED, "page.md": "before\n"})
    plain, annotations = (cli("check", "--format", name, cwd=here).out for name in ("text", "github"))
    page = cli("check", "--format", "markdown", cwd=here).out
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "page.md"))
    assert cli("check", "--format", "text", cwd=here).out == plain
    assert (here / "page.md").read_text() == "before\n"
    result = cli("check", cwd=here)
    assert (result.code, result.out, result.err) == (1, plain + annotations, "")
    assert (here / "page.md").read_text() == f"before\n{page}"


def test_a_page_is_cut_to_the_room_that_is_left(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(here, {f"{CONTROLS}/own{number}.py": "" for number in range(40)})
    limit = 1024 * 1024
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "page.md"))
    for taken in (limit - 3000, limit - 10, limit):
        put(here, {"page.md": "x" * taken})
        assert cli("check", "--format", "github", cwd=here).code == 0
        assert taken <= (here / "page.md").stat().st_size <= limit
    put(here, {"page.md": "x" * (limit - 3000)})
    cli("check", "--format", "github", cwd=here)
    added = (here / "page.md").read_text()[limit - 3000 :]
    shown = len(valid.read("markdown", added))
    assert 0 < shown < 40
    assert f"{40 - shown} more findings not shown here" in added


def test_a_page_that_cannot_be_written_changes_no_verdict(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "no/page.md"))
    result = cli("check", "--format", "github", cwd=here)
    assert (result.code, result.err) == (0, "the page of the job could not be written: No such file or directory\n")


# ---- what a host remembers -----------------------------------------------------------------------


def fingerprints(here: Path) -> list[str]:
    """Those of GitLab, in the order of the paths."""
    data = cli("check", "--format", "gitlab", cwd=here).data
    return [row["fingerprint"] for row in sorted(data, key=lambda row: row["location"]["path"])]


def test_a_finding_keeps_its_fingerprint(here: Path) -> None:
    """Whatever the line and the waiver; another path is another finding."""
    put(here, {AUDIT: EDITED})
    (first,) = fingerprints(here)
    put(here, {AUDIT: "# new\n" + EDITED})
    assert fingerprints(here) == [first]
    put(here, {WAIVERS: ROW % "2999-12-31"})
    assert fingerprints(here) == [first]
    put(here, {RUNBOOK: MARKED})
    second, again = fingerprints(here)
    assert (again, second != first) == (first, True)


def test_a_suppression_says_who_agreed(here: Path) -> None:
    put(here, {AUDIT: EDITED, WAIVERS: ROW % "2999-12-31"})
    (result,) = cli("check", "--format", "sarif", cwd=here).data["runs"][0]["results"]
    assert result["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "a hot fix (until 2999-12-31; approved by b@x)",
        }
    ]


def test_what_one_chose_to_fail_on_fails_a_test(here: Path) -> None:
    """And nothing else does."""
    put(here, {f"{CONTROLS}/own.py": "", AUDIT: EDITED})
    for words, grades in (("any", ["failure", "failure"]), ("unheard", []), ("never", ["system-out", "system-out"])):
        told = valid.read("junit", cli("check", "--format", "junit", "--fail-on", words, cwd=here).out)
        assert [one.grade for one in told] == (grades or ["error"])


# ---- the gate ------------------------------------------------------------------------------------


@pytest.fixture
def gated(project: Path, tmp_path: Path) -> Path:
    """A project whose facts are known, and of which little is there."""
    assessed(project, tmp_path)
    return project


@pytest.mark.parametrize("name", MACHINES)
def test_the_gate_tells_its_findings_in_every_format(name: str, gated: Path) -> None:
    """With the sentence that the map is unreviewed."""
    result = cli("gate", *DAY, "--format", name, cwd=gated)
    known = {row["path"] for row in cli("gate", *DAY, "--json", cwd=gated).data["findings"]}
    told = [one for one in valid.read(name, result.out) if one.grade != "passed"]
    assert (result.code, result.err, {one.rule for one in told}) == (1, "", {"AF007"})
    assert "unreviewed by counsel" in result.out
    assert {one.path for one in told} <= known


def test_a_page_begun_by_another_step_is_kept_apart(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that has no end gets one; where there is no room, standard output says so."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "page.md"))
    put(here, {"page.md": "| a | b |"})
    cli("check", cwd=here)
    assert (here / "page.md").read_text().startswith("| a | b |\n### ai-factory check: passed\n")
    full = "x" * 1024 * 1024
    put(here, {"page.md": full})
    result = cli("check", cwd=here)
    assert (result.code, (here / "page.md").read_text() == full) == (0, True)
    assert "the page of the job is full: what was found is told here alone" in result.out.splitlines()


def test_projects_of_several_repositories_are_told_apart(here: Path, tmp_path: Path) -> None:
    """By their folder from where the command runs, in each format that names paths from a repository."""
    put(here, {AUDIT: EDITED})
    other = shutil.copytree(here, tmp_path / "beside/other", symlinks=True)
    names = [os.path.relpath(place, tmp_path) for place in (here, other)]
    for name in ("github", "gitlab", "markdown", "sarif"):
        found = valid.read(name, cli("check", "--format", name, *names, cwd=tmp_path).out)
        assert sorted(one.path for one in found) == sorted(f"{place}/{AUDIT}" for place in names), name
    lines = cli("check", "--format", "jsonl", *names, cwd=tmp_path).out.splitlines()[:2]
    assert [json.loads(line)["place"] for line in lines] == [f"{place}/{AUDIT}" for place in names]


def test_what_cannot_be_determined_fails_in_lines_too(tmp_path: Path) -> None:
    """The exit code is 2 for it."""
    result = cli("check", "--format", "jsonl", cwd=tmp_path)
    first = json.loads(result.out.splitlines()[0])
    assert (result.code, first["rule"], first["fails"]) == (2, "AF005", True)


def test_controls_that_are_met_are_tests_that_pass(gated: Path) -> None:
    told = valid.read("junit", cli("gate", *DAY, "--format", "junit", cwd=gated).out)
    controls = cli("gate", *DAY, "--json", cwd=gated).data["controls"]
    met = [row for row in controls if row["verdict"] == "required now" and row["status"] == "pass"]
    assert [one.grade for one in told].count("passed") == len(met) > 0


def test_the_gate_has_a_file_for_each_format(gated: Path) -> None:
    outputs = [word for name in FORMATS for word in ("--output", f"{name}=out/{name}.txt")]
    result = cli("gate", *DAY, *outputs, cwd=gated)
    assert (result.code, result.out) == (1, cli("gate", *DAY, cwd=gated).out)
    for name in FORMATS:
        assert (gated / f"out/{name}.txt").read_text() == cli("gate", *DAY, "--format", name, cwd=gated).out


def test_an_earlier_report_of_a_gate_is_replaced(gated: Path) -> None:
    outputs = [word for name in FORMATS for word in ("--output", f"{name}=out/{name}.txt")]
    assert [cli("gate", *DAY, *outputs, cwd=gated).code for _ in range(2)] == [1, 1]


def test_the_json_of_a_gate_stays_what_it_was(gated: Path) -> None:
    assert cli("gate", *DAY, "--format", "json", cwd=gated).out == cli("gate", *DAY, "--json", cwd=gated).out


def test_a_team_is_named_as_the_owner(here: Path) -> None:
    """The answer `owner_team`, where a project has it."""
    data = json.loads((here / LOCK).read_text())
    data["answers"]["owner_team"] = "risk-analytics"
    put(here, {LOCK: json.dumps(data), AUDIT: EDITED})
    (finding,) = cli("check", "--json", cwd=here).data["projects"][0]["findings"]
    assert (finding["owner"], finding["line"], finding["controls"]) == ("risk-analytics", 2, ["AUD-01"])


def test_outside_of_any_repository_paths_are_told_from_here(here: Path) -> None:
    shutil.rmtree(here / ".git")
    put(here, {AUDIT: EDITED})
    for folder, argument, path in ((here.parent, "here", f"here/{AUDIT}"), (here / "ops", "..", AUDIT)):
        told = valid.read("sarif", cli("check", argument, "--format", "sarif", cwd=folder).out)
        assert [one.path for one in told] == [path]


def test_told_is_a_row() -> None:
    """The reader of annotations reads what GitHub reads."""
    line = "::error file=a%2Cb,line=3,title=AF002 x::m%0An"
    assert valid.read("github", line) == [Told("AF002", "a,b", "error", 3)]
