"""Maps beside each other, and what a new one does to projects before any file of them moves."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from ai_factory import catalog
from ai_factory.errors import FactoryError, UsageError
from ai_factory.factory import Wanted, open_factory
from ai_factory.governance import facts as facts_of
from ai_factory.governance.changes import Change, Effect, differences, duty_effects, effects
from ai_factory.governance.reading import Map
from ai_factory.project.facts import judged, map_in, map_of, recorded
from ai_factory.project.opening import open_project
from ai_factory.tree import under
from ai_factory.workspace import Folder

MAPS = ("requirements.yaml", "overlay.yaml")  # a folder with one of them is a map, or an overlay on the embedded one


class Impact(NamedTuple):
    """What a new map does to one project: its tier, the controls and duties that stand otherwise; or why not known."""

    path: str
    tier: str = ""
    new_tier: str = ""
    controls: tuple[Effect, ...] = ()
    duties: tuple[Effect, ...] = ()
    unknown: str = ""


def map_at(address: str) -> Map:
    """The map of a factory (`embedded`, a folder, or an address, with `@VERSION`), or of a folder of its documents.

    Raises UsageError where there is none, AuthorError for one with mistakes.
    """
    if any(os.path.isfile(os.path.join(address, name)) for name in MAPS):
        disk = Folder(os.path.realpath(address))
        return map_in({path: file for path in disk.walk() if (file := disk.read(path))})
    found = re.fullmatch(r"(.+)@([^@/:]+)", address)
    place, version = (found[1], found[2]) if found and not os.path.isdir(address) else (address, "")
    tree = under(open_factory(place, Wanted(version)).tree, catalog.CONTROLS)
    if not any(name in tree for name in MAPS):
        raise UsageError(f"`{address}` has no map", f"a map is the folder `{catalog.CONTROLS}/` of a factory")
    return map_in(tree)


def diff(old: str, new: str) -> list[Change]:
    """Every row in which two maps differ. Raises as `map_at` does."""
    return differences(map_at(old), map_at(new))


def impact(new: str, paths: Sequence[str], as_of: str) -> list[Impact]:
    """What the new map does to each project, by its recorded facts; one that cannot be read stops no other."""
    known = map_at(new)
    return [_impact(known, path, as_of) for path in paths]


def _impact(new: Map, path: str, as_of: str) -> Impact:
    try:
        project = open_project(path)
        old, answers = map_of(project), recorded(project).facts
    except FactoryError as error:
        return Impact(path, unknown=error.message)
    missing = {*facts_of.problems(answers, old.facts), *facts_of.problems(answers, new.facts)}
    if missing:
        return Impact(path, unknown=f"these facts are not answered as both maps ask: {', '.join(sorted(missing))}")
    facts = facts_of.facts(answers)
    before, after = judged(old, facts, as_of).found, judged(new, facts, as_of).found
    controls, duties = tuple(effects(before, after)), tuple(duty_effects(before, after))
    return Impact(path, before.tier, after.tier, controls, duties)
