"""Which answers and optional components of a blueprint are tried together, so that every two of them meet once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

from ai_factory import catalog
from ai_factory.catalog import Component
from ai_factory.errors import AnswersError
from ai_factory.factory import Factory
from ai_factory.project.target import Choice, Recipe, recipe, settle
from ai_factory.questions import MISSING, Question
from ai_factory.workshop.pairs import Factor, pairs_in, rows
from ai_factory.workshop.trying import choices_of, sample

USUAL = object()  # the value of a question that is left to its default
TEXTS = (  # the first that a validator takes is tried
    *('it\'s an "other" one: #2', "another one", "another_one", "another-one"),
    *("other@example.org", "https://example.org/other"),
)
Row = Mapping[str, Any]


class Trial(NamedTuple):
    """One rendering of a blueprint: what is taken and answered besides what is usual."""

    blueprint: str
    with_: tuple[str, ...] = ()
    given: Mapping[str, Any] = {}


class Trials(NamedTuple):
    """The renderings to try, and how many pairs of choices no answers can have: the questions' validators refuse them.

    `needed` are answers to questions without a default.
    """

    rows: tuple[Trial, ...]
    refused: int
    needed: Mapping[str, Any]


class Offer:
    """A blueprint and what it leaves open."""

    def __init__(self, factory: Factory, name: str) -> None:
        self.factory, self.name = factory, name
        self.blueprint = catalog.blueprint(name, factory.read)
        self.recipe = cache(self._recipe)
        asked = catalog.all_questions(self.recipe(self.blueprint.optional).components)
        open_ = [one for one in asked if one.default is MISSING and one.key not in self.blueprint.answers]
        self.needed = {one.key: sample(one) for one in open_}

    def _recipe(self, with_: tuple[str, ...]) -> Recipe:
        return recipe(self.factory, Choice(self.name, with_))

    def answers(self, trial: Trial) -> dict[str, Any]:
        """The effective answers; what is given to questions of components that are not taken is left out.

        Raises AnswersError.
        """
        made = self.recipe(trial.with_)
        asked = {one.key for one in catalog.all_questions(made.components)}
        given = {**self.needed, **trial.given}
        return settle(made, {key: value for key, value in given.items() if key in asked})

    def refuses(self, trial: Trial) -> frozenset[str]:
        """The given answers that are not taken; the keys of all that is wrong where it is none of them."""
        try:
            self.answers(trial)
        except AnswersError as error:
            return frozenset(error.problems.keys() & trial.given.keys() or error.problems)
        return frozenset()


# ---- what varies ---------------------------------------------------------------------------------


def factors_of(offer: Offer) -> list[Factor]:
    """The optional components, then the questions; of one that takes several answers, each choice."""
    optional = offer.blueprint.optional
    made = offer.recipe(optional)
    usual = offer.answers(Trial(offer.name, optional))
    by_name = {one.name: one for one in made.components}
    flags = [Factor(_flag(name), (False, True), _flags(by_name[name], optional)) for name in optional]
    return [
        *flags,
        *(
            factor._replace(needs=(_flag(question.component),) if question.component in optional else ())
            for question in catalog.all_questions(made.components)
            if question.when is not False
            for factor in _factors(offer, question, usual[question.key])
        ),
    ]


def _flag(component: str) -> str:
    return f"+{component}"


def _flags(component: Component, optional: Sequence[str]) -> tuple[str, ...]:
    return tuple(_flag(name) for name in component.requires if name in optional)


def _factors(offer: Offer, question: Question, usual: Any) -> Iterator[Factor]:
    values = choices_of(question)
    if question.multiselect:
        chosen = usual if isinstance(usual, list) else []
        for (value,) in values:
            yield Factor(f"{question.key}/{value}", (value in chosen, value not in chosen))
        return
    others = [value for value in values if value != usual] if values else list(_others(offer, question, usual))
    yield Factor(question.key, (USUAL, *others))


def _others(offer: Offer, question: Question, usual: Any) -> Iterator[Any]:
    """Another answer to a question without choices, if its validator takes one."""
    candidates: Sequence[Any] = (*TEXTS, question.placeholder) if question.type == "str" else ()
    if question.type in ("int", "float"):
        candidates = (usual + 1, usual - 1, usual / 2) if isinstance(usual, (int, float)) else (1,)
    for value in candidates:
        if value != usual and not offer.refuses(Trial(offer.name, offer.blueprint.optional, {question.key: value})):
            yield value
            return


# ---- rows ----------------------------------------------------------------------------------------


def trials_of(offer: Offer) -> Trials:
    """The renderings to try, the usual one first. Raises AnswersError where not even that one can be answered."""
    factors = factors_of(offer)
    usual = {one.name: one.values[0] for one in factors}
    offer.answers(Trial(offer.name))
    wanted = rows(factors)
    tried = [_allowed(offer, row, usual) for row in wanted]
    missing = [] if tried == wanted else _missing(tried, factors)
    more, refused = _gathered(offer, missing, partial(_present, usual, factors))
    return Trials(tuple(trial_of(offer, row) for row in [*tried, *more]), refused, offer.needed)


def _missing(tried: Sequence[Row], factors: Sequence[Factor]) -> list[Row]:
    """The pairs that no row has."""
    every = ({**one, **other} for one, other in pairs_in(factors))
    return [pair for pair in every if not any(_holds(row, pair) for row in tried)]


def _gathered(offer: Offer, missing: Sequence[Row], whole: Callable[[Row], Row]) -> tuple[list[Row], int]:
    """Rows in which the pairs are that answers can have, several in one where they go together; how many cannot."""
    gathered: list[Row] = []
    refused = 0
    for pair in missing:
        if any(_holds(whole(row), pair) for row in gathered):
            continue
        if offer.refuses(trial_of(offer, whole(pair))):
            refused += 1
            continue
        for number, row in enumerate(gathered):
            if _agree(row, pair) and not offer.refuses(trial_of(offer, whole({**row, **pair}))):
                gathered[number] = {**row, **pair}
                break
        else:
            gathered.append(pair)
    return [whole(row) for row in gathered], refused


def _agree(row: Row, pair: Row) -> bool:
    return all(row[name] == value for name, value in pair.items() if name in row)


def _holds(row: Row, pair: Row) -> bool:
    return all(name in row and row[name] == value for name, value in pair.items())


def _present(usual: Row, factors: Sequence[Factor], fixed: Row) -> Row:
    """The row with what is fixed, and the usual values of all else that counts where that is."""
    needs = {one.name: one.needs for one in factors}
    rest = {name: value for name, value in usual.items() if all(fixed.get(other) for other in needs[name])}
    return {**rest, **fixed}


def _allowed(offer: Offer, row: Row, usual: Row) -> Row:
    """The row, with what validators refuse put back to what is usual."""
    refused = offer.refuses(trial_of(offer, row))
    while refused:
        after = {name: usual[name] if name.partition("/")[0] in refused else value for name, value in row.items()}
        if after == row:
            return {name: value for name, value in usual.items() if name in row}
        row, refused = after, offer.refuses(trial_of(offer, after))
    return row


def trial_of(offer: Offer, row: Row) -> Trial:
    """The row as what is taken and answered."""
    with_ = tuple(name for name in offer.blueprint.optional if row.get(_flag(name)))
    given: dict[str, Any] = {}
    for name, value in row.items():
        key, several, choice = name.partition("/")
        if several:
            given.setdefault(key, [])
            given[key] += [choice] if value else []
        elif value is not USUAL and not name.startswith("+"):
            given[key] = value
    return Trial(offer.name, with_, given)
