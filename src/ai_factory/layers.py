"""A factory on top of another one: its own files over those below `upstream/`, joined into the tree that projects see.

`factory.yaml` declares what it changes of the one below: a component or blueprint is extended, replaced or removed.
The lower factory lies in the upper one as it was at one version, so that a release holds all that it is made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ai_factory import documents, formats, versions
from ai_factory.catalog import BLUEPRINTS, COMPONENTS, CONTROLS, RELEASE, nearest, validate
from ai_factory.contributions import LISTS, key_of
from ai_factory.documents import Load
from ai_factory.errors import AuthorError
from ai_factory.tree import File, Tree, tree_id, under

DECLARATION = "factory.yaml"
UPSTREAM = "upstream"
EXTEND, REPLACE, REMOVE = "extend", "replace", "remove"
KINDS = {COMPONENTS: "component", BLUEPRINTS: "blueprint", CONTROLS: "document"}  # folder: what it holds
MANIFEST, QUESTIONS, CHANGELOG, FILES = "component.yaml", "copier.yml", "CHANGELOG.md", "files/"
YAML_LIMIT = 1024 * 1024  # bytes of YAML that are joined: its parser reads that many in half a minute


class Below(NamedTuple):
    """The factory below, as `factory.yaml` records it; `tree` is the id of its files."""

    factory: str
    version: str
    tree: str


class Declaration(NamedTuple):
    """What a factory says of itself: what it stands on, and by folder and name what it changes of that."""

    below: Below | None
    words: Mapping[tuple[str, str], str]


def declaration(tree: Tree, load: Load = documents.load) -> Declaration:
    """What `factory.yaml` says; nothing where there is none. Raises AuthorError with file and line."""
    file = tree.get(DECLARATION)
    if file is None:
        return Declaration(None, {})
    data = load(file.content, DECLARATION, AuthorError) or {}
    validate(data, formats.FACTORY, file.content, DECLARATION, AuthorError)
    words = {(kind, name): word for kind in KINDS for name, word in data.get(_key(kind), {}).items()}
    below = Below(**data["upstream"]) if "upstream" in data else None
    return Declaration(below, words)


def compose(tree: Tree, load: Load = documents.load) -> Tree:
    """The files that projects see of a factory; those of one that stands on no other are as they lie.

    Raises AuthorError for a declaration that does not fit the files, and for an extension that does not fit what it
    extends.
    """
    declared = declaration(tree, load)
    if declared.below is None:
        _refuse_words(declared, tree)
        return tree
    _refuse_much(tree, declared)
    below = _without_removed(under(tree, UPSTREAM), declared, load)
    joined: dict[str, File] = {}
    for kind in KINDS:
        lower, upper = _units(kind, below), _units(kind, tree)
        _check(kind, declared, lower, upper, tree[DECLARATION])
        for name in sorted({*lower, *upper}):
            joined |= _unit(kind, declared.words.get((kind, name), ""), lower.get(name), upper.get(name), load)
    return joined


def _refuse_words(declared: Declaration, tree: Tree) -> None:
    for (kind, name), word in declared.words.items():
        line = documents.line_of(tree[DECLARATION].content, (_key(kind), name))
        raise AuthorError(f"`{DECLARATION}` line {line}: there is no factory below to {word} `{name}` of")


def _key(kind: str) -> str:
    """What `factory.yaml` calls the parts of a folder."""
    return "controls" if kind == CONTROLS else f"{KINDS[kind]}s"


def _without_removed(below: Tree, declared: Declaration, load: Load) -> Tree:
    """The lower factory, its blueprints without the components that are removed."""
    gone = {name for (kind, name), word in declared.words.items() if (kind, word) == (COMPONENTS, REMOVE)}
    changed: dict[str, File] = {}
    for path, file in below.items() if gone else ():
        if path.startswith(f"{BLUEPRINTS}/") and path.endswith(".yaml"):
            data = _read(file, f"{UPSTREAM}/{path}", formats.BLUEPRINT, load)
            lists = {key: data.get(key, ()) for key in ("components", "optional")}
            kept = {key: [name for name in names if name not in gone] for key, names in lists.items()}
            had = [name for names in lists.values() for name in names if name in gone]
            retired = {**data.get("retired", {}), **dict.fromkeys(had, f"removed in `{DECLARATION}`")}
            changed[path] = _changed(file, data, {**kept, "retired": retired})
    return {**below, **changed}


def _units(kind: str, tree: Tree) -> dict[str, Tree]:
    """The parts of one folder of a factory by name, each as files by path: a folder each of components, else a file."""
    units: dict[str, dict[str, File]] = {}
    for path, file in tree.items():
        folder, _, rest = path.partition("/")
        if folder == kind and rest:
            units.setdefault(_name(kind, rest), {})[path] = file
    return dict(units)


def _name(kind: str, rest: str) -> str:
    first = rest.partition("/")[0]
    return first.removesuffix(".yaml") if kind == BLUEPRINTS else first


def _refuse_much(tree: Tree, declared: Declaration) -> None:
    """Reading YAML takes long: what strangers wrote of it is limited as a whole."""
    joined = {name for (_, name), word in declared.words.items() if word == EXTEND}
    total = sum(
        len(file.content)
        for path, file in tree.items()
        if path.endswith((".yaml", ".yml")) and joined & {part.removesuffix(".yaml") for part in path.split("/")[:3]}
        if f"/{FILES}" not in path
    )
    if total > YAML_LIMIT:
        raise AuthorError(f"the extended parts hold {total} bytes of YAML; {YAML_LIMIT} are the most")


# ---- does the declaration fit the files -------------------------------------------------------------


def _check(kind: str, declared: Declaration, lower: Mapping[str, Tree], upper: Mapping[str, Tree], file: File) -> None:
    what, key = KINDS[kind], _key(kind)
    for name, word in ((name, word) for (folder, name), word in declared.words.items() if folder == kind):
        where = f"`{DECLARATION}` line {documents.line_of(file.content, (key, name))}"
        if name not in lower:
            raise AuthorError(f"{where}: there is no {what} `{name}` to {word}{nearest(name, sorted(lower))}")
        if word == REMOVE and name in upper:
            raise AuthorError(f"{where}: `{name}` is removed, and `{min(upper[name])}` is there")
        if word != REMOVE and name not in upper:
            folder = f"{kind}/{name}" + (".yaml" if kind == BLUEPRINTS else "")
            raise AuthorError(
                f"{where}: nothing is there to {word} `{name}`", f"write `{folder}`, or take the line out"
            )
    for name in sorted(lower.keys() & upper.keys()):
        if (kind, name) not in declared.words:
            raise AuthorError(
                f"`{min(upper[name])}`: the factory below has a {what} `{name}` too, and nothing says which counts",
                f"declare it in `{DECLARATION}`: `{key}: {{ {name}: {REPLACE if kind == CONTROLS else EXTEND} }}`",
            )


# ---- one part of both ---------------------------------------------------------------------------


def _unit(kind: str, word: str, lower: Tree | None, upper: Tree | None, load: Load) -> Tree:
    if word == REMOVE:
        return {}
    if word == EXTEND and lower and upper:
        return (_blueprint if kind == BLUEPRINTS else _component)(lower, upper, load)
    return upper or lower or {}


def _blueprint(lower: Tree, upper: Tree, load: Load) -> Tree:
    (path, below), (_, above) = *lower.items(), *upper.items()
    known = _read(below, f"{UPSTREAM}/{path}", formats.BLUEPRINT, load)
    added = _read(above, path, formats.BLUEPRINT_EXTENSION, load)
    dropped = added.get("without", ())
    _without(dict.fromkeys([*known["components"], *known.get("optional", ())]), dropped, path, above, ("without",))
    changes: dict[str, Any] = {key: added.get(key, known.get(key)) for key in ("summary", "test")}
    for key in ("components", "optional"):
        kept = [name for name in known.get(key, ()) if name not in dropped]
        taken = added.get("components", ()) if key == "optional" else ()  # what was optional, and is taken now
        changes[key] = [name for name in _appended(kept, added.get(key, ())) if name not in taken]
    changes |= {key: {**known.get(key, {}), **added.get(key, {})} for key in ("answers", "facts", "retired")}
    changes["replaces"] = _appended(known.get("replaces", ()), added.get("replaces", ()))
    return {path: _changed(below, known, changes)}


def _component(lower: Tree, upper: Tree, load: Load) -> Tree:
    """The files of both, the upper ones over the lower ones; of the component's own documents what both say."""
    folder = "/".join(min(lower).split("/")[:2])
    places = [f"{folder}/{name}" for name in (MANIFEST, QUESTIONS, CHANGELOG)]
    manifest, asked, changelog = (_Pair(place, lower.get(place), upper.get(place)) for place in places)
    added = _read(manifest.above, manifest.path, formats.EXTENSION, load)
    joined = {
        **_without_files(lower, folder, manifest, added),
        **upper,
        manifest.path: _manifest(manifest, added, load),
        changelog.path: _changelog(changelog),
        asked.path: _questions(asked, manifest, added, load),
    }
    return {path: file for path, file in joined.items() if file}


