"""The questions of an assessment: what a person is asked in plain words, and the facts that an answer gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ai_factory.errors import AnswersError
from ai_factory.governance import facts
from ai_factory.governance.conditions import Conditions, Facts, Leaf, shown
from ai_factory.questions import MISSING, Ask, Asked, cast
from ai_factory.questions import Question as Prompt

Answers = Mapping[str, Any]
HOW_TO_ANSWER = "give them with `--data FACT=VALUE` or `--answers FILE`, or answer at a terminal"
SCREEN_KEY = "screen"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, why, and the facts that it sets; `choices` say what each gives where it sets several.

    `when` is a condition over the answers before it: where it does not hold, the fact is false.
    """

    sets: tuple[str, ...]
    ask: str
    why: str
    when: Any
    words: Mapping[str, str]
    choices: tuple[Mapping[str, Any], ...]


class Practice(NamedTuple):
    """A use that law may prohibit from a day on."""

    use: str
    cite: str
    since: str
    verified: str


class Contradiction(NamedTuple):
    """Answers that cannot all be true, and the tests that found them."""

    says: str
    because: tuple[Leaf, ...]


class Unsound(NamedTuple):
    """A rule of the map: where it holds, the answers contradict each other."""

    when: Any
    says: str


@dataclass(frozen=True, slots=True)
class Assessment:
    """Everything that is asked, in order, and what no set of answers may say."""

    facts: Mapping[str, facts.FactType]
    conditions: Conditions
    questions: tuple[Question, ...]
    screen: tuple[Practice, ...]
    unsound: tuple[Unsound, ...]

    def settled(self, given: Answers, ask: Ask | None = None) -> dict[str, Any]:
        """All answers in the order of the facts: asked for, or as given; `false` where a question does not arise.

        Raises AnswersError that names every fact that is missing, unknown, or has no such value.
        """
        answers = {name: value for name, value in given.items() if value is not None}
        for question in self.questions:
            if self._arises(question, answers):
                answers |= self._asked(question, answers, ask) if ask else {}
            else:
                answers = {**dict.fromkeys(question.sets, False), **answers}
        if problems := facts.problems(answers, self.facts):
            raise AnswersError(problems, HOW_TO_ANSWER)
        return {name: answers[name] for name in self.facts}

    def typed(self, given: Answers) -> dict[str, Any]:
        """Answers as a command line gives them in the types of their facts; one that cannot be read stays as it is."""
        return {name: _typed(value, self.facts[name]) if name in self.facts else value for name, value in given.items()}

    def _arises(self, question: Question, answers: Answers) -> bool:
        """Whether it is to be asked; it is, too, while an answer is missing or odd on which that depends."""
        if question.when is None:
            return True
        sound = {name: answers[name] for name in self.facts if not facts.problem(answers.get(name), self.facts[name])}
        try:
            return self.conditions.find(question.when, facts.facts(sound)).holds
        except KeyError:
            return not set(question.sets) <= answers.keys()

    def _asked(self, question: Question, answers: Answers, ask: Ask) -> dict[str, Any]:
        value = ask(self._posed(question, answers), lambda text: self._checked(question, text))
        if not question.choices:
            return {question.sets[0]: value}
        chosen = [choice for choice in question.choices if choice["say"] in value]
        return {name: _joined(self.facts[name], chosen) for name in question.sets}

    def _posed(self, question: Question, answers: Answers) -> Asked:
        mould = self._mould(question)
        named = f"{question.ask}\n{question.why} Sets {' and '.join(f'`{name}`' for name in question.sets)}."
        known = all(name in answers for name in question.sets)
        default = self._default(question, answers) if known else MISSING
        return Asked(mould, named, default, dict(mould.choices))

    def _mould(self, question: Question) -> Prompt:
        """The question as the prompt knows questions: its type and its choices by what each says."""
        type_ = self.facts[question.sets[0]]
        kind = {"bool": "bool", "int": "int"}.get(type_.kind, "str")
        if question.choices:
            said = {choice["say"]: choice["say"] for choice in question.choices}
            return Prompt(question.sets[0], "", "", "str", choices=said, multiselect=True)
        said = {_label(value, question.words): value for value in type_.values}
        return Prompt(type_.name, "", "", kind, choices=said, multiselect=type_.kind == "set")

    def _default(self, question: Question, answers: Answers) -> Any:
        if not question.choices:
            return answers[question.sets[0]]
        return [choice["say"] for choice in question.choices if _is_given(choice, answers)]

    def _checked(self, question: Question, text: Any) -> tuple[Any, str]:
        mould = self._mould(question)
        try:
            value = cast(mould, text)
        except ValueError:
            return text, f"{text!r} is no answer to this"
        if not question.choices:
            return value, facts.problem(value, self.facts[question.sets[0]])
        odd = [one for one in value if one not in mould.choices.values()]
        return value, f"{odd[0]!r} is none of the choices" if odd else ""

    def screened(self, given: Answers, ask: Callable[[Practice], bool] | None = None) -> dict[str, bool]:
        """The answer to each question of the screen, in order. Raises AnswersError for those that nobody gave."""
        uses = {practice.use: practice for practice in self.screen}
        answers = {use: given.get(use) for use in uses}
        if ask:
            answers |= {use: ask(uses[use]) for use, value in answers.items() if not isinstance(value, bool)}
        problems = {use: "is no question of the screen" for use in given if use not in uses}
        problems |= {use: _screen_problem(value) for use, value in answers.items() if not isinstance(value, bool)}
        if problems:
            raise AnswersError({f"{SCREEN_KEY}: {use}": problem for use, problem in problems.items()}, HOW_TO_ANSWER)
        return {use: value is True for use, value in answers.items()}

    def prohibited(self, answers: Mapping[str, bool]) -> list[Practice]:
        """The practices to which the answer is yes: each stops the system, and legal decides."""
        return [practice for practice in self.screen if answers[practice.use]]

    def contradictions(self, known: Facts) -> Iterator[Contradiction]:
        """What cannot be true together."""
        for rule in self.unsound:
            found = self.conditions.find(rule.when, known)
            if found.holds:
                yield Contradiction(rule.says, found.because)


