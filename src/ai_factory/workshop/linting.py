"""Every mistake in a factory that can be told without a project, read off its tree; a stranger's in a child.

Each component is looked at by itself, then each blueprint is rendered: with its presets and defaults, without and with
what is optional, and once with every other choice of each question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial

from ai_factory import cache, catalog, documents, layers, markers, versions
from ai_factory.catalog import Blueprint, Component
from ai_factory.errors import FactoryError
from ai_factory.factory import Factory
from ai_factory.project.facts import map_in
from ai_factory.project.maps import held
from ai_factory.project.target import guarded
from ai_factory.tree import Tree, under
from ai_factory.workshop import declaring, parts, since, trying
from ai_factory.workshop.offered import State
from ai_factory.workshop.rules import Flaw, located

# what is to be written into a file of ours, also where that is not there yet
UNSAID = ("FL015", "FL021", "FL022", "FL024", "FL028")

MISNAMED = {"component.yml": parts.MANIFEST, "copier.yaml": parts.QUESTIONS}


def lint(factory: Factory, before: Factory | None = None) -> list[Flaw]:
    """What is wrong in the factory, by path and line; `before` is its last release, None where there is none."""
    marked = list(_marked(factory.files()))
    paths = {flaw.path for flaw in marked}
    return sorted([*marked, *(flaw for flaw in _whole(factory, before) if flaw.path not in paths)], key=_order)


def _marked(tree: Tree) -> Iterator[Flaw]:
    """What a merge has left in files of ours, whatever else they are: nothing that is read there is meant."""
    for path, file in tree.items():
        if not path.startswith(f"{layers.UPSTREAM}/") and markers.is_marked(file.content):
            yield Flaw("FL023", path, markers.first_marked_line(file.content), "a conflict is not resolved")


def _whole(factory: Factory, before: Factory | None) -> Collection[Flaw]:
    try:
        known = factory.tree
    except FactoryError as error:
        return located("FL019", error, layers.DECLARATION)
    return {*_placed(factory, known, _found(factory, before)), *_edited(factory)}


def _order(flaw: Flaw) -> tuple[str, int, str, str]:
    return flaw.path, flaw.line, flaw.rule, flaw.message


def _found(factory: Factory, before: Factory | None) -> list[Flaw]:
    now, flaws = _read(factory)
    flaws += guarded(factory, partial(_tried, now, now.blueprints))
    if not any(flaw.path.startswith(f"{catalog.BLUEPRINTS}/") for flaw in flaws if flaw.rule == "FL001"):
        flaws += _lonely(now.components, now.blueprints)
    flaws += [flaw for one in now.components.values() for flaw in _falling(one)]
    flaws += _unkept(now)
    flaws += _astray(factory, now.components)
    there = declaring.known(now.components)
    flaws += [flaw for one in now.components.values() for flaw in declaring.flaws(one, there)]
    if before:
        flaws += since.flaws(state(before), now)
    return flaws


def state(factory: Factory) -> State:
    """The parts of a factory that can be read."""
    return _read(factory)[0]


def _read(factory: Factory) -> tuple[State, list[Flaw]]:
    """The parts of a factory, and what is wrong with those that cannot be read."""
    components, flaws = _components(factory)
    blueprints, more = _blueprints(factory)
    return State(factory, components, blueprints), [*flaws, *more, *_unread(factory)]


def _unread(factory: Factory) -> Iterator[Flaw]:
    """Files and folders that look like parts of a factory, and are none by their names."""
    there = factory.read(catalog.COMPONENTS)
    for name in sorted({path.split("/")[0] for path in there if "/" in path} - {*factory.components()}):
        yield Flaw("FL001", f"{catalog.COMPONENTS}/{name}/{parts.MANIFEST}", 0, "it is not there")
    for path in there:
        if path.count("/") == 1 and path.split("/")[1] in MISNAMED:
            name = MISNAMED[path.split("/")[1]]
            yield Flaw("FL001", f"{catalog.COMPONENTS}/{path}", 0, f"nobody reads it: the file is called `{name}`")
    for path in factory.read(catalog.BLUEPRINTS):
        if path.endswith(".yml"):
            yield Flaw("FL001", f"{catalog.BLUEPRINTS}/{path}", 0, "nobody reads it: a blueprint ends in `.yaml`")


def _placed(factory: Factory, joined: Tree, flaws: Iterable[Flaw]) -> Iterator[Flaw]:
    """The flaws, each where an author finds the line: in a file of the factory, or in one of that below it."""
    tree = factory.files()
    for flaw in flaws:
        if flaw.rule in UNSAID:
            yield flaw._replace(line=flaw.line if tree.get(flaw.path) == joined.get(flaw.path) else 0)
        else:
            path, line = layers.line_in(tree, flaw.path, flaw.line, joined)
            yield flaw._replace(path=path, line=line)


def _edited(factory: Factory) -> Iterator[Flaw]:
    below = layers.declaration(factory.files()).below
    if below is None and under(factory.files(), layers.UPSTREAM):
        message = f"`{layers.UPSTREAM}/` is there, and no `upstream` says which factory it is"
        yield Flaw("FL019", layers.DECLARATION, 0, message)
    if below and layers.is_edited(factory.files(), below):
        message = f"its files are not those of {below.factory} {below.version}"
        yield Flaw("FL020", layers.UPSTREAM, 0, message)


def _tried(now: State, blueprints: Mapping[str, Blueprint]) -> list[Flaw]:
    """What is told from the templates, which are a stranger's until somebody has looked at them."""
    known = parts.Parts(now.components, now.unsound)
    alone = [flaw for component in now.components.values() for flaw in parts.flaws_of(component, known)]
    done = [trying.tried(one, known) for one in blueprints.values()]
    together = [flaw for one in done for flaw in one.flaws]
    return [*alone, *together, *trying.without_evidence(done, now.components)]


