"""Stages run once and in order, evidence knows its inputs, controls import nothing of the team."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import credit_line.controls
from credit_line.controls import evidence, stages
from credit_line.controls.paths import Paths
from credit_line.controls.stages import (
    FLAGS,
    METRICS,
    Stage,
    StageFailed,
    main,
    run,
    wanted,
)

CONTROLS = Path(credit_line.controls.__file__).parent
PACKAGE = "credit_line"


def _stage(name: str, ran: list[str], needs: tuple[str, ...] = ()) -> Stage:
    def work(_: Paths) -> str:
        ran.append(name)
        return f"{name} is done"

    return Stage(name, work, needs)


def raising(error: Exception) -> Callable[[Paths], str]:
    """The work of a stage that ends so."""

    def work(_: Paths) -> str:
        raise error

    return work


def _broken(_: Paths) -> str:
    raise StageFailed("no data at the door")


def test_stages_run_in_order_and_say_what_they_found(paths: Paths) -> None:
    """One line a stage, and one for the whole."""
    ran: list[str] = []
    said: list[str] = []
    both = [_stage("first", ran), _stage("second", ran, ("first",))]
    assert run(both, paths, say=said.append) == 0
    assert ran == ["first", "second"]
    assert [line.split()[1] for line in said] == ["first", "second", "in"]
    assert said[0].endswith("first is done")


def test_a_failure_stops_the_run_and_is_named(paths: Paths) -> None:
    """Exit code 1, the stage and the reason; nothing after it runs."""
    ran: list[str] = []
    said: list[str] = []
    code = run([Stage("broken", _broken), _stage("after", ran)], paths, say=said.append)
    assert (code, ran) == (1, [])
    assert "broken" in said[-1] and "no data at the door" in said[-1]


def test_a_bug_is_not_taken_for_a_failed_stage(paths: Paths) -> None:
    """What nobody meant to raise ends the run with its traceback."""
    for error in (KeyError("typo"), AttributeError("typo"), RuntimeError("changed"), TypeError()):
        with pytest.raises(type(error)):
            run([Stage("bug", raising(error))], paths)


Refused = type("Refused", (RuntimeError,), {"__module__": PACKAGE})


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (ValueError("two\n  lines"), "two lines"),
        (UnicodeError(), "UnicodeError"),
        (Refused("AUDIT_KEY is no secret"), "AUDIT_KEY is no secret"),
    ],
)
def test_what_machine_data_and_project_refuse_is_named(
    paths: Paths, error: Exception, said: str
) -> None:
    """The stage and the reason in one sentence, as for StageFailed."""
    lines: list[str] = []
    assert run([Stage("broken", raising(error))], paths, say=lines.append) == 1
    assert lines == [f" 1/1  broken      FAILED  {said}"]
    assert _costs(paths)["run_failed"] == 1


def test_two_runs_at_once_are_one_too_many(paths: Paths) -> None:
    """The second writes nothing, not even that it failed; after the first there is room again."""
    ran: list[str] = []
    said: list[str] = []

    def again(paths: Paths) -> str:
        before = (paths.metrics / "run.prom").read_text()
        assert run([_stage("second", ran)], paths, say=said.append) == 1
        assert (paths.metrics / "run.prom").read_text() == before
        return "refused"

    assert run([Stage("first", again)], paths, say=lambda _: None) == 0
    assert (ran, said) == ([], ["FAILED  a run is going on already: wait until it has ended"])
    assert run([_stage("second", ran)], paths, say=said.append) == 0


def _costs(paths: Paths) -> dict[str, float]:
    """The series of the last run, by their names and stages."""
    text = (paths.metrics / "run.prom").read_text()
    series = re.compile(r'^(\w+)\{system="(\w+)"(?:,stage="(\w+)")?\} (\S+)$', re.MULTILINE)
    found = series.findall(text)
    assert {system for _, system, *_ in found} == {"credit_line"}
    assert {name for name, *_ in found} <= set(re.findall(r"^# TYPE (\w+) gauge$", text, re.M))
    return {f"{name} {stage}".strip(): float(value) for name, _, stage, value in found}


def test_what_a_run_has_cost_is_written_for_prometheus(paths: Paths) -> None:
    """Time and processor seconds of each stage, and that the run came to its end."""

    def busy(_: Paths) -> str:
        return str(sum(number * number for number in range(400_000)))

    assert run([Stage("busy", busy), _stage("idle", [])], paths, say=lambda _: None) == 0
    costs = _costs(paths)
    each = {f"{name} {stage}" for name in METRICS for stage in ("busy", "idle")}
    assert costs.keys() == {name for name in each if name.split()[0] not in FLAGS} | {*FLAGS}
    assert costs["run_seconds busy"] > costs["run_seconds idle"] >= 0
    assert costs["run_compute_seconds busy"] > 0
    assert (costs["run_failed"], costs["run_unfinished"]) == (0, 0)
    assert {name.partition(" ")[0] for name in costs} == METRICS.keys()


def test_a_run_that_fails_says_so_to_prometheus(paths: Paths) -> None:
    """Refused or crashed, and with the cost of what ran."""

    def bug(_: Paths) -> str:
        raise KeyError("typo")

    run([_stage("first", []), Stage("broken", _broken)], paths, say=lambda _: None)
    assert _costs(paths)["run_failed"] == 1
    assert _costs(paths)["run_unfinished"] == 0
    assert "run_seconds broken" in _costs(paths)
    with pytest.raises(KeyError):
        run([Stage("bug", bug)], paths, say=lambda _: None)
    assert _costs(paths)["run_failed"] == 1
    assert "run_seconds bug" in _costs(paths)


def test_a_run_counts_as_failed_until_it_has_ended_well(paths: Paths) -> None:
    """Whatever kills it; what the last run has cost stays to be seen meanwhile."""
    seen: list[tuple[float, float, bool]] = []

    def look(paths: Paths) -> str:
        now = _costs(paths)
        seen.append((now["run_failed"], now["run_unfinished"], "run_seconds look" in now))
        return "looked"

    for _ in range(2):
        assert run([Stage("look", look)], paths, say=lambda _: None) == 0
    assert seen == [(1, 1, False), (1, 1, True)]
    assert (_costs(paths)["run_failed"], _costs(paths)["run_unfinished"]) == (0, 0)


def test_a_full_disk_hides_no_failed_run(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence and exit code 1, in a stage and where the costs are written."""
    said: list[str] = []
    assert run([_stage("first", [])], paths, say=lambda _: None) == 0

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    assert run([Stage("full", full)], paths, say=said.append) == 1
    assert said == [" 1/1  full        FAILED  [Errno 28] No space left on device"]
    assert run([_stage("first", [])], paths, say=lambda _: None) == 0
    with monkeypatch.context() as patch:
        patch.setattr(stages, "replace", full)
        assert run([_stage("first", [])], paths, say=said.append) == 1
    file = paths.metrics / "run.prom"
    assert said[-1] == f"FAILED  {file} cannot be written: [Errno 28] No space left on device"
    assert (_costs(paths)["run_failed"], _costs(paths)["run_unfinished"]) == (1, 0)


