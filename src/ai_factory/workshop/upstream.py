"""The next version of the factory below: taken in whole, and merged into our files that stand in place of its."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from ai_factory import cache, catalog, documents, evolve, git, journal, layers, markers
from ai_factory.errors import FactoryError, UsageError
from ai_factory.factory import Factory, goes_back
from ai_factory.layers import DECLARATION, EXTEND, REPLACE, UPSTREAM, Below, part_of
from ai_factory.lock import Origin
from ai_factory.render import SUFFIX
from ai_factory.tree import File, Tree, tree_id, under
from ai_factory.workshop.founding import vendored
from ai_factory.workshop.opening import below
from ai_factory.workspace import Folder


class Moved(NamedTuple):
    """A component of the factory below, its version before and after; empty where it is not there."""

    name: str
    before: str
    after: str


class Update(NamedTuple):
    """What a newer version of the factory below changes in ours.

    `files` says what will lie at each path that changes (None: nothing); `followed` is where those of ours go that
    stand in place of a file that moves below, `left` are those that stand in place of none any more; `conflicts` hold
    markers then; `replaced` names what ours replaces whole although it changed below; `misfit` says what does not fit
    any more, in one sentence.
    """

    before: Below
    after: Below
    files: Mapping[str, File | None]
    moved: tuple[Moved, ...] = ()
    merged: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    misfit: str = ""
    followed: Mapping[str, str] = {}
    left: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether a person has to decide something before it can be released."""
        return bool(self.conflicts or self.misfit or self.left)


def update(factory: Factory, reference: str = "") -> Update:
    """What is to be written to stand on the named version of the factory below, or on its newest one.

    Raises UsageError for a factory that stands on no other, whose copy was edited, or that would go back unasked.
    """
    tree = factory.files()
    declared = layers.declaration(tree)
    before = declared.below
    if before is None:
        raise UsageError(
            f"the factory `{factory.origin.url}` stands on no other one", "`ai-factory factory new` makes one"
        )
    if layers.is_edited(tree, before):
        raise UsageError(
            f"`{UPSTREAM}/` was edited: it is not {before.factory} {before.version} any more",
            f"`git log -- {UPSTREAM}` shows how; move the change into a file of yours, and put the folder back",
        )
    newer = _newer(before, reference)
    upper = vendored(newer)
    after = Below(newer.origin.url, newer.origin.version, tree_id(upper))
    if after == before:
        return Update(before, after, {})
    return _made(tree, declared.words, before, after, upper)


def _newer(before: Below, reference: str) -> Factory:
    newer = below(before.factory, reference)
    known = Origin(newer.origin.kind, before.factory, before.version, "", "")
    if not reference and goes_back(known, newer.origin):
        raise UsageError(
            f"{before.factory} is {newer.origin.version} here, older than {before.version}",
            f"install a newer version of the tool, or name it: `--to {newer.origin.version}`",
        )
    return newer


def _made(tree: Tree, words: Mapping[tuple[str, str], str], before: Below, after: Below, upper: Tree) -> Update:
    lower = under(tree, UPSTREAM)
    files: dict[str, File | None] = {f"{UPSTREAM}/{path}": None for path in lower.keys() - upper.keys()}
    files |= {f"{UPSTREAM}/{path}": file for path, file in upper.items() if lower.get(path) != file}
    place: dict[tuple[str, ...], str] = {("upstream", key): value for key, value in after._asdict().items()}
    files[DECLARATION] = tree[DECLARATION]._replace(content=documents.edit(tree[DECLARATION].content, place))
    followers = _followers(tree, lower, upper, words, before.version)
    merged, conflicts = _merged(tree, lower, upper, followers, (before, after))
    followed = {path: place for path, place in followers.items() if place not in ("", path)}
    files |= {**merged, **dict.fromkeys(followed)}
    result = {path: file for path, file in {**tree, **files}.items() if file is not None}
    return Update(
        before,
        after,
        dict(sorted(files.items())),
        _moved(lower, upper, before, after),
        tuple(sorted(merged.keys() - conflicts)),
        tuple(sorted(conflicts)),
        _replaced(words, lower, upper),
        _misfit(result),
        followed,
        tuple(sorted(path for path, place in followers.items() if not place)),
    )


def _followers(
    tree: Tree, lower: Tree, upper: Tree, words: Mapping[tuple[str, str], str], version: str
) -> dict[str, str]:
    """Where each of our files goes that stands in place of one below: with it, by declaration; empty for nowhere."""
    ours = [
        path
        for path in sorted(tree.keys() & lower.keys())
        if words.get(part_of(path)) == EXTEND and path.split("/")[2:3] == [catalog.FILES]
    ]
    renames = {name: _renames(lower, upper, name, version) for name in {path.split("/")[1] for path in ours}}
    places = {path: path if path in upper else _renamed(path, renames[path.split("/")[1]], upper) for path in ours}
    return {path: place if place == path or place not in tree else "" for path, place in places.items()}