class _Pair(NamedTuple):
    """One document of a component, as the factory below has it, and as the upper one does."""

    path: str
    below: File | None
    above: File | None


def _without_files(lower: Tree, folder: str, manifest: _Pair, added: Mapping[str, Any]) -> Tree:
    start = f"{folder}/{FILES}"
    paths = {path.removeprefix(start): path for path in lower if path.startswith(start)}
    dropped = added.get("without", {}).get("files", ())
    kept = _without(paths, dropped, manifest.path, manifest.above, ("without", "files"))
    return {path: file for path, file in lower.items() if path not in paths.values() or path in kept.values()}


def _manifest(pair: _Pair, added: Mapping[str, Any], load: Load) -> File | None:
    if pair.below is None:
        return pair.above
    known = _read(pair.below, f"{UPSTREAM}/{pair.path}", formats.COMPONENT, load)
    changes: dict[str, Any] = {"summary": added.get("summary", known["summary"])}
    changes |= {key: _appended(known.get(key, ()), added.get(key, ())) for key in ("requires", "produces", "changes")}
    rules, ours = known.get("ownership", {}), added.get("ownership", {})
    # the last match wins, so a rule of ours comes last, also one that was there
    changes["ownership"] = {**{glob: word for glob, word in rules.items() if glob not in ours}, **ours}
    dropped = added.get("without", {}).get("evidences", ())
    evidences = _without(known.get("evidences", {}), dropped, pair.path, pair.above, ("without", "evidences"))
    more = added.get("evidences", {})
    changes["evidences"] = {**evidences, **{name: _appended(evidences.get(name, ()), more[name]) for name in more}}
    changes["contributes"] = dict(_contributions(pair, known, added))
    return _changed(pair.below, known, changes)