def test_a_target_runs_with_what_it_needs(paths: Paths) -> None:
    """Needs are followed all the way; what is not needed does not run."""
    ran: list[str] = []
    chain = [_stage("a", ran), _stage("b", ran), _stage("c", ran, ("a",)), _stage("d", ran, ("c",))]
    assert run(chain, paths, target="d", say=lambda _: None) == 0
    assert ran == ["a", "c", "d"]


def test_wrong_names_and_wrong_order_are_refused() -> None:
    """Both are mistakes of the author, reported before anything runs."""
    ran: list[str] = []
    with pytest.raises(ValueError, match="no stage x"):
        wanted([_stage("a", ran)], "x")
    with pytest.raises(ValueError, match="needs b before it"):
        wanted([_stage("a", ran, ("b",)), _stage("b", ran)], None)


def test_the_command_runs_all_or_one(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name; a stage that failed is exit code 1, a name that is none is refused."""
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    ran: list[str] = []
    chain = [_stage("a", ran), _stage("b", ran, ("a",)), Stage("broken", _broken)]
    assert main(chain, "program", ["b"]) == 0
    assert ran == ["a", "b"]
    assert main(chain, "program", ["run"]) == 1
    assert "no data at the door" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(chain, "program", ["c"])


def _input(paths: Paths, relative: str, text: str) -> Path:
    path = paths.root / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_digest_is_the_sha256_of_the_bytes(paths: Paths) -> None:
    """The digest of `abc` is the one published in FIPS 180-4."""
    path = _input(paths, "a.txt", "abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert evidence.digest(path) == f"sha256:{expected}"


def test_same_content_gives_same_bytes_in_any_order(paths: Paths) -> None:
    """Key order and noise below the sixth decimal leave no trace."""
    source = _input(paths, "a.txt", "abc")
    first = evidence.write(paths, "x", {"a": 0.1, "b": [1]}, [source]).read_bytes()
    second = evidence.write(paths, "x", {"b": [1], "a": 0.1 + 1e-9}, [source]).read_bytes()
    assert first == second and first.endswith(b"\n")


def test_record_holds_schema_name_inputs_and_content(paths: Paths) -> None:
    """The whole record, outside a git repository."""
    source = _input(paths, "data/a.txt", "abc")
    evidence.write(paths, "x", {"auc": 0.12345678, "zero": -0.0}, [source])
    record = evidence.read(paths, "x")
    assert record == {
        "schema": "evidence/1",
        "name": "x",
        "commit": None,
        "inputs": {"data/a.txt": evidence.digest(source)},
        "content": {"auc": 0.123457, "zero": 0.0},
    }


def test_a_new_commit_alone_changes_nothing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each commit of the evidence would make it differ again."""
    for commit, value, kept in (("c1", 1, "c1"), ("c2", 1, "c1"), ("c3", 2, "c3")):
        monkeypatch.setattr(evidence, "_commit", lambda _, found=commit: found)
        evidence.write(paths, "x", {"value": value}, [])
        assert evidence.read(paths, "x")["commit"] == kept


def test_not_a_number_is_refused_and_leaves_the_old_file(paths: Paths) -> None:
    """NaN is not JSON; a failed write changes nothing."""
    target = evidence.write(paths, "x", {"auc": 0.5}, [])
    before = target.read_bytes()
    with pytest.raises(ValueError):
        evidence.write(paths, "x", {"auc": float("nan")}, [])
    assert target.read_bytes() == before


def test_changed_and_missing_inputs_are_stale(paths: Paths) -> None:
    """What git keeps must still match; what it ignores may be absent, but not different."""
    kept, gone = _input(paths, "kept.txt", "1"), _input(paths, "gone.txt", "1")
    absent, other = _input(paths, "var/absent", "1"), _input(paths, "var/other", "1")
    evidence.write(paths, "x", {}, [kept, gone, absent, other])
    assert evidence.stale(paths, "x") == []
    gone.unlink()
    absent.unlink()
    other.write_text("2")
    assert evidence.stale(paths, "x") == ["gone.txt", "var/other"]


def test_an_input_outside_the_project_is_refused(paths: Paths, tmp_path: Path) -> None:
    """Evidence can only speak of files that a reader of the project can find."""
    inner = Paths.of(tmp_path / "inner")
    outside = _input(paths, "outside.txt", "1")
    with pytest.raises(ValueError):
        evidence.write(inner, "x", {}, [outside])


def test_evidence_is_plain_json(paths: Paths) -> None:
    """Any tool can read it."""
    target = evidence.write(paths, "x", {"n": 3}, [])
    assert json.loads(target.read_text())["content"] == {"n": 3}


def _team_imports(path: Path) -> list[str]:
    """Relative imports that climb out of `controls/`, and absolute ones of the package."""
    depth = len(path.relative_to(CONTROLS).parts)
    nodes = list(ast.walk(ast.parse(path.read_text())))
    far = [node for node in nodes if isinstance(node, ast.ImportFrom) and _is_team(node, depth)]
    plain = [node for node in nodes if isinstance(node, ast.Import)]
    named = [node for node in plain if any(_is_package(alias.name) for alias in node.names)]
    return [ast.unparse(node) for node in [*far, *named]]


def _is_team(node: ast.ImportFrom, depth: int) -> bool:
    return node.level > depth or (node.level == 0 and _is_package(node.module or ""))


def _is_package(name: str) -> bool:
    return name.partition(".")[0] == PACKAGE


def test_controls_import_nothing_of_the_team() -> None:
    """So that a change in the team's code can never switch a control off."""
    found = {str(path): _team_imports(path) for path in sorted(CONTROLS.rglob("*.py"))}
    assert len(found) >= 4
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("4", "4")])
def test_one_thread_is_the_rule_before_anything_numerical_is_loaded(
    given: str | None, threads: str
) -> None:
    """Also without the Makefile; whoever sets another number has it."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    here = {name: value for name, value in os.environ.items() if name not in names}
    here |= dict.fromkeys(names, given) if given else {}
    found = "[os.environ[n] for n in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS')]"
    code = f"import os, sys, {PACKAGE}.controls; print(*{found}, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=here, capture_output=True, check=True)
    assert done.stdout.decode().split() == [threads, threads, "False"]


def test_a_program_loads_the_controls_first() -> None:
    """They say how many threads there are, which libraries read as they are loaded."""
    started = CONTROLS.parent / "__main__.py"
    lines = started.read_text().splitlines() if started.exists() else ["from .controls"]
    own = [line for line in lines if line.startswith(("from .", "import numpy", "import polars"))]
    assert own[0].startswith("from .controls")


def test_network_is_blocked_in_tests() -> None:
    """Neither a look-up nor a connection leaves this machine."""
    with pytest.raises(OSError, match="blocked in tests"):
        socket.getaddrinfo("example.org", 443)
    with socket.socket() as outward, pytest.raises(OSError, match="blocked in tests"):
        outward.connect(("192.0.2.1", 443))
