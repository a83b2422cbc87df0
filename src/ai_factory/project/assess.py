"""Assesses a system: answers become facts, and facts say what applies; both are written into the project."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ai_factory import documents
from ai_factory.errors import AnswersError, ProjectError
from ai_factory.governance import facts as facts_of
from ai_factory.governance.applicability import Applicability, Judgement
from ai_factory.governance.assessment import HOW_TO_ANSWER, SCREEN_KEY, Practice
from ai_factory.governance.conditions import Facts
from ai_factory.governance.reading import Map
from ai_factory.governance.record import record
from ai_factory.governance.tiers import Step, Tiering
from ai_factory.project.facts import FACTS, PEOPLE, Told, judged, map_of, recorded
from ai_factory.project.opening import Project
from ai_factory.questions import Ask
from ai_factory.tree import File

RECORD = "governance/applicability.json"
DOCUMENTS = "docs/governance/sources.json"  # the record of the documents that a project writes itself
HEAD = b"""# The facts about this system, from which duties follow. The owning team keeps them true; `ai-factory assess`
# asks for them in plain words. In our own words, not reviewed by counsel, and no legal advice.

"""


class Prompts(NamedTuple):
    """What a person at a terminal is asked with: a question, and one of the screen."""

    question: Ask
    practice: Callable[[Practice], bool]


@dataclass(frozen=True, slots=True)
class Assessed:
    """An assessment: what was answered, what follows, and the files that hold it, not written yet."""

    answers: Mapping[str, Any]
    prohibited: tuple[Practice, ...]
    found: Applicability
    tiering: Tiering
    steps: tuple[Step, ...]
    before: Mapping[str, str]  # the verdicts of the record that the project had
    files: Mapping[str, bytes]
    documented: bool = False  # whether the project writes documents of its own from these files

    def changed(self) -> list[Judgement]:
        """The controls whose verdict is another than in the record before; none where there was none."""
        judged = self.found.controls.values()
        return [one for one in judged if self.before and self.before.get(one.control.id) != one.verdict.value]


def screened(known: Map, told: Told, prompts: Prompts | None) -> list[Practice]:
    """The practices of the screen that were answered with yes. Raises AnswersError for questions without answer."""
    asked = known.assessment
    return asked.prohibited(asked.screened(told.screen, prompts.practice if prompts else None))


def assess(project: Project, given: Told, prompts: Prompts | None, as_of: str) -> Assessed:
    """Settle all answers (given ones over recorded ones), and judge what applies on that day; nothing is written.

    Raises AnswersError for answers that are missing, unknown or odd, and ProjectError where they contradict each other.
    """
    known, now = map_of(project), recorded(project)
    asked = known.assessment
    screen, answers = _settled(known, given, now, prompts)
    facts = facts_of.facts(answers)
    _refuse_contradictions(known, facts, (given, now))
    found, tiering, law = *judged(known, facts, as_of), known.regulation
    choices = {name: type_.choices() for name, type_ in known.facts.items()}
    text = json.dumps(record(found, tiering, law.as_of, facts), indent=1, ensure_ascii=False) + "\n"
    return Assessed(
        answers,
        tuple(asked.prohibited(screen)),
        found,
        tiering,
        tuple(known.scale.next_steps(law.conditions, facts, choices)),
        _verdicts(project.folder.read(RECORD)),
        {FACTS: _facts_file(now, answers, screen, {**now.people, **given.people}), RECORD: text.encode()},
        DOCUMENTS in project.lock.paths,
    )


def write(project: Project, assessed: Assessed) -> list[str]:
    """Write facts and record; the paths whose content is another than before.

    A record that would differ in its day alone is left: approvals cover it.
    """
    changed = []
    for path, content in assessed.files.items():
        before = project.folder.read(path)
        if before is None or _content(before.content) != _content(content):
            project.disk.write(path, File(content))
            changed.append(path)
    return changed


def _settled(known: Map, given: Told, now: Told, prompts: Prompts | None) -> tuple[dict[str, bool], dict[str, Any]]:
    """The screen's answers and the facts. Raises AnswersError with everything that is missing or odd in both."""
    asked, problems = known.assessment, dict[str, str]()
    screen: dict[str, bool] = {}
    answers: dict[str, Any] = {}
    try:
        screen = asked.screened({**now.screen, **given.screen}, prompts.practice if prompts else None)
    except AnswersError as error:
        problems |= error.problems
    try:
        answers = asked.settled(asked.typed({**now.facts, **given.facts}), prompts.question if prompts else None)
    except AnswersError as error:
        problems |= {name: _placed(name, problem, (given, now)) for name, problem in error.problems.items()}
    if problems:
        raise AnswersError(problems, HOW_TO_ANSWER)
    return screen, answers


def _placed(fact: str, problem: str, told: tuple[Told, ...]) -> str:
    """The problem, with file and line where the fact was written into a file."""
    place = _place(fact, told)
    return f"{problem} ({place})" if place else problem


def _place(fact: str, told: tuple[Told, ...]) -> str:
    """Where the answer that counts was written; empty for one of a command line."""
    return next((one.line(fact) for one in told if fact in one.facts), "")


def _refuse_contradictions(known: Map, facts: Facts, told: tuple[Told, ...]) -> None:
    lines = []
    for one in known.assessment.contradictions(facts):
        place = next((place for leaf in one.because if (place := _place(leaf.fact, told))), "")
        lines.append(f"{place}: {one.says}" if place else one.says)
    if lines:
        raise ProjectError(lines[0], "correct one of the two", tuple(lines[1:]))


def _verdicts(file: File | None) -> dict[str, str]:
    """The verdicts of a record; none of one that cannot be read, which is written anew."""
    try:
        controls = json.loads(file.content)["controls"] if file else {}
        return {str(name): str(row["verdict"]) for name, row in controls.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _content(file: bytes) -> object:
    """What a record says but for its day; another file as it is."""
    try:
        told = json.loads(file)
    except ValueError:
        return file
    return {**told, "as_of": None} if isinstance(told, dict) else file


def _facts_file(now: Told, answers: Mapping[str, Any], screen: Mapping[str, bool], people: Mapping[str, Any]) -> bytes:
    """The file with these answers: what stands in it already keeps its comments and its order."""
    if not now.inside:
        told = {**dict.fromkeys(PEOPLE), **people, "answers": dict(screen)}
        return HEAD + documents.write({"schema": 1, "facts": dict(answers), SCREEN_KEY: told})
    held = _places(now.facts, now.screen, now.people)
    wanted = _places(answers, screen, people)
    changes = {place: value for place, value in wanted.items() if place not in held or held[place] != value}
    return documents.edit(now.content, changes) if changes else now.content


def _places(
    facts: Mapping[str, Any], screen: Mapping[str, Any], people: Mapping[str, Any]
) -> dict[tuple[str, ...], Any]:
    """Each value by the keys that lead to it in the file."""
    return {
        **{("facts", name): value for name, value in facts.items()},
        **{(SCREEN_KEY, "answers", use): value for use, value in screen.items()},
        **{(SCREEN_KEY, name): value for name, value in people.items()},
    }
