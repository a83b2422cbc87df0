"""What a factory changes beside its last release without saying so: what went, got weaker, or is just another file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ai_factory import catalog, documents, versions
from ai_factory.catalog import Change, Component
from ai_factory.errors import FactoryError
from ai_factory.factory import Factory
from ai_factory.governance.regulation import TIERS, Control
from ai_factory.layers import CHANGELOG, MANIFEST, UPSTREAM
from ai_factory.project.facts import map_in
from ai_factory.render import matches
from ai_factory.tree import under
from ai_factory.workshop import answered, declaring, offered
from ai_factory.workshop.changelog import unreleased
from ai_factory.workshop.editor import unheaded
from ai_factory.workshop.offered import State
from ai_factory.workshop.rules import Flaw

Components = Mapping[str, Component]


def flaws(before: State, now: State) -> Iterator[Flaw]:
    """What the release `before` has, and this state has no more or in another form, without a declaration.

    A component that is gone is the affair of the blueprints that had it.
    """
    release, ours, below = before.factory.origin.version, _with_files(now), _with_files(now, f"{UPSTREAM}/")
    for name, was in before.components.items():
        if name in now.components:
            yield from _gone(was, now.components[name], now.components, release)
            yield from declaring.still_there(now.components[name], later(was, now.components[name]))
            yield from _silent(was, now.components[name]) if name in ours else ()
            yield from _back(was, now.components[name]) if name not in below else ()
    told = {name: _weakened(before.components.get(name), one) for name, one in now.components.items()}
    every = frozenset[str]().union(*told.values())
    yield from _weaker(before.components, now.components, every, release)
    yield from _weaker_map(now.factory, before.factory, every)
    yield from offered.flaws(before, now, told)
    yield from answered.flaws(before, now)


def _with_files(now: State, start: str = "") -> set[str]:
    """The components of which a file is the factory's own, or, below `upstream/`, that of the factory below."""
    prefixes = {name: f"{start}{one.folder}/" for name, one in now.components.items()}
    paths = [path for path in now.factory.files() if path.startswith(f"{start}{catalog.COMPONENTS}/")]
    return {name for name, prefix in prefixes.items() if any(path.startswith(prefix) for path in paths)}


def _weakened(was: Component | None, now: Component) -> frozenset[str]:
    """The controls that the component says are weaker since it was so; of a new one, all that it ever said."""
    return frozenset(control for row in (later(was, now) if was else now.changes) for control in row.weakens)


def announced(component: Component) -> str:
    """What its changelog says of changes that no release has yet."""
    file = component.tree.get(CHANGELOG)
    return unreleased(file.content) if file else ""


def later(was: Component, now: Component) -> list[Change]:
    """The changes that it declares for versions after the one that it had."""
    return [one for one in now.changes if versions.is_older(was.version, one.since)]


def _gone(was: Component, now: Component, components: Components, release: str) -> Iterator[Flaw]:
    """Template paths and questions that are gone, and that no later change speaks of."""
    where, rows = f"{was.folder}/{MANIFEST}", later(was, now)
    moved = {path for one in rows for path in (*one.rename, *one.remove)}
    for path in sorted(_paths(was) - _paths(now) - moved):
        yield Flaw("FL015", where, 0, f"`{path}` of {release} is gone, and no change declares it")
    answers = {key for one in rows for table in ("rename", "split") for key in one.answer.get(table, {})}
    answers |= {key for one in rows for key in one.answer.get("remove", ())}
    asked = {question.key for one in components.values() for question in one.questions}
    for key in sorted({question.key for question in was.questions} - answers - asked):
        yield Flaw("FL015", where, 0, f"the question `{key}` of {release} is gone undeclared")


def _paths(component: Component) -> set[str]:
    return {path.removesuffix(".jinja") for path in component.files}


