"""What bringing the projects of a fleet to a factory that is not released yet would do; nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from ai_factory.factory import Factory
from ai_factory.fleet import each
from ai_factory.fleet.each import Failure
from ai_factory.fleet.registry import Member
from ai_factory.fleet.releases import rendering
from ai_factory.fleet.system import System, located, opened
from ai_factory.fleet.updates.carry import Reach
from ai_factory.project.release import Request
from ai_factory.project.states import Seen
from ai_factory.project.sync import computed
from ai_factory.project.target import Choice, Recipe, recipe

OUTCOMES = {  # what would become of a project
    "touched": "files of it would change",
    "untouched": "none of its files would change",
    "other": "it comes from another factory",
    "failed": "nobody can tell",
}


class Foreseen(NamedTuple):
    """What would become of one project: one of OUTCOMES, the paths that change and those in conflict; else why."""

    key: str
    owner: str
    outcome: str
    changed: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    reason: str = ""


def foreseen(
    members: Sequence[Member],
    factory: Factory,
    urls: Collection[str],
    reach: Reach,
    told: Callable[[int], None] | None = None,
) -> list[Foreseen]:
    """What would become of each project if the factory, which is known by these addresses, were released as it is.

    Whoever calls this has rendered the factory before, in a child: here it is done in threads, which do not fork.
    """
    known = factory._replace(listed=True)
    recipes = lru_cache(maxsize=256)(lambda *wanted: recipe(known, Choice(*wanted)))
    found = each.over(members, partial(_of, urls=urls, recipes=recipes, reach=reach), told=told)
    return [
        Foreseen(one.key, one.owner, "failed", reason=made.message) if isinstance(made, Failure) else made
        for one, made in zip(members, found, strict=True)
    ]


def _of(member: Member, urls: Collection[str], recipes: Callable[..., Recipe], reach: Reach) -> Foreseen:
    access = reach(member.url)
    with opened(located(member, access), reach=access, whole=True) as system:
        return _in(system, urls, recipes)


def _in(system: System, urls: Collection[str], recipes: Callable[..., Recipe]) -> Foreseen:
    """The same merge as that of a sync, read off the project's commit."""
    member, project = system.member, system.project()
    told = Foreseen(member.key, member.owner, "other", reason=project.lock.factory.url)
    if project.lock.factory.url not in urls:
        return told
    wish = project.manifest()
    seen = Seen(project, system.files.status, system.files.ignored)
    sync, _ = computed(seen, recipes(wish.blueprint, wish.with_, wish.without), Request(), rendering)
    changed = tuple(one.path for one in sync.plan.changes if one.writes and one.action != "decline")
    conflicts = tuple(one.path for one in sync.plan.conflicts)
    return told._replace(outcome="touched" if changed else "untouched", changed=changed, conflicts=conflicts, reason="")