def _contributions(pair: _Pair, known: Mapping[str, Any], added: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """By kind, what both contribute: an entry of the upper one stands in place of the lower one's of that key."""
    ours, theirs = added.get("contributes", {}), known.get("contributes", {})
    dropped = added.get("without", {}).get("contributes", {})
    for kind in dict.fromkeys([*theirs, *ours, *dropped]):
        where = f"{pair.path}: contributes.{kind}"
        below, above = _keyed(kind, theirs.get(kind), where), _keyed(kind, ours.get(kind), where)
        kept = _without(below, dropped.get(kind, ()), pair.path, pair.above, ("without", "contributes", kind))
        if joined := {**kept, **above}:
            yield kind, list(joined.values()) if kind in LISTS else joined


def _keyed(kind: str, values: Any, where: str) -> dict[str, Any]:
    if isinstance(values, Mapping):
        return dict(values)
    return {key_of(kind, value, where).removesuffix(";"): value for value in values or ()}


def _questions(pair: _Pair, manifest: _Pair, added: Mapping[str, Any], load: Load) -> File | None:
    """What both ask; it is checked against its format where the component is read."""
    if pair.below is None:
        return pair.above
    known = load(pair.below.content, f"{UPSTREAM}/{pair.path}", AuthorError) or {}
    more = (load(pair.above.content, pair.path, AuthorError) or {}) if pair.above else {}
    for data, where in ((known, f"{UPSTREAM}/{pair.path}"), (more, pair.path)):
        if not isinstance(data, dict):
            raise AuthorError(f"`{where}` line 1: questions are a mapping of key to question")
    dropped = added.get("without", {}).get("questions", ())
    _without(known, dropped, manifest.path, manifest.above, ("without", "questions"))
    changes = {key: _question(known.get(key), value) for key, value in more.items() if not str(key).startswith("_")}
    return _changed(pair.below, known, {**changes, **dict.fromkeys(dropped)})


def _question(known: Any, ours: Any) -> Any:
    """A question of both: what ours says of it, over what it was; a value alone is another default."""
    if not isinstance(known, dict):
        return ours
    return {**known, **(ours if isinstance(ours, dict) else {"default": ours})}


def _changelog(pair: _Pair) -> File | None:
    """The releases of both, the newest first: an extension's own are post-releases of those that it extends."""
    if pair.below is None or pair.above is None:
        return pair.above or pair.below
    head, ours = _releases(pair.above.content.decode(errors="replace"))
    for name in ours:
        if ".post" not in name:
            raise AuthorError(
                f"`{pair.path}`: {name} is a version of the component below",
                f"number an extension as a post-release of what it extends, such as `{name}.post1`",
            )
    joined = {**_releases(pair.below.content.decode(errors="replace"))[1], **ours}
    rank = dict(zip(joined, versions.ranks(list(joined)), strict=True))
    newest_first = sorted(joined, key=lambda name: rank[name], reverse=True)
    return File("".join([head, *(joined[name] for name in newest_first)]).encode())


def _releases(text: str) -> tuple[str, dict[str, str]]:
    """What stands before the first release in a changelog, and by version the text of each, ended by an empty line."""
    found = list(RELEASE.finditer(text))
    ends = [*(one.start() for one in found), len(text)][1:]
    head = text[: found[0].start()] if found else text
    return head, {one[1]: text[one.start() : end].rstrip("\n") + "\n\n" for one, end in zip(found, ends, strict=True)}


def _read(file: File | None, where: str, schema: formats.Schema, load: Load) -> dict[str, Any]:
    if file is None:
        return {}
    data = load(file.content, where, AuthorError) or {}
    validate(data, schema, file.content, where, AuthorError)
    return dict(data)


def _appended(before: Iterable[Any], more: Iterable[Any]) -> list[Any]:
    before = list(before)
    return [*before, *(item for item in more if item not in before)]


def _without(
    known: Mapping[str, Any], dropped: Iterable[str], path: str, file: File | None, place: documents.Place
) -> dict[str, Any]:
    """What is known, less what the document at `path` drops there. Raises AuthorError for what is not below."""
    gone = frozenset(dropped)
    for name in sorted(gone - known.keys()):
        line = documents.line_of(file.content, place) if file else 0
        raise AuthorError(f"`{path}` line {line}: there is no `{name}` below{nearest(name, sorted(known))}")
    return {name: value for name, value in known.items() if name not in gone}


def _changed(file: File, known: Mapping[str, Any], values: Mapping[str, Any]) -> File:
    """The document with those values, as people laid out the rest; an empty list or mapping is not written."""
    filled = {key: None if value in ([], {}) else value for key, value in values.items()}
    changes: dict[tuple[str, ...], Any] = {(key,): value for key, value in filled.items() if known.get(key) != value}
    return file._replace(content=documents.edit(file.content, changes)) if changes else file


def part_of(path: str) -> tuple[str, str]:
    """The folder and the name by which a declaration would speak of the part that the path belongs to."""
    kind, _, rest = path.partition("/")
    return kind, _name(kind, rest)


def is_edited(tree: Tree, below: Below) -> bool:
    """Whether the copy of the factory below is not what was taken in."""
    return tree_id(under(tree, UPSTREAM)) != below.tree


# ---- where a thing lies -------------------------------------------------------------------------------


def place_of(tree: Tree, path: str) -> str:
    """Where the factory's own repository holds what projects know by that path: its own file, else the lower one."""
    lower = f"{UPSTREAM}/{path}"
    return lower if path not in tree and lower in tree else path


def line_in(tree: Tree, path: str, line: int, composed: Tree) -> tuple[str, int]:
    """The file and line of the repository behind a line of a joined file, as near as it can be told; 0 for unknown."""
    place = place_of(tree, path)
    if not line or place not in tree or composed.get(path) == tree[place]:
        return place, line
    key = documents.place_at(composed[path].content, line)
    for candidate in (path, f"{UPSTREAM}/{path}"):
        if candidate in tree and documents.holds(tree[candidate].content, key):
            return candidate, documents.line_of(tree[candidate].content, key)
    return place, 0
