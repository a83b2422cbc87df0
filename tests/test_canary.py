"""The report that says which version broke which project."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from tests import canary, golden
from tests.canary import Outcome, Report

PINS = """\
# The exact set last tested
numpy==2.4.6 ; python_version < '3.12'
numpy==2.5.5 ; python_version >= '3.12'
polars==2.2.0
"""


def test_the_tested_versions_are_those_of_the_python() -> None:
    assert canary.pinned(PINS, "3.11") == {"numpy": "2.4.6", "polars": "2.2.0"}
    assert canary.pinned(PINS, "3.13") == {"numpy": "2.5.5", "polars": "2.2.0"}


def test_who_breaks_a_project_alone_is_named() -> None:
    assert canary.guilty(["a", "b", "c"], {"b"}.__contains__) == ["b"]
    outcome = Outcome("test", "one\ntwo")
    assert Report("blank", outcome, {"a": "1", "b": "2"}, ["b"], 3.2).lines() == [
        "BROKEN  blank  make test: broken by b 2",
        "        one",
        "        two",
    ]
    together = Report("blank", outcome, {"a": "1", "b": "2"}, [], 3.2).lines()
    assert together[0] == "BROKEN  blank  make test: by no single one of a 1, b 2"
    (same, *_) = Report("blank", outcome, {}, [], 3.2).lines()
    assert same == "BROKEN  blank  make test: with the tested versions too"
    assert Report("blank", Outcome(), {}, [], 3.2).lines() == ["ok      blank  3 s  the tested versions"]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_projects_hold_to_an_exact_version_of_all_that_they_may_need(python: str) -> None:
    """The constraints meet the bounds of every component, so that a project is born with what was tested."""
    pins = canary.pinned(canary.CONSTRAINTS.read_text("utf-8"), python)
    needed = [Requirement(row) for row in canary.requirements()]
    assert [str(one) for one in needed if not one.specifier.contains(pins[one.name])] == []
    assert golden.target("blank", {}).rendered.tree["constraints.txt"].content == canary.CONSTRAINTS.read_bytes()
