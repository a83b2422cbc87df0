"""Renders a blueprint with every two answers, and tells what is wrong in what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from ai_factory.errors import FactoryError
from ai_factory.factory import Factory
from ai_factory.project.target import guarded, rendered
from ai_factory.tree import File, blob_id
from ai_factory.workshop.choices import Offer, Trial, Trials, trials_of
from ai_factory.workshop.rules import located
from ai_factory.workshop.soundness import mistakes

SHRUNK = 10  # faults of a blueprint for which the fewest choices are looked for: each takes some renderings


class Fault(NamedTuple):
    """What is wrong in renderings: the template, the file of the product (empty where there is none) and its line.

    `trial` has the fewest choices that show it, as far as that was looked for; `times` is in how many renderings it is.
    """

    source: str
    path: str
    line: int
    message: str
    trial: Trial
    times: int = 1


class Tried(NamedTuple):
    """What the renderings of a blueprint have shown: how many, and how many pairs of choices validators refuse.

    `needed` are the answers that each was given, since they have no default.
    """

    blueprint: str
    renderings: int = 0
    refused: int = 0
    faults: tuple[Fault, ...] = ()
    needed: Mapping[str, Any] = {}


class _Seen(NamedTuple):
    """What one rendering shows, and which files are sound as they are (path and id)."""

    faults: tuple[Fault, ...]
    sound: frozenset[tuple[str, str]]


def tried(factory: Factory, name: str) -> Tried:
    """Render the blueprint with every two answers. Raises what opening it raises."""
    plan: Trials = guarded(factory, lambda: trials_of(Offer(_known(factory), name)))
    sound: frozenset[tuple[str, str]] = frozenset()
    found: dict[tuple[str, str], Fault] = {}
    for trial in plan.rows:
        seen = _examined(factory, trial, sound)
        sound |= seen.sound
        for fault in seen.faults:
            known = found.get(_key(fault))
            found[_key(fault)] = known._replace(times=known.times + 1) if known else fault
    faults = list(found.values())
    shown = [_shrunk(factory, one) for one in faults[:SHRUNK]] + faults[SHRUNK:]
    return Tried(name, len(plan.rows), plan.refused, tuple(shown), plan.needed)


def _known(factory: Factory) -> Factory:
    """The factory as it is used within a child that is limited already."""
    return factory._replace(listed=True)


def _key(fault: Fault) -> tuple[str, str]:
    return fault.source, fault.message


def _examined(factory: Factory, trial: Trial, sound: frozenset[tuple[str, str]] = frozenset()) -> _Seen:
    """What one rendering shows; files that are known to be sound are not read again."""
    return guarded(factory, partial(_looked_at, _known(factory), trial, sound))


def _looked_at(factory: Factory, trial: Trial, sound: frozenset[tuple[str, str]]) -> _Seen:
    offer = Offer(factory, trial.blueprint)
    try:
        answers = offer.answers(trial)
        target = rendered(offer.recipe(trial.with_), answers)
    except FactoryError as error:
        where = f"blueprints/{trial.blueprint}.yaml"
        return _Seen(
            tuple(Fault(one.path, "", one.line, one.message, trial) for one in located("", error, where)), sound
        )
    faults: list[Fault] = []
    fine: set[tuple[str, str]] = set()
    for path, file in target.rendered.tree.items():
        known = path, blob_id(file.content)
        if known in sound:
            continue
        source = target.rendered.owned[path].source
        wrong = list(_wrong(path, file, source, factory, answers, trial))
        faults += wrong
        fine |= set() if wrong else {known}
    return _Seen(tuple(faults), frozenset(fine))


def _wrong(
    path: str, file: File, source: str, factory: Factory, answers: Mapping[str, Any], trial: Trial
) -> Iterator[Fault]:
    template = factory.tree[source].content.decode(errors="replace") if source in factory.tree else ""
    for one in mistakes(path, file, template, answers):
        yield Fault(source, path, one.line, one.message, trial)


# ---- the fewest choices ----------------------------------------------------------------------------


def _shrunk(factory: Factory, fault: Fault) -> Fault:
    """The same fault with the fewest choices: each is taken back unless the fault goes with it."""
    best = fault
    for smaller in _smaller(fault.trial):
        wanted = best.trial._replace(
            with_=tuple(name for name in best.trial.with_ if name in smaller.with_),
            given={key: value for key, value in best.trial.given.items() if key in smaller.given},
        )
        again = [one for one in _examined(factory, wanted).faults if _key(one) == _key(fault)]
        best = again[0]._replace(times=fault.times) if again else best
    return best


def _smaller(trial: Trial) -> Iterator[Trial]:
    """The trial without one of its choices: the components first, since questions go with them."""
    for name in reversed(trial.with_):
        yield trial._replace(with_=tuple(other for other in trial.with_ if other != name))
    for name in trial.given:
        yield trial._replace(given={key: value for key, value in trial.given.items() if key != name})
