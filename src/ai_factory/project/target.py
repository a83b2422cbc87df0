"""From a factory and what is wanted of it to a rendering: the one way for `new`, `status` and `sync`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ai_factory import __version__, cache, catalog, evolve, foreign, isolate, questions
from ai_factory.catalog import Blueprint, Component
from ai_factory.engines import TITLES
from ai_factory.errors import AnswersError, AuthorError, UsageError
from ai_factory.evolve import Evolved, Pending
from ai_factory.factory import EMBEDDED, Factory
from ai_factory.lock import PROJECT, Lock
from ai_factory.merge import Declared
from ai_factory.plan import Target
from ai_factory.project.foreign import engine
from ai_factory.questions import Ask
from ai_factory.render import checked_path, render, spelled
from ai_factory.tree import Tree

YAML_LIMIT = 1024 * 1024  # bytes of all components of a project: its parser reads that many in half a minute
Result = TypeVar("Result")


class Choice(NamedTuple):
    """What a project wants of a factory."""

    blueprint: str
    with_: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    answers: Mapping[str, Any] = {}


class Recipe(NamedTuple):
    """A choice, looked up in a factory: all that a rendering needs but the answers."""

    factory: Factory
    blueprint: Blueprint
    components: tuple[Component, ...]

    @property
    def versions(self) -> dict[str, str]:
        return {component.name: component.version for component in self.components}

    @property
    def secrets(self) -> frozenset[str]:
        """The questions of a foreign template whose answers are not to be kept."""
        return foreign.secrets(self.factory.tree) if self.factory.engine else frozenset()

    def kept(self, answers: Mapping[str, Any]) -> dict[str, Any]:
        """The answers that are written down: all but the secret ones."""
        return {key: value for key, value in answers.items() if key not in self.secrets}


def recipe(factory: Factory, choice: Choice) -> Recipe:
    """Look up blueprint and components. Raises UsageError for unknown names, AuthorError for malformed files."""
    if factory.engine and choice.without:
        raise UsageError(
            f"a template of {TITLES[factory.engine]} is one component, and nothing of it can be left out",
            "`ai-factory eject` takes a project out of its factory",
        )
    blueprint = catalog.blueprint(choice.blueprint, factory.read, cache.document)
    names = catalog.select(blueprint, choice.with_, choice.without)
    _refuse_much(factory.tree, names)
    found = tuple(catalog.component(name, factory.read, factory.origin.version, cache.document) for name in names)
    catalog.check_requires(found)
    return Recipe(factory, blueprint, found)


def only(factory: Factory, blueprint: str, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What `with` and `without` say where of a blueprint these components are taken, and what they require.

    Raises UsageError for a name that the blueprint does not offer.
    """
    offered = catalog.blueprint(blueprint, factory.read, cache.document)
    needed, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            catalog.select(offered, [name])
            waiting += catalog.component(name, factory.read, factory.origin.version, cache.document).requires
    without = tuple(name for name in offered.components if name not in needed)
    return tuple(name for name in offered.optional if name in needed), without


def _refuse_much(tree: Tree, names: Sequence[str]) -> None:
    """Reading YAML takes long: what strangers wrote of it is limited as a whole."""
    places = (f"{catalog.COMPONENTS}/{name}/{file}" for name in names for file in ("component.yaml", "copier.yml"))
    total = sum(len(tree[place].content) for place in places if place in tree)
    if total > YAML_LIMIT:
        raise AuthorError(f"the components' own files hold {total} bytes of YAML; {YAML_LIMIT} are the most")


