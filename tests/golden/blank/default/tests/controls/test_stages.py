"""Stages run in order, once each, and a failure stops the run and says why."""

from __future__ import annotations

import pytest

from case_records.controls.paths import Paths
from case_records.controls.stages import Stage, StageFailed, run, wanted


def _stage(name: str, ran: list[str], needs: tuple[str, ...] = ()) -> Stage:
    def work(_: Paths) -> str:
        ran.append(name)
        return f"{name} is done"

    return Stage(name, work, needs)


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
    """Only StageFailed is a result; everything else ends the run with its traceback."""

    def bug(_: Paths) -> str:
        raise KeyError("typo")

    with pytest.raises(KeyError):
        run([Stage("bug", bug)], paths)


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