def assessment(document: Answers, unsound: Any, known: Mapping[str, facts.FactType], named: Conditions) -> Assessment:
    """The assessment that `controls/assessment.yaml` and the contradictions of `facts.yaml` state, checked before."""
    rows = tuple(
        Question(
            tuple(row["sets"]),
            row["ask"],
            row["why"],
            row.get("when"),
            row.get("words", {}),
            tuple(row.get("choices", ())),
        )
        for row in document["questions"]
    )
    screen = tuple(Practice(**row) for row in document["screen"])
    return Assessment(known, named, rows, screen, tuple(Unsound(**row) for row in unsound))


def _typed(value: Any, type_: facts.FactType) -> Any:
    kind = {"bool": "bool", "int": "int"}.get(type_.kind, "str")
    if not isinstance(value, str):
        return value
    try:
        return cast(Prompt(type_.name, "", "", kind, multiselect=type_.kind == "set"), value)
    except ValueError:
        return value


def _label(value: str, words: Mapping[str, str]) -> str:
    return f"{value}: {words[value]}" if value in words else value


def _joined(type_: facts.FactType, chosen: list[Mapping[str, Any]]) -> Any:
    """What the chosen choices give to one fact together."""
    given = [choice[type_.name] for choice in chosen if type_.name in choice]
    return bool(given) if type_.kind == "bool" else given


def _is_given(choice: Mapping[str, Any], answers: Answers) -> bool:
    return all(
        value in answers[name] if isinstance(answers[name], list) else value == answers[name]
        for name, value in choice.items()
        if name != "say"
    )


def _screen_problem(value: Any) -> str:
    return "is not answered" if value is None else f"is true or false, not {shown(value)}"
