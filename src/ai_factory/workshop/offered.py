"""What blueprints offered to their projects in the last release, and do not any more, without saying so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ai_factory import catalog, documents
from ai_factory.catalog import Blueprint, Component
from ai_factory.factory import Factory
from ai_factory.workshop.rules import Flaw

Told = Mapping[str, frozenset[str]]  # for each component, the controls that it says are weaker since the last release


class State(NamedTuple):
    """The parts of a factory at one time, as far as they can be read."""

    factory: Factory
    components: Mapping[str, Component]
    blueprints: Mapping[str, Blueprint]

    @property
    def unsound(self) -> frozenset[str]:
        """The components that are there, and cannot be read."""
        return frozenset(self.factory.components()) - self.components.keys()

    def successor(self, name: str) -> Blueprint | None:
        """The blueprint by which projects of that name are synced."""
        found = self.blueprints.get(name)
        return found or next((one for one in self.blueprints.values() if name in one.replaces), None)


def flaws(before: State, now: State, told: Told) -> Iterator[Flaw]:
    """Blueprints that are gone, and what the others have no more: components, and evidence for a control."""
    release = before.factory.origin.version
    present = now.factory.blueprints()
    for name, was in before.blueprints.items():
        heir = now.successor(name)
        if heir:
            yield from _fewer(was, heir, now, release)
            yield from _weaker(was, heir, before, now, told)
        elif name not in present:  # what cannot be read is told already
            message = f"the blueprint `{name}` of {release} is gone, and none replaces it for its projects"
            yield Flaw("FL024", f"{catalog.BLUEPRINTS}/{name}.yaml", 0, message)


def _fewer(was: Blueprint, heir: Blueprint, now: State, release: str) -> Iterator[Flaw]:
    """Components that its projects have, or may have taken, and lose."""
    lost = [name for name in was.components if name not in heir.components]
    lost += [name for name in was.optional if name not in (*heir.optional, *heir.components)]
    for name in lost:
        if name not in heir.retired:
            message = f"`{was.name}` has no component `{name}` any more, as in {release}, and does not say why"
            yield _flaw("FL024", heir, now, message)


def _weaker(was: Blueprint, heir: Blueprint, before: State, now: State, told: Told) -> Iterator[Flaw]:
    """Controls for which the components that went were evidence, and no other one is."""
    kept = [now.components[name] for name in heir.components if name in now.components]
    named = {control for one in kept for control in one.evidences}
    said = frozenset[str]().union(*(told.get(one.name, ()) for one in kept))
    for name in was.components:
        part = before.components.get(name)
        for control in sorted(part.evidences) if part and name not in heir.components else ():
            if control not in named | said:
                message = f"{control} has no evidence in `{heir.name}` without `{name}`, and no change declares it"
                yield _flaw("FL021", heir, now, message)


def _flaw(rule: str, heir: Blueprint, now: State, message: str) -> Flaw:
    path = f"{catalog.BLUEPRINTS}/{heir.name}.yaml"
    return Flaw(rule, path, documents.line_of(now.factory.tree[path].content, ("components",)), message)


def changes(before: State, now: State) -> Iterator[str]:
    """A sentence for the release notes on each blueprint that came, went, or has other components or presets."""
    for name in sorted({*before.blueprints, *now.blueprints}):
        was, heir = before.blueprints.get(name), now.blueprints.get(name)
        if was is None:
            yield f"`{name}` is new"
        elif heir is None:
            other = now.successor(name)
            yield f"`{name}` is replaced by `{other.name}`" if other else f"`{name}` is gone"
        elif parts := list(_parts(was, heir)):
            yield f"`{name}`: {'; '.join(parts)}"


def _parts(was: Blueprint, heir: Blueprint) -> Iterator[str]:
    for name in heir.components:
        if name not in was.components:
            yield f"with `{name}`"
    for name in heir.optional:
        if name not in (*was.optional, *was.components):
            yield f"`{name}` can be taken"
    for name in (*was.components, *was.optional):
        if name not in (*heir.components, *heir.optional):
            yield f"without `{name}`" + (f" ({heir.retired[name]})" if name in heir.retired else "")
        elif name in was.components and name not in heir.components:
            yield f"`{name}` is optional" + (f" ({heir.retired[name]})" if name in heir.retired else "")
    changed = [key for key in {**was.answers, **heir.answers} if was.answers.get(key) != heir.answers.get(key)]
    if changed:
        yield f"other presets for {', '.join(f'`{key}`' for key in sorted(changed))}"