def offering(factory: Factory, names: Collection[str]) -> tuple[list[str], Counter[Flaw]]:
    """The blueprints that offer one of those components, and what is wrong in their renderings, wherever it stands."""
    known, flaws = _read(factory)
    offers = ((name, {*one.components, *one.optional}) for name, one in known.blueprints.items())
    chosen = {name: known.blueprints[name] for name, parts in offers if parts.intersection(names)}
    flaws += guarded(factory, partial(_tried, known, chosen))
    return sorted(chosen), Counter(flaw._replace(line=0) for flaw in {*flaws} if flaw.rule != "FL010")


def _components(factory: Factory) -> tuple[dict[str, Component], list[Flaw]]:
    found: dict[str, Component] = {}
    flaws: list[Flaw] = []
    for name in factory.components():
        try:
            found[name] = catalog.component(name, factory.read, factory.origin.version, cache.document)
        except FactoryError as error:
            flaws += located("FL001", error, f"{catalog.COMPONENTS}/{name}/component.yaml")
    return found, flaws


def _blueprints(factory: Factory) -> tuple[dict[str, Blueprint], list[Flaw]]:
    found: dict[str, Blueprint] = {}
    flaws: list[Flaw] = []
    for name in factory.blueprints():
        try:
            found[name] = catalog.blueprint(name, factory.read, cache.document)
        except FactoryError as error:
            flaws += located("FL001", error, f"{catalog.BLUEPRINTS}/{name}.yaml")
    return found, flaws


def _falling(component: Component) -> Iterator[Flaw]:
    """A changelog's first version that is older than one below it."""
    file = component.tree.get(layers.CHANGELOG)
    text = file.content.decode(errors="replace") if file else ""
    found = list(catalog.RELEASE.finditer(text))
    ranks = versions.ranks([one[1] for one in found])
    if found and max(ranks) > ranks[0]:
        newest = found[ranks.index(max(ranks))][1]
        line = text.count("\n", 0, found[0].start()) + 1
        where = f"{component.folder}/{layers.CHANGELOG}"
        yield Flaw("FL028", where, line, f"{found[0][1]} stands above {newest}, which is newer")


def _unkept(now: State) -> Iterator[Flaw]:
    """What `map lint` says of the documents in `controls/`: of those of the factory below, only what leads astray."""
    controls, ours = now.factory.read(catalog.CONTROLS), now.factory.files()
    if not controls:
        return
    try:
        found, told = held(controls, None if now.unsound else list(now.components.values()))
    except FactoryError as error:
        yield from located("FL027", error, catalog.CONTROLS)
        return
    for flaw in told:
        if found.mistakes or flaw.file in ours:
            yield Flaw("FL027", flaw.file, flaw.line, flaw.message)


def _astray(factory: Factory, components: Mapping[str, Component]) -> Iterator[Flaw]:
    """Controls that the factory's map does not know; of a map that cannot be read that alone is told."""
    try:
        known = map_in(factory.read(catalog.CONTROLS)).regulation.controls
    except FactoryError:
        return
    for component in components.values():
        named: list[tuple[documents.Place, str]] = [
            (("evidences", control), control) for control in component.evidences
        ]
        for number, row in enumerate(component.changes):
            named += [(("changes", number, "weakens", at), control) for at, control in enumerate(row.weakens)]
        for place, control in named:
            if control not in known:
                line = documents.line_of(component.tree[parts.MANIFEST].content, place)
                yield Flaw("FL018", f"{component.folder}/{parts.MANIFEST}", line, f"there is no control `{control}`")


def _lonely(components: Mapping[str, Component], blueprints: Mapping[str, Blueprint]) -> Iterator[Flaw]:
    used = {name for one in blueprints.values() for name in (*one.components, *one.optional)}
    for name, component in components.items():
        if name not in used:
            yield Flaw("FL017", f"{component.folder}/component.yaml", 1, f"no blueprint has the component `{name}`")
