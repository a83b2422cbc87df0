"""The evaluations of systems side by side: what each measured, on which data, and what cannot be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from ai_factory.fleet.governance.papers import ROWS, number, papers_of, rows, table, text
from ai_factory.fleet.governance.parts import SYSTEM
from ai_factory.fleet.system import ALWAYS, System
from ai_factory.governance.checking import KEPT_ELSEWHERE

EVALUATION = "evidence/evaluation.json"
WANTED = (*ALWAYS, EVALUATION, SYSTEM, "evals/*", "contracts/*", "governance/*")
DIRECTIONS = ("at_least", "at_most")
PASS, NOT_JUDGED = "pass", "not judged"


class Measure(NamedTuple):
    """One line of an evaluation: a metric of a slice of a dataset, its interval, and the threshold it has to meet."""

    metric: str
    slice: str
    dataset: str
    value: float
    low: float | None
    high: float | None
    n: int
    threshold: float | None
    direction: str
    verdict: str
    file: str = ""  # the input of the run that the dataset was, where it is one

    @property
    def holds(self) -> bool | None:
        """Whether the value meets its threshold; None where there is none, or too little was measured to judge."""
        if self.threshold is None or self.direction not in DIRECTIONS or self.verdict == NOT_JUDGED:
            return None
        return self.value >= self.threshold if self.direction == "at_least" else self.value <= self.threshold

    @property
    def claims_more(self) -> bool:
        """Whether the file says that the threshold is met, and the number does not meet it."""
        return self.verdict == PASS and self.holds is False


class Evaluation(NamedTuple):
    """What a system measured: `made_at` is the commit of the run, `stale` inputs that are others now."""

    system: str
    name: str
    blueprint: str
    commit: str
    made_at: str = ""
    model: str = ""
    measures: tuple[Measure, ...] = ()
    stale: tuple[str, ...] = ()
    missing: str = ""
    odd: tuple[str, ...] = ()


class Line(NamedTuple):
    """One measure of one system in a comparison."""

    evaluation: Evaluation
    measure: Measure


class Group(NamedTuple):
    """The measures of one metric on one slice of the very same data, and what keeps others from being beside them."""

    metric: str
    slice: str
    dataset: str
    lines: tuple[Line, ...]
    note: str


def evaluation(system: System) -> Evaluation:
    """What a system measured. Raises LockError where there is no project."""
    project, papers = system.project(), papers_of(system, WANTED)
    name = text(papers.yaml(SYSTEM).get("name")) or system.member.key
    head = Evaluation(system.member.key, name, project.manifest().blueprint, system.here.commit)
    record = papers.json(EVALUATION)
    content = table(record.get("content"))
    if not content:
        return head._replace(missing=f"there is no `{EVALUATION}`: `make run` writes it", odd=tuple(papers.odd))
    inputs = table(record.get("inputs"))
    names = {text(digest): text(path) for path, digest in sorted(inputs.items(), reverse=True)}
    told = [(row, _measure(row, names)) for row in rows(content.get("results"))]
    odd = [f"{EVALUATION}: a result of `{text(row.get('metric'))}` is no measure" for row, one in told if one is None]
    return head._replace(
        made_at=text(record.get("commit")),
        model=text(content.get("model_version")),
        measures=tuple(one for _, one in told if one),
        stale=_stale(inputs, system),
        odd=(*papers.odd, *odd),
    )


def _measure(row: Mapping[str, Any], names: Mapping[str, str]) -> Measure | None:
    value, rows_ = number(row.get("value")), number(row.get("n"))
    metric, dataset = text(row.get("metric")), text(row.get("dataset_digest"))
    if value is None or not metric or not dataset:
        return None
    return Measure(
        metric,
        text(row.get("slice")) or "all",
        dataset,
        value,
        number(row.get("low")),
        number(row.get("high")),
        int(rows_ or 0),
        number(row.get("threshold")),
        text(row.get("direction")),
        text(row.get("verdict")),
        names.get(dataset, ""),
    )


def _stale(inputs: Mapping[str, Any], system: System) -> tuple[str, ...]:
    """The inputs that are others at the commit than in the run; of what git does not keep nothing is known."""
    listing = system.files.listing
    named = sorted(path for path in inputs if path in listing)[:ROWS]
    now = {path: hashlib.sha256(file.content).hexdigest() for path, file in system.read_all(named).items()}
    changed = [path for path, digest in now.items() if inputs[path] != f"sha256:{digest}"]
    gone = [path for path in inputs if path not in listing and not path.startswith(KEPT_ELSEWHERE)]
    return tuple(sorted([*changed, *gone]))


# ---- side by side --------------------------------------------------------------------------------


def compared(found: Iterable[Evaluation]) -> list[Group]:
    """Every measure, grouped with those that may stand beside it; nothing is averaged."""
    lines = [Line(one, measure) for one in found for measure in one.measures]
    rows_ = sorted(lines, key=lambda line: (_what(line), line.measure.dataset, line.evaluation.system))
    groups: list[Group] = []
    for what, same in groupby(rows_, key=_what):
        groups += _groups(what, list(same))
    return groups


def _what(line: Line) -> tuple[str, bool, str]:
    return line.measure.metric, line.measure.slice != "all", line.measure.slice


def _groups(what: tuple[str, bool, str], lines: Sequence[Line]) -> list[Group]:
    parts = [tuple(part) for _, part in groupby(lines, key=lambda line: line.measure.dataset)]
    return [Group(what[0], what[2], part[0].measure.dataset, part, _note(part, len(parts))) for part in parts]


def _note(part: Sequence[Line], datasets: int) -> str:
    """What is not comparable about a group, in words."""
    if datasets > 1:
        return f"measured on {datasets} different datasets: not comparable across them"
    if len({line.evaluation.system for line in part}) == 1:
        return "no other system measured it: nothing to compare with"
    if len({line.measure.direction for line in part} - {""}) > 1:
        return "one system wants it high, another low: not comparable"
    return ""
