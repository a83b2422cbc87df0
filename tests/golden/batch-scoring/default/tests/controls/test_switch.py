"""The kill switch stops, stays stopped, fails to the safe side and is recorded."""

import json

import pytest

from late_orders.controls import switch
from late_orders.controls.audit import open_log, read_events
from late_orders.controls.paths import Paths
from late_orders.controls.switch import KillSwitch, State


def test_it_runs_until_stopped_and_stays_stopped(paths: Paths) -> None:
    """Also for another process, which reads the same file."""
    assert switch.switch_of(paths).state() == State(stopped=False)
    switch.switch_of(paths).stop("wrong decisions", "duty")
    assert switch.switch_of(paths).state() == State(True, "wrong decisions", "duty")
    switch.switch_of(paths).resume("mended", "duty")
    assert switch.switch_of(paths).state().stopped is False


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'"off"'])
def test_a_damaged_switch_means_stopped(paths: Paths, content: bytes) -> None:
    """In doubt a person decides."""
    file = switch.switch_of(paths).path
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert KillSwitch(file).state().stopped


def test_a_switch_that_cannot_be_read_means_stopped(paths: Paths) -> None:
    """A folder in its place, as after a botched mount."""
    switch.switch_of(paths).path.mkdir(parents=True)
    assert switch.switch_of(paths).state().stopped


def test_the_commands_act_and_record(
    project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stop and resume leave an event each, without the address of the person."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    who = ["--actor", "duty@example.org"]
    assert switch.main(["stop", "--reason", "wrong decisions", *who]) == 0
    assert "STOPPED (wrong decisions)" in capsys.readouterr().out
    assert switch.main(["resume", "--reason", "mended", *who]) == 0
    assert switch.main(["status"]) == 0
    assert "running: the model decides" in capsys.readouterr().out
    log = project.audit / "operations.jsonl"
    assert [event["data"]["action"] for event in read_events(log)] == ["stopped", "resumed"]
    assert "duty@example.org" not in log.read_text()


def test_a_stop_holds_also_when_it_cannot_be_recorded(
    project: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Safety first: the stop works, the command says that the record is missing."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    with open_log(project, "operations"):
        assert switch.main(["stop", "--reason", "r", "--actor", "a"]) == 1
        assert switch.switch_of(project).state().stopped
        assert "another process" in capsys.readouterr().err
        assert switch.main(["resume", "--reason", "r", "--actor", "a"]) == 1
        assert switch.switch_of(project).state().stopped


@pytest.mark.parametrize("command", [["stop", "--reason", "r", "--actor", "a"], ["status"]])
def test_elsewhere_the_switch_is_refused(
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    """A stop in the wrong folder would stop nothing and look like a stop."""
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    assert switch.main(command) == 1
    shown = capsys.readouterr()
    assert "is no project" in shown.err
    assert shown.out == ""
    assert not paths.var.exists()


def test_the_drill_measures_the_stop(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within the stated limit, and without touching the switch of the project."""
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    assert switch.drill() < switch.LIMIT_SECONDS
    assert switch.main(["drill"]) == 0
    assert "the switch works" in capsys.readouterr().out
    assert not paths.var.exists()


def test_a_drill_on_a_dead_switch_fails(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A switch that nobody obeys is found out."""
    monkeypatch.setattr(KillSwitch, "state", lambda self: State(stopped=False))
    assert switch.main(["drill"]) == 1
    assert "take the service down" in capsys.readouterr().err


def test_the_switch_file_is_plain_json(paths: Paths) -> None:
    """It can be written by hand when nothing else works, as the runbook says."""
    file = switch.switch_of(paths).path
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"stopped": True, "reason": "by hand", "actor": "duty"}))
    assert switch.switch_of(paths).state() == State(True, "by hand", "duty")
