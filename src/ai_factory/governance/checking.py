"""Whether controls are met: checks over a project's files, each a pure function, and a status for every control."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatch
from typing import Any, NamedTuple

from ai_factory import documents
from ai_factory.errors import FactoryError
from ai_factory.governance.applicability import Applicability, Judgement, Verdict
from ai_factory.governance.reading import Map
from ai_factory.lock import Lock
from ai_factory.tree import Tree, blob_id

EVIDENCE = "evidence"
SYSTEM = "governance/system.yaml"
BEFORE_USE = ("development", "testing")  # a status in which nobody meets the system yet
KEPT_ELSEWHERE = "var/"  # what a run keeps on its machine: not committed, so its absence in a clone says nothing

# What evidence is at least of: were all its inputs below `var/`, it would never be stale in a clone.
OF: Mapping[str, str] = {"evaluation": "evals/thresholds.yaml", "data-quality": "contracts/*.odcs.yaml"}


class Status(StrEnum):
    """How a control stands."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    STALE = "stale"
    WAIVED = "waived"
    PERSON = "needs a person"
    NONE = "does not apply"


class Gap(NamedTuple):
    """What a control lacks: where, what, and what helps; `stale` where evidence is of other inputs than these."""

    path: str
    message: str
    hint: str = ""
    stale: bool = False


class UnreadableError(Exception):
    """A file that a check needs is missing or is not what it should be; the gap says which."""

    def __init__(self, gap: Gap) -> None:
        super().__init__(gap.message)
        self.gap = gap