def changed(was: Component, now: Component) -> list[str]:
    """The paths, changelog included, at which projects or authors see something else."""
    old, new = ({path: unheaded(file) for path, file in one.tree.items()} for one in (was, now))
    return sorted(path for path in {**old, **new} if old.get(path) != new.get(path))


def _silent(was: Component, now: Component) -> Iterator[Flaw]:
    """Whether its files are others, and its changelog neither announces that nor has a version for it."""
    others = [path for path in changed(was, now) if path != CHANGELOG]
    if others and not (announced(now) or _is_newer(was, now)):
        message = f"`{others[0]}` is not that of {was.version} any more"
        yield Flaw("FL022", f"{now.folder}/{CHANGELOG}", 0, message)


def _back(was: Component, now: Component) -> Iterator[Flaw]:
    """Whether its version is older than that of the last release."""
    if versions.is_older(now.version, was.version):
        message = f"{now.version} is older than {was.version}, the version in the last release"
        yield Flaw("FL028", f"{now.folder}/{CHANGELOG}", 0, message)


def _is_newer(was: Component, now: Component) -> bool:
    """Whether its changelog gives it a newer version."""
    file = now.tree.get(CHANGELOG)
    found = catalog.RELEASE.search(file.content.decode(errors="replace")) if file else None
    return bool(found) and (versions.is_older(was.version, now.version) or versions.numbers([was.version]) == [None])


def _weaker(old: Components, now: Components, told: frozenset[str], release: str) -> Iterator[Flaw]:
    """Evidence that no component names any more, and files that are no longer promised."""
    named = {(control, glob) for one in now.values() for control, globs in one.evidences.items() for glob in globs}
    for name, was in old.items():
        if name not in now:
            continue
        renamed = {path: new for one in later(was, now[name]) for path, new in one.rename.items()}
        for control, globs in was.evidences.items():
            lost = [glob for glob in globs if not {(control, glob), (control, renamed.get(glob, glob))} & named]
            if lost and control not in told:
                yield _flaw(now[name], ("evidences", control), f"{control} had the evidence `{lost[0]}` in {release}")
        if not told & {*was.evidences}:
            yield from _released(was, now[name], release)


def _released(was: Component, now: Component, release: str) -> Iterator[Flaw]:
    """Files that a component managed, and leaves to the team now."""
    for path in sorted(_paths(was) & _paths(now)):
        words = _word(was, path), _word(now, path)
        if words[0] == "managed" != words[1]:
            yield _flaw(now, ("ownership",), f"`{path}` was managed in {release}, and is {words[1]}")


def _word(component: Component, path: str) -> str:
    return next((word for glob, word in reversed(list(component.ownership.items())) if matches(glob, path)), "merged")


def _flaw(component: Component, place: documents.Place, message: str) -> Flaw:
    line = documents.line_of(component.tree[MANIFEST].content, place)
    return Flaw("FL021", f"{component.folder}/{MANIFEST}", line, f"{message}, and no change declares it")


def _weaker_map(factory: Factory, before: Factory, told: frozenset[str]) -> Iterator[Flaw]:
    """Controls that the map has no more, or asks for from a higher tier on."""
    old, now = _controls(before), _controls(factory)
    where = f"{catalog.CONTROLS}/controls.yaml"
    for name in sorted(old.keys() - told) if now else ():
        if name not in now:
            yield Flaw("FL021", where, 0, f"{name} of {before.origin.version} is gone, and no change declares it")
        elif TIERS.index(now[name].tier_floor) > TIERS.index(old[name].tier_floor):
            message = f"{name} is asked for from {now[name].tier_floor} on, in {before.origin.version} from"
            yield Flaw("FL021", where, 0, f"{message} {old[name].tier_floor}, and no change declares it")


def _controls(factory: Factory) -> Mapping[str, Control]:
    files = under(factory.tree, catalog.CONTROLS)
    try:
        return map_in(files).regulation.controls if files else {}
    except FactoryError:
        return {}  # that it cannot be read is told already