def _renames(lower: Tree, upper: Tree, name: str, version: str) -> list[Mapping[str, str]]:
    """What a component below has renamed since, oldest first; nothing where it is gone."""
    if f"{catalog.COMPONENTS}/{name}/{layers.MANIFEST}" not in upper:
        return []
    now = catalog.component(name, partial(under, upper), version, cache.document)
    before = catalog.version_of(under(lower, now.folder), version)
    return [one.change.rename for one in evolve.pending([now], {name: before})]


def _renamed(path: str, renames: Sequence[Mapping[str, str]], upper: Tree) -> str:
    """Where the file of that path lies now, whether it is a template or not; empty where it is not known."""
    start = "/".join(path.split("/")[:3])
    name = path.removeprefix(f"{start}/").removesuffix(SUFFIX)
    for table in renames:
        name = table.get(name, name)
    return next((place for place in (f"{start}/{name}", f"{start}/{name}{SUFFIX}") if place in upper), "")


def _merged(
    tree: Tree, lower: Tree, upper: Tree, followers: Mapping[str, str], sides: tuple[Below, Below]
) -> tuple[dict[str, File], frozenset[str]]:
    """Our files that stand in place of one below, merged with what changed there; and those in conflict."""
    ours = {
        place: tree[path]
        for path, place in followers.items()
        if place and (place != path or tree[path] != upper[place] != lower[path])
    }
    if not ours:
        return {}, frozenset()
    base = {place: lower[path] for path, place in followers.items() if place in ours}
    names = git.Names(markers.AUTHORS, f"{sides[1].factory}-{sides[1].version}")
    found = git.merge_trees(base, ours, {place: upper[place] for place in ours}, names)
    made = {place: file for place, file in found.files.items() if isinstance(file, File) and file != tree.get(place)}
    return made, frozenset(found.conflicts)


def _moved(lower: Tree, upper: Tree, before: Below, after: Below) -> tuple[Moved, ...]:
    """The components below whose version, or presence, is another one."""
    old, new = _versions(lower, before.version), _versions(upper, after.version)
    names = sorted({*old, *new})
    return tuple(Moved(name, old.get(name, ""), new.get(name, "")) for name in names if old.get(name) != new.get(name))


def _versions(tree: Tree, version: str) -> dict[str, str]:
    names = {path.split("/")[1] for path in tree if path.startswith(f"{catalog.COMPONENTS}/") and path.count("/") > 1}
    return {name: catalog.version_of(under(tree, f"{catalog.COMPONENTS}/{name}"), version) for name in names}


def _replaced(words: Mapping[tuple[str, str], str], lower: Tree, upper: Tree) -> tuple[str, ...]:
    changed = {part_of(path) for path in {*lower, *upper} if lower.get(path) != upper.get(path)}
    return tuple(
        sorted(f"{kind}/{name}" for (kind, name), word in words.items() if word == REPLACE if (kind, name) in changed)
    )


def _misfit(tree: Tree) -> str:
    try:
        joined = layers.compose(tree, cache.document)
        names = catalog.blueprint_names(under(tree, catalog.BLUEPRINTS))
        return next((told for name in names if (told := _unfit(name, tree, joined))), "")
    except FactoryError as error:
        return error.message


def _unfit(name: str, tree: Tree, joined: Tree) -> str:
    """What a blueprint of ours answers that nobody asks any more. Raises FactoryError for a part that is not there."""
    read = partial(under, joined)
    found = catalog.blueprint(name, read, cache.document)
    parts = [catalog.component(one, read, "", cache.document) for one in (*found.components, *found.optional)]
    asked = {question.key for part in parts for question in part.questions}
    path = f"{catalog.BLUEPRINTS}/{name}.yaml"
    for key in found.answers:
        place = ("answers", key)
        if key not in asked and documents.holds(tree[path].content, place):
            return f"`{path}` line {documents.line_of(tree[path].content, place)}: no component asks `{key}`"
    return ""


def write(folder: str, made: Update) -> None:
    """Write what the update changes; on failure all is as before, and what is cut off can be finished or undone."""
    before = Folder(folder).read_all(made.files)
    # a path that goes makes room for one that comes; what names the version comes last
    order = sorted(made.files.items(), key=lambda item: (item[0] == DECLARATION, item[1] is not None))
    steps = [journal.Step(path, before.get(path), file) for path, file in order]
    place = journal.journal_of(folder)
    with journal.exclusive(place):
        journal.require_finished(place)
        journal.carry_out(place, journal.UPDATE, "", steps, replaced={})
