"""Where a factory that stands on another one writes a change: into files of its own, never into the copy below."""

from __future__ import annotations

from collections.abc import Mapping

from ai_factory import documents, layers
from ai_factory.catalog import BLUEPRINTS, COMPONENTS
from ai_factory.errors import AuthorError
from ai_factory.factory import Factory
from ai_factory.layers import CHANGELOG, DECLARATION, EXTEND, UPSTREAM
from ai_factory.tree import File, Tree
from ai_factory.workshop import changelog

KEYS = {COMPONENTS: "components", BLUEPRINTS: "blueprints"}


def written(factory: Factory, files: Mapping[str, File]) -> dict[str, File]:
    """What its repository has to hold so that projects see those files, given by their paths in the factory.

    A file from below becomes one of ours in its place, and its component is declared to be extended. Raises AuthorError
    where that does not come to those files.
    """
    tree, joined = factory.files(), factory.tree
    if layers.declaration(tree).below is None:
        return dict(files)
    made = {path: _own(tree, joined, path, file) for path, file in files.items()}
    made |= _declared(tree, made)
    seen = layers.compose({**tree, **made})
    for path, file in files.items():
        if not path.endswith(CHANGELOG) and seen.get(path) != file and not _says_the_same(seen.get(path), file, path):
            raise AuthorError(f"`{path}` cannot be written on top of the factory below", "edit it by hand")
    return made


def _own(tree: Tree, joined: Tree, path: str, file: File) -> File:
    """Our file behind one that projects see: the same, or what it adds to the one below."""
    mine, before = tree.get(path), joined.get(path)
    if before is None or mine == before:
        return file
    if path.endswith(f"/{CHANGELOG}") and path.startswith(f"{COMPONENTS}/"):
        return _noted(mine, before, file)
    if path.startswith(f"{BLUEPRINTS}/"):
        return _offered(mine, before, file)
    return file


def _noted(mine: File | None, before: File, file: File) -> File:
    """Our part of a changelog, with the bullets that are new in the whole."""
    content, known = mine.content if mine else b"# Changelog\n", before.content.splitlines()
    for line in file.content.splitlines():
        if line.startswith(b"- ") and line not in known:
            content = changelog.noted(content, line.decode(errors="replace")[2:])
    return File(content)


def _offered(mine: File | None, before: File, file: File) -> File:
    """Our part of a blueprint, with the components that the whole offers and did not before."""
    old, new = (
        documents.load(one.content, "")["optional"] if b"optional" in one.content else [] for one in (before, file)
    )
    more = [name for name in new if name not in old]
    own = (documents.load(mine.content, "") or {}) if mine else {}
    return File(documents.edit(mine.content if mine else b"", {("optional",): [*own.get("optional", []), *more]}))


def _declared(tree: Tree, made: Mapping[str, File]) -> dict[str, File]:
    """`factory.yaml` with a declaration of each part from below that now has a file of ours."""
    words = layers.declaration(tree).words
    parts = {layers.part_of(path) for path in made}
    unsaid = sorted(part for part in parts if part[0] in KEYS and part not in words and _is_below(tree, *part))
    places: dict[tuple[str, ...], str] = {(KEYS[kind], name): EXTEND for kind, name in unsaid}
    file = tree[DECLARATION]
    return {DECLARATION: file._replace(content=documents.edit(file.content, places))} if places else {}


def _is_below(tree: Tree, kind: str, name: str) -> bool:
    start = f"{UPSTREAM}/{kind}/{name}"
    return any(path == f"{start}.yaml" or path.startswith(f"{start}/") for path in tree)


def _says_the_same(seen: File | None, wanted: File, path: str) -> bool:
    """Whether two documents differ in how they are laid out at most."""
    if seen is None or not path.endswith((".yaml", ".yml")):
        return False
    return bool(documents.load(seen.content, path) == documents.load(wanted.content, path))
