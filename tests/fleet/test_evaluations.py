"""Evaluations stand side by side where they are of the same data, and nowhere else."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ai_factory.fleet.governance.evaluations import Evaluation, Measure, compared, evaluation
from ai_factory.fleet.registry import Member
from ai_factory.fleet.survey import survey
from tests.fleet.systems import DIGESTS, evidence, result, system

LIMIT = {"threshold": 0.7, "direction": "at_least", "verdict": "pass"}


def one(place: str) -> Evaluation:
    (found,) = survey([Member(place)], evaluation)
    assert found.said, found.why
    return found.said


def measured(project: Path, tmp_path: Path, results: list[Any], **files: Any) -> Evaluation:
    kept = {"evals/thresholds.yaml": "a: 1\n", "contracts/a.odcs.yaml": "id: a\n"}
    inputs = {path: f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" for path, text in kept.items()}
    inputs |= {"var/data/x": DIGESTS["data"]}
    record = evidence("evaluation", {"model_version": "r-1", "results": results}, inputs)
    return one(system(tmp_path / "it", project, {**kept, "evidence/evaluation.json": record, **files}))


def test_what_a_system_measured(project: Path, tmp_path: Path) -> None:
    """Value, interval, number of rows, threshold and whether it holds; which file the data was."""
    found = measured(project, tmp_path, [result("auc", 0.8, **LIMIT), result("auc", 0.6, slice="age=old")])
    whole = Measure("auc", "all", DIGESTS["data"], 0.8, 0.8 - 0.1, 0.9, 100, 0.7, "at_least", "pass", "var/data/x")
    assert found.measures[0] == whole
    assert [measure.holds for measure in found.measures] == [True, None]
    assert (found.blueprint, found.model, found.made_at, found.stale, found.odd) == ("small", "r-1", "c" * 40, (), ())


def test_stale_is_what_was_made_of_other_files(project: Path, tmp_path: Path) -> None:
    """A file that changed, and one that is gone; what git does not keep says nothing."""
    found = measured(project, tmp_path, [result("auc", 0.8)], **{"evals/thresholds.yaml": "a: 2\n"})
    assert found.stale == ("evals/thresholds.yaml",)


def test_no_number_is_believed_against_its_threshold(project: Path, tmp_path: Path) -> None:
    """A file that says `pass` for a value that does not meet the threshold is found out; odd rows are told."""
    rows = [result("auc", 0.6, **LIMIT), result("loss", 0.2, threshold=0.1, direction="at_most", verdict="pass")]
    odd = [{"metric": "x", "value": "0.9", "dataset_digest": "d"}, {"value": 1}, result("y", 0.1, dataset_digest="")]
    found = measured(project, tmp_path, [*rows, *odd, 7])
    assert [(measure.holds, measure.claims_more) for measure in found.measures] == [(False, True), (False, True)]
    assert found.odd == tuple(
        f"evidence/evaluation.json: a result of `{name}` is no measure" for name in ("x", "", "y")
    )


def test_a_system_that_measured_nothing(project: Path, tmp_path: Path) -> None:
    """It is named, with what mends it."""
    found = one(system(tmp_path / "it", project, {}))
    assert (found.missing, found.measures) == ("there is no `evidence/evaluation.json`: `make run` writes it", ())


def said(key: str, *measures: Measure) -> Evaluation:
    return Evaluation(key, key, "b", "c", measures=measures)


def measure(metric: str, value: float, dataset: str = "sha256:1", slice_: str = "all", direction: str = "") -> Measure:
    return Measure(metric, slice_, dataset, value, None, None, 1, 0.5 if direction else None, direction, "")


def test_only_the_same_data_is_compared() -> None:
    """Each group is of one metric, slice and dataset; what stands alone or apart says why."""
    found = compared(
        [
            said("/b", measure("auc", 0.7), measure("auc", 0.6, slice_="age=old"), measure("f1", 0.1)),
            said("/a", measure("auc", 0.8), measure("f1", 0.2, "sha256:2")),
            said("/c", measure("cost", 3, direction="at_least")),
            said("/d", measure("cost", 4, direction="at_most")),
        ]
    )
    groups = [(g.metric, g.slice, g.dataset, [line.evaluation.system for line in g.lines], g.note) for g in found]
    apart = "measured on 2 different datasets: not comparable across them"
    assert groups == [
        ("auc", "all", "sha256:1", ["/a", "/b"], ""),
        ("auc", "age=old", "sha256:1", ["/b"], "no other system measured it: nothing to compare with"),
        ("cost", "all", "sha256:1", ["/c", "/d"], "one system wants it high, another low: not comparable"),
        ("f1", "all", "sha256:1", ["/b"], apart),
        ("f1", "all", "sha256:2", ["/a"], apart),
    ]
