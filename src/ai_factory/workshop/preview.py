"""What a working change of components does to the projects of each blueprint: renderings before and after, compared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ai_factory import catalog
from ai_factory.errors import FactoryError, UsageError
from ai_factory.factory import Factory, Wanted, open_factory
from ai_factory.project.inspect import unified
from ai_factory.project.target import rendered
from ai_factory.render import Rendered
from ai_factory.workshop.choices import Offer, Trial
from ai_factory.workshop.opening import last_release

HEAD = "HEAD"
_PLACE = re.compile(r"^@@ .*? @@", re.MULTILINE)
_NONE = Rendered({}, {}, ())


class Place(NamedTuple):
    """Where a difference shows: in which file of which blueprint's project; `whole`: with all that is optional."""

    blueprint: str
    whole: bool
    path: str


class Difference(NamedTuple):
    """What becomes of files that come from one template, the same in each of the places."""

    source: str
    text: str
    places: tuple[Place, ...]

    @property
    def lines(self) -> tuple[int, int]:
        """How many lines come and go."""
        body = [line for line in self.text.splitlines() if not line.startswith(("+++ ", "--- "))]
        return sum(line.startswith("+") for line in body), sum(line.startswith("-") for line in body)


class Stat(NamedTuple):
    """How many files of a blueprint's project come, go and change, and how many lines.

    `note` says why nothing was compared; `failed` where it cannot be stamped now.
    """

    blueprint: str
    whole: bool
    added: int = 0
    deleted: int = 0
    changed: int = 0
    more_lines: int = 0
    fewer_lines: int = 0
    note: str = ""
    failed: bool = False


class Preview(NamedTuple):
    """The change from one state of a factory to another, as its blueprints show it."""

    before: str
    after: str
    components: tuple[str, ...]
    stats: tuple[Stat, ...]
    differences: tuple[Difference, ...]


class States(NamedTuple):
    """A factory before and after a change."""

    before: Factory
    after: Factory


def states(factory: Factory, reference: str = "", components: Sequence[str] = ()) -> States:
    """The factory at that version - its last release, else HEAD - and with its components as they are now.

    Raises UsageError for a version or component that is not there.
    """
    release = None if reference else last_release(factory)
    before = release or open_factory(factory.origin.url, Wanted(reference or HEAD))
    known = sorted({*before.components(), *factory.components()})
    for name in components:
        if name not in known:
            raise UsageError(f"there is no component `{name}`{catalog.nearest(name, known)}")
    return States(before, _with(before, factory, components) if components else factory)


def _with(before: Factory, now: Factory, components: Sequence[str]) -> Factory:
    """The factory as it was, with these components as they are now."""
    folders = tuple(f"{catalog.COMPONENTS}/{name}/" for name in components)
    kept = {path: file for path, file in before.tree.items() if not path.startswith(folders)}
    tree = kept | {path: file for path, file in now.tree.items() if path.startswith(folders)}
    return now._replace(files=lambda: tree)


def preview(found: States, components: Sequence[str] = ()) -> Preview:
    """Compare what each blueprint stamps, with its defaults, without and with all that is optional."""
    names = sorted({*found.before.blueprints(), *found.after.blueprints()})
    stats: list[Stat] = []
    rows: list[tuple[str, str, Place]] = []
    for name in names:
        for stat, differences in _of_blueprint(found, name):
            stats.append(stat)
            rows += differences
    before, after = (one.origin.version for one in found)
    return Preview(before, after, tuple(components), tuple(stats), tuple(_grouped(rows)))


def _grouped(rows: Sequence[tuple[str, str, Place]]) -> Iterator[Difference]:
    """Each difference once, with all its places; where in a file it is does not make it another one."""
    groups: dict[tuple[str, str], Difference] = {}
    for source, text, place in rows:
        key = source, _PLACE.sub("@@", text)
        known = groups.get(key)
        groups[key] = known._replace(places=(*known.places, place)) if known else Difference(source, text, (place,))
    return iter(sorted(groups.values(), key=lambda one: (one.source, one.places)))


def _of_blueprint(found: States, name: str) -> Iterator[tuple[Stat, list[tuple[str, str, Place]]]]:
    if name not in found.before.blueprints():
        yield Stat(name, whole=False, note="is new"), []
        return
    for whole in (False, True):
        try:
            sides = [_stamped(factory, name, whole) for factory in found]
        except FactoryError as error:
            yield Stat(name, whole, note=f"cannot be stamped: {error.message}", failed=True), []
            continue
        if whole and sides == [None, None]:
            continue
        yield _compared(name, whole, *(side or _NONE for side in sides))


def _stamped(factory: Factory, name: str, whole: bool) -> Rendered | None:
    """What the blueprint stamps; None where everything is asked for and nothing is optional."""
    offer = Offer(factory, name)
    optional = offer.blueprint.optional if whole else ()
    if whole and not optional:
        return None
    trial = Trial(name, optional)
    return rendered(offer.recipe(optional), offer.answers(trial)).rendered


def _compared(name: str, whole: bool, before: Rendered, after: Rendered) -> tuple[Stat, list[tuple[str, str, Place]]]:
    rows: list[tuple[str, str, Place]] = []
    for path in sorted({*before.tree, *after.tree}):
        source = (after.owned.get(path) or before.owned[path]).source
        if text := _text(source, path, before, after):
            rows.append((source, text, Place(name, whole, path)))
    lines = [Difference(source, text, ()).lines for source, text, _ in rows]
    came, went = sum(one for one, _ in lines), sum(other for _, other in lines)
    paths = {row[2].path for row in rows}
    added, deleted = len(paths - before.tree.keys()), len(paths - after.tree.keys())
    return Stat(name, whole, added, deleted, len(paths) - added - deleted, came, went), rows


def _text(source: str, path: str, before: Rendered, after: Rendered) -> str:
    """How the file differs, under the name of its template; and whose it was and is, where that changes."""
    one, other = before.tree.get(path), after.tree.get(path)
    words = [side.owned[path].ownership if path in side.owned else "" for side in (before, after)]
    turned = f"{source}: {words[0]} → {words[1]}\n" if all(words) and words[0] != words[1] else ""
    return turned + (unified(source, one, other) if one != other else "")
