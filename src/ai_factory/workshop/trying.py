"""What is wrong in a blueprint, told by rendering it: component by component, so that one mistake hides no other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ai_factory import catalog, contributions, documents, questions, render
from ai_factory.catalog import FILES, Blueprint, Component
from ai_factory.errors import AnswersError, FactoryError
from ai_factory.questions import MISSING, Question
from ai_factory.render import Owned, claims_of, contexts_of, matches, stamped_by
from ai_factory.sandbox import Templates
from ai_factory.tree import File
from ai_factory.workshop import parts
from ai_factory.workshop.parts import Parts
from ai_factory.workshop.rules import Flaw, located

Evidence = tuple[str, str, int]  # of a component: the control, and the number of the glob


class Tried(NamedTuple):
    """What the renderings of a blueprint have shown: mistakes, and which evidence was looked for and found."""

    flaws: tuple[Flaw, ...] = ()
    wanted: frozenset[Evidence] = frozenset()
    found: frozenset[Evidence] = frozenset()


def tried(blueprint: Blueprint, known: Parts) -> Tried:
    """Render the blueprint in each way, and tell what is wrong."""
    where, components = f"{catalog.BLUEPRINTS}/{blueprint.name}.yaml", known.components
    every = [*blueprint.components, *blueprint.optional]
    absent = [name for name in every if name not in components]
    if absent or known.lost.intersection(every):
        missing = [name for name in absent if name not in known.unsound]
        return Tried(tuple(Flaw("FL002", where, 0, f"there is no component `{name}`") for name in missing))
    ways = [blueprint.components, tuple(every)] if blueprint.optional else [blueprint.components]
    done = [_with(blueprint, [components[name] for name in names], known, where) for names in ways]
    return Tried(*(_all(one[number] for one in done) for number in range(3)))


def _all(found: Iterable[Iterable[Any]]) -> Any:
    return frozenset(item for one in found for item in one)


def _with(blueprint: Blueprint, chosen: Sequence[Component], known: Parts, where: str) -> Tried:
    try:
        catalog.check_requires(chosen)
    except FactoryError as error:
        return Tried((Flaw("FL002", where, 0, error.message),))
    try:
        asked = catalog.all_questions(chosen)
    except FactoryError as error:
        return Tried((Flaw("FL004", where, 0, error.message),))
    unread = _unread(chosen, known)
    done = [Tried(tuple(unread))]
    first = True
    for given in _answer_sets(blueprint, asked):
        try:
            answers = _settled(blueprint, chosen, asked, given)
        except AnswersError as error:
            if first:
                done.append(Tried(tuple(_unanswered(blueprint, chosen, error, where))))
            continue  # a validator may refuse a choice beside the others' defaults
        except FactoryError as error:
            done.append(Tried((Flaw("FL013", where, 0, error.message),)))
            continue
        finally:
            first = False
        done.append(_rendered(blueprint, chosen, answers, known, where))
    return Tried(*(_all(one[number] for one in done) for number in range(3)))


def _unanswered(blueprint: Blueprint, chosen: Sequence[Component], error: AnswersError, where: str) -> Iterator[Flaw]:
    """Where what answers a question by itself stands: a preset, a default, else the question."""
    asked = {one.key: (component, one) for component in chosen for one in component.questions}
    for key, why in error.problems.items():
        if key in blueprint.answers:
            yield Flaw("FL013", where, 0, f"the answer `{key}`: {why}")
            continue
        component, question = asked[key]
        place = f"{component.folder}/{parts.QUESTIONS}"
        line = partial(documents.line_of, component.tree[parts.QUESTIONS].content)
        if question.default is MISSING:
            yield Flaw("FL013", place, line((key,)), f"`{key}` {why}: give it a `placeholder`")
        else:
            yield Flaw("FL013", place, line((key, "default")), f"the default of `{key}`: {why}")


# ---- answers to try ---------------------------------------------------------------------------------


def _answer_sets(blueprint: Blueprint, asked: Sequence[Question]) -> Iterator[dict[str, Any]]:
    """The answers of the first set have no defaults; each further set makes one other choice."""
    needed = {one.key: sample(one) for one in asked if one.default is MISSING and one.key not in blueprint.answers}
    yield needed
    for one in asked:
        yield from ({**needed, one.key: value} for value in choices_of(one))


def sample(question: Question) -> Any:
    """An answer to a question that has no default."""
    choices = choices_of(question)
    if choices:
        return choices[0]
    return {"int": 1, "float": 1.0, "yaml": {}, "json": {}}.get(question.type, question.placeholder or "example")


def choices_of(question: Question) -> list[Any]:
    """The answers that a question offers; of one that takes several, each alone."""
    if question.type == "bool":
        return [True, False]
    listed = question.choices.values() if isinstance(question.choices, dict) else question.choices or ()
    values = [one[1] if isinstance(one, list) and len(one) == 2 else one for one in listed]
    return [[value] for value in values] if question.multiselect else values


def _settled(
    blueprint: Blueprint, chosen: Sequence[Component], asked: Sequence[Question], given: Mapping[str, Any]
) -> dict[str, Any]:
    presets = {key: value for key, value in blueprint.answers.items() if key not in given}
    return questions.settle(asked, {**presets, **given}, catalog.visible(chosen))


# ---- one rendering ----------------------------------------------------------------------------------


def _rendered(
    blueprint: Blueprint, chosen: Sequence[Component], answers: Mapping[str, Any], known: Parts, where: str
) -> Tried:
    templates = known.templates
    try:
        contexts = contexts_of(blueprint, chosen, answers, templates)
    except FactoryError as error:
        return Tried((_broken(error, where),))
    flaws: list[Flaw] = []
    tree: dict[str, File] = {}
    owned: dict[str, Owned] = {}
    globs: list[tuple[Evidence, str]] = []
    for component in chosen:
        context = contexts[component.name]
        for path, file in component.files.items():
            alone = component._replace(tree={f"{FILES}/{path}": file})
            source = f"{component.folder}/{FILES}/{path}"
            try:
                if "{%" in path or "{#" in path:
                    continue  # told by the path alone
                ((place, (stamped, _)),) = stamped_by(alone, context, templates).items()
            except FactoryError as error:
                flaws.append(_broken(error, source))
                continue
            if place in owned:
                flaws.append(Flaw("FL003", source, 0, f"`{owned[place].component}` owns `{place}` too"))
                continue
            tree[place], owned[place] = stamped, Owned(component.name, "", (), source)
        flaws += _claimed(component, context, templates, owned, globs)
    flaws += _as_a_whole(tree, owned, where)
    found = frozenset(key for key, glob in globs if any(matches(glob, path) for path in owned))
    return Tried(tuple(flaws), frozenset(key for key, _ in globs), found)


def _claimed(
    component: Component,
    context: Mapping[str, Any],
    templates: Templates,
    owned: dict[str, Owned],
    globs: list[tuple[Evidence, str]],
) -> Iterator[Flaw]:
    """What is wrong in what the component says of paths; what it produces and its evidence are noted."""
    where = f"{component.folder}/{parts.MANIFEST}"
    try:
        claims = claims_of(component, context, templates)
    except FactoryError as error:
        yield _broken(error, where)
        return
    content = component.tree[parts.MANIFEST].content
    mine = [path for path, one in owned.items() if one.component == component.name]
    for (written, _), (glob, _) in zip(component.ownership.items(), claims.ownership, strict=True):
        if not any(matches(glob, path) for path in mine):
            line = documents.line_of(content, ("ownership", written))
            yield Flaw("FL012", where, line, f"ownership `{glob}` matches no file")
    for path in claims.produced:
        if path in owned:
            yield Flaw("FL003", where, 0, f"`{owned[path].component}` owns `{path}`, which `{component.name}` produces")
        owned.setdefault(path, Owned(component.name, "produced", (), ""))
    for control, patterns in claims.evidences:
        globs += [((component.name, control, number), glob) for number, glob in enumerate(patterns)]


def _as_a_whole(tree: Mapping[str, File], owned: Mapping[str, Owned], where: str) -> Iterator[Flaw]:
    try:
        render.check(tree, owned)
    except FactoryError as error:
        yield Flaw("FL013", where, 0, error.message)
    try:
        render.refuse_ignored(tree, owned)
    except FactoryError as error:
        yield Flaw("FL009", where, 0, error.message)


def _broken(error: FactoryError, where: str) -> Flaw:
    return located("FL013", error, where)[0]


# ---- what is only seen over all -------------------------------------------------------------------


def _unread(chosen: Sequence[Component], known: Parts) -> Iterator[Flaw]:
    """Kinds that a component contributes to, and no template of these components reads."""
    read = {kind for one in chosen for _, found in known.readings[one.name] for kind in found.kinds}
    for component in chosen if "" not in read else ():
        for kind in component.contributes:
            if kind not in read and kind in (*contributions.LISTS, *contributions.MAPPINGS):
                line = documents.line_of(component.tree[parts.MANIFEST].content, ("contributes", kind))
                where = f"{component.folder}/{parts.MANIFEST}"
                yield Flaw("FL005", where, line, f"nothing reads what `{component.name}` contributes to `{kind}`")


def without_evidence(done: Iterable[Tried], components: Mapping[str, Component]) -> Iterator[Flaw]:
    """Evidence that no rendering of any blueprint has."""
    done = list(done)
    for name, control, number in sorted(_all(one.wanted for one in done) - _all(one.found for one in done)):
        content = components[name].tree[parts.MANIFEST].content
        line = documents.line_of(content, ("evidences", control, number))
        glob = components[name].evidences[control][number]
        yield Flaw(
            "FL010", f"{components[name].folder}/{parts.MANIFEST}", line, f"no project has `{glob}` for {control}"
        )