def settle(
    made: Recipe, given: Mapping[str, Any], ask: Ask | None = None, named: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """All effective answers: given ones win over `named` ones, those over the blueprint's presets and the defaults.

    Only given ones are not asked; who asks guards the whole conversation. Raises AnswersError that names everything
    that is missing or invalid.
    """
    if made.factory.engine:
        answers = engine.settle(made.factory, given, named or {}, ask)
        _refuse_unknown(given, answers)
        return answers
    presets = {**made.blueprint.answers, **(named or {})}
    asked = [
        question._replace(default=presets[question.key]) if question.key in presets else question
        for question in catalog.all_questions(made.components)
    ]
    compute = partial(questions.settle, asked, given, catalog.visible(made.components), ask)
    return compute() if ask else guarded(made.factory, compute)


def settle_again(
    made: Recipe,
    given: Mapping[str, Any],
    pending: Sequence[Pending],
    named: Mapping[str, Any] | None = None,
    *,
    applied: Lock,
) -> tuple[Evolved, dict[str, Any]]:
    """The answers of a project that is there already: the given ones, evolved, and all effective ones.

    `named` ones are of the new version, `applied` is what the project has now. Raises AnswersError with the command
    that answers, before anything is written.
    """
    try:
        if made.factory.engine:
            return _settled_by_engine(made, given, named or {}, applied.answers)
        after = _without_gone(made, _evolved(made, given, pending, named), applied)
        answers = settle(made, after.answers)
    except AnswersError as error:
        raise AnswersError(error.problems, _how_to_answer(made.factory)) from None
    typed = questions.typed(catalog.all_questions(made.components), named or {}, answers)
    return after._replace(answers={**after.answers, **typed}), answers


def _settled_by_engine(
    made: Recipe, given: Mapping[str, Any], named: Mapping[str, Any], applied: Mapping[str, Any]
) -> tuple[Evolved, dict[str, Any]]:
    """The same for a foreign template: it drops questions in silence, and what was applied stays."""
    whole = {**given, **named}
    answers = engine.settle(made.factory, whole, applied)
    _refuse_unknown(named, answers)
    asked = made.kept({key: value for key, value in whole.items() if key in answers})
    typed = questions.typed(catalog.all_questions(made.components), asked, answers)
    return Evolved(typed, {key: key for key in typed}), answers


def _refuse_unknown(given: Mapping[str, Any], answers: Mapping[str, Any]) -> None:
    """Raise AnswersError for an answer to what no question of a foreign template asks."""
    asked = ", ".join(sorted(answers))
    if unknown := {key: f"the template does not ask it; asked are {asked}" for key in given if key not in answers}:
        raise AnswersError(unknown, "leave them out")


def _evolved(
    made: Recipe, given: Mapping[str, Any], pending: Sequence[Pending], named: Mapping[str, Any] | None
) -> Evolved:
    """The given answers after the pending changes; one that nobody asks any more, after all that there ever were.

    A branch that was merged may bring an answer under a name that the lock has left behind.
    """
    found = evolve.evolved(given, pending, named)
    asked = {question.key for question in catalog.all_questions(made.components)}
    late = {key: value for key, value in found.answers.items() if key not in asked}
    if not late:
        return found
    ever = evolve.pending(made.components, dict.fromkeys(made.versions, "0"))
    old = evolve.evolved(late, ever, named)
    kept = {key: value for key, value in found.answers.items() if key in asked}
    names = {given_as: old.names.get(now, now) for given_as, now in found.names.items()}
    return Evolved({**old.answers, **kept}, names)


def _without_gone(made: Recipe, found: Evolved, applied: Lock) -> Evolved:
    """The answers without those that a component asked which the project has no more."""
    if applied.components.keys() <= made.versions.keys():
        return found
    asked = {question.key for question in catalog.all_questions(made.components)}
    gone = {key for key in found.answers if key not in asked and key in applied.answers}
    return found._replace(answers={key: value for key, value in found.answers.items() if key not in gone})


def _how_to_answer(factory: Factory) -> str:
    to = f"--to {factory.origin.version} " if factory.origin.kind != "folder" else ""
    trust = "--trust " if factory.trusted else ""
    return f"answer with `ai-factory sync {to}{trust}--data KEY=VALUE`, or in `{PROJECT}`"


def rendered(made: Recipe, answers: Mapping[str, Any]) -> Target:
    """The rendering, with compiled templates kept in the user's cache; that of a foreign template by its engine."""
    if made.factory.engine:
        stamped = engine.rendered(made.factory, answers)
        return Target(made.factory.origin, made.kept(answers), made.versions, stamped)
    from jinja2 import FileSystemBytecodeCache  # takes long to load: only where something is rendered

    compiled = FileSystemBytecodeCache(cache.folder(f"jinja-{__version__}"), "%s.jinja-cache")
    origin = made.factory.origin
    files = guarded(made.factory, partial(render, made.blueprint, made.components, answers, compiled))
    return Target(origin, answers, made.versions, files)


def declared(
    made: Recipe, changes: Sequence[Pending], before: Mapping[str, Any], answers: Mapping[str, Any]
) -> Declared:
    """What pending changes say of paths, spelled with the answers that the project had, and that it will have."""
    wanted = evolve.spellings(changes)
    if not any("{" in path for _, path in wanted):  # as most have none, and a child takes time to start
        return evolve.paths(changes, _as_written, _as_written)
    was = {**answers, **_carried(before, changes)}
    spell = partial(spelled, made.components)
    old, new = guarded(made.factory, lambda: (spell(was, wanted), spell(answers, wanted)))
    return evolve.paths(changes, lambda *place: old[place], lambda *place: new[place])


def _carried(before: Mapping[str, Any], changes: Sequence[Pending]) -> Mapping[str, Any]:
    """The answers that the project had, under their new names; as they were where no rule splits one of them."""
    try:
        return evolve.answers(before, changes)
    except AnswersError:
        return before


def _as_written(component: str, path: str) -> str:
    return checked_path(path, f"{catalog.COMPONENTS}/{component}/component.yaml")


def guarded(factory: Factory, compute: Callable[[], Result]) -> Result:
    """What nobody vouches for is computed in a child with limited memory and time."""
    if factory.engine:
        return engine.guarded(factory, compute)
    if factory.listed or factory.origin.kind == EMBEDDED:
        return compute()
    from ai_factory import sandbox  # noqa: F401 - loaded here once, not by each child anew

    return isolate.limited(compute, f"the factory `{factory.origin.url}`")