@dataclass(frozen=True, slots=True)
class Subject:
    """A project as checks see it: its files, what its lock says, what applies to it, and the day (ISO).

    `digest` gives `sha256:…` of a file as it is on this machine, "" where there is none: evidence names inputs that git
    does not keep. `load` reads a YAML document.
    """

    files: Tree
    lock: Lock
    known: Map
    applies: Applicability
    today: str
    digest: Callable[[str], str]
    load: documents.Load = documents.load

    @property
    def in_use(self) -> bool:
        """Whether people meet the system: its status says so, or says nothing that is known."""
        try:
            return self.yaml(SYSTEM).get("status") not in BEFORE_USE
        except UnreadableError:
            return True

    def yaml(self, path: str) -> dict[str, Any]:
        """A YAML document of the project. Raises UnreadableError."""
        try:
            data = self.load(self._content(path, "bring it back"), path, FactoryError)
        except FactoryError as error:
            raise UnreadableError(Gap(path, error.message, "mend the file")) from None
        if not isinstance(data, dict):
            raise UnreadableError(Gap(path, "is no mapping", "mend the file"))
        return data

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The rows of a YAML list; none where the file is not there. Raises UnreadableError for another document."""
        if path not in self.files:
            return []
        try:
            data = self.load(self.files[path].content, path, FactoryError) or []
        except FactoryError as error:
            raise UnreadableError(Gap(path, error.message, "mend the file")) from None
        if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
            raise UnreadableError(Gap(path, "is no list of rows", "mend the file"))
        return data

    def json(self, path: str, hint: str = "`make run` writes it") -> dict[str, Any]:
        """A JSON object of the project. Raises UnreadableError."""
        try:
            data = json.loads(self._content(path, hint), parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise UnreadableError(Gap(path, "is no JSON", hint)) from None
        if not isinstance(data, dict):
            raise UnreadableError(Gap(path, "is no JSON object", hint))
        return data

    def evidence(self, name: str) -> dict[str, Any]:
        """What a run found under this name. Raises UnreadableError where it is missing, or of other inputs."""
        path = f"{EVIDENCE}/{name}.json"
        record = self.json(path)
        if not isinstance(record.get("inputs"), dict) or not record["inputs"]:
            raise UnreadableError(Gap(path, "does not say of which inputs it is", "`make run` writes it anew"))
        needs = OF.get(name, "*")
        if name in OF and not any(path in self.files and fnmatch(path, needs) for path in record["inputs"]):
            raise UnreadableError(Gap(path, f"does not name {needs} among its inputs", "`make run` writes it anew"))
        if changed := self.stale_inputs(record):
            message = f"is of other inputs than these: {', '.join(changed)} changed since"
            raise UnreadableError(Gap(path, message, "`make run` writes it anew", stale=True))
        content = record.get("content")
        if not isinstance(content, dict):
            raise UnreadableError(Gap(path, "holds no `content`", "`make run` writes it"))
        return content

    def stale_inputs(self, record: Mapping[str, Any]) -> list[str]:
        """The inputs of a record of evidence that are not what they were when it was written."""
        inputs = record.get("inputs")
        named = inputs if isinstance(inputs, dict) else {}
        return sorted(path for path, was in named.items() if not self._same(str(path), was))

    def _same(self, path: str, was: object) -> bool:
        now = self.digest(path)
        return now == was if now else path.startswith(KEPT_ELSEWHERE)

    def _content(self, path: str, hint: str) -> bytes:
        file = self.files.get(path)
        if file is None:
            raise UnreadableError(Gap(path, "is missing", hint))
        return file.content


Check = Callable[[Subject], Iterable[Gap]]


@dataclass(frozen=True, slots=True)
class Result:
    """How one control stands, what it lacks, and which files are its evidence."""

    judgement: Judgement
    status: Status
    gaps: tuple[Gap, ...] = ()
    evidence: tuple[str, ...] = ()
    checked: bool = field(default=False)  # by a check of its own, not only for the presence of its evidence

    @property
    def blocks(self) -> bool:
        """Whether a release has to wait for it."""
        required = self.judgement.verdict is Verdict.REQUIRED
        return required and self.status in (Status.FAIL, Status.STALE, Status.PERSON)


Signed = Callable[[tuple[str, ...]], bool]  # whether people have approved these files


def results(subject: Subject, checks: Mapping[str, Check], signed: Signed) -> list[Result]:
    """Every control of the map, in its order."""
    return [result(subject, one, checks.get(name), signed) for name, one in subject.applies.controls.items()]


def result(subject: Subject, judged: Judgement, check: Check | None, signed: Signed) -> Result:
    """How one control stands: its evidence is there, its check finds nothing, people have approved what is theirs."""
    if judged.verdict is Verdict.NONE:
        return Result(judged, Status.NONE)
    paths = tuple(path for path, entry in subject.lock.paths.items() if judged.control.id in entry.controls)
    gaps = (*_evidence_gaps(subject, judged.control.id, paths, check), *gaps_of(check, subject))
    status = _status(gaps)
    if status is Status.PASS and not judged.control.by_machine and not signed(paths):
        status = Status.PERSON
    return Result(judged, status, tuple(dict.fromkeys(gaps)), paths, check is not None)


def _status(gaps: Iterable[Gap]) -> Status:
    found = list(gaps)
    if not found:
        return Status.PASS
    return Status.STALE if all(gap.stale for gap in found) else Status.FAIL


def gaps_of(check: Check | None, subject: Subject) -> tuple[Gap, ...]:
    """What a check finds; a file that it cannot read, or that has another form than it knows, is what it finds."""
    try:
        return tuple(check(subject)) if check else ()
    except UnreadableError as error:
        return (error.gap,)
    except (AttributeError, TypeError, LookupError, ValueError, ArithmeticError, RecursionError) as error:
        return (Gap("", f"a file that it looks at has another form than is known: {error}", "mend the file"),)


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _evidence_gaps(subject: Subject, control: str, paths: tuple[str, ...], check: Check | None) -> Iterator[Gap]:
    """The factory's files for this control are there, as it promised them, and what a run wrote is of these inputs."""
    if not paths and check is None:
        yield Gap("", "nothing in this project is evidence for it", f"`ai-factory explain {control}` says what it asks")
    for path in paths:
        entry, file = subject.lock.paths[path], subject.files.get(path)
        if file is None and not ("*" in path and any(fnmatch(name, path) for name in subject.files)):
            yield Gap(path, "is missing", "`make run` writes it" if entry.ownership == "produced" else "bring it back")
        elif file is None:
            continue
        elif entry.ownership == "managed" and blob_id(file.content) != entry.base:
            yield Gap(
                path, "was edited: it is not what the factory tested", f"`ai-factory diff {path}` shows what differs"
            )
        elif path.startswith(f"{EVIDENCE}/") and path.endswith(".json"):
            yield from gaps_of(_fresh(path), subject)


def _fresh(path: str) -> Check:
    name = path.removeprefix(f"{EVIDENCE}/").removesuffix(".json")

    def check(subject: Subject) -> Iterator[Gap]:
        subject.evidence(name)
        yield from ()

    return check
