"""Blueprint and answers to a tree, with the owner of each path: pure, no code of the template runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ai_factory import contributions, markers
from ai_factory.catalog import COMPONENTS, FILES, Blueprint, Component, visible
from ai_factory.errors import AuthorError, FactoryError
from ai_factory.lock import FOLDER
from ai_factory.tree import LINK, File, Tree, check_case, check_folders, check_link, check_path, under

if TYPE_CHECKING:  # Jinja takes long to load: only where something is rendered
    from jinja2 import BytecodeCache

    from ai_factory.sandbox import Context, Templates

SUFFIX = ".jinja"
FILE_LIMIT = 5000  # files of one project
TOTAL_LIMIT = 30 * 1024 * 1024  # bytes of them all: the base may hold each twice, and is read up to 64 MiB
RESERVED = (FOLDER, "theirs")  # our own folder, and the name that the base gives to incoming files


class Owned(NamedTuple):
    """Where a path comes from and what it is to the project."""

    component: str
    ownership: str
    controls: tuple[str, ...]
    source: str  # the template, as a path in the factory; empty for a produced path
    secret: bool = False  # whether the answer to a secret question shows in it


class Rendered(NamedTuple):
    """What a factory stamps: the files, who owns each path (produced ones too), the folders wholly managed.

    `again` are the files of a foreign template that no two renderings give alike, as another one has them.
    """

    tree: Tree
    owned: Mapping[str, Owned]
    folders: tuple[str, ...]
    again: Mapping[str, File] = {}


def render(
    blueprint: Blueprint,
    components: Sequence[Component],
    answers: Mapping[str, Any],
    cache: BytecodeCache | None = None,
) -> Rendered:
    """Render every component and put the results side by side.

    Raises AuthorError, naming the template and the line, for what its author must mend: a template that
    fails, two components that own one path, a glob that matches nothing.
    """
    from ai_factory.sandbox import Templates

    templates = Templates(reader(components), cache)
    contexts = contexts_of(blueprint, components, answers, templates)
    tree: dict[str, File] = {}
    owned: dict[str, Owned] = {}
    folders: list[str] = []
    evidences: list[tuple[str, tuple[str, ...]]] = []
    for component in components:
        _refuse_marked(component)
        stamped = stamped_by(component, contexts[component.name], templates)
        claims = claims_of(component, contexts[component.name], templates)
        _refuse_clashes(component, [*stamped, *claims.produced], owned)
        claims.check_globs(component, list(stamped))
        tree |= {path: file for path, (file, _) in stamped.items()}
        owned |= {path: claims.owned(component, path, source) for path, (_, source) in stamped.items()}
        owned |= {path: claims.owned(component, path, "") for path in claims.produced}
        folders += claims.folders()
        evidences += claims.evidences
    owned = {path: one._replace(controls=_evident(path, evidences)) for path, one in owned.items()}
    check(tree, owned)
    refuse_ignored(tree, owned)
    return Rendered(dict(sorted(tree.items())), dict(sorted(owned.items())), tuple(sorted(set(folders))))


def _refuse_marked(component: Component) -> None:
    """Raise AuthorError for a conflict of a factory's update that its author has not resolved."""
    for path, file in component.files.items():
        if markers.are_of(markers.AUTHORS, file.content):
            where = f"`{component.folder}/{FILES}/{path}` line {markers.first_marked_line(file.content)}"
            raise AuthorError(f"{where}: holds conflict markers", "keep the lines that are right, and remove the marks")


def line_origins(
    blueprint: Blueprint, components: Sequence[Component], answers: Mapping[str, Any], name: str, source: str
) -> tuple[str, list[tuple[str, int]]]:
    """What a template of that component renders to, and from which template and line each line of it begins.

    Raises AuthorError.
    """
    from ai_factory import sandbox

    read = reader(components)
    context = contexts_of(blueprint, components, answers, sandbox.Templates(read))[name]
    return sandbox.line_origins(read, source, context)


def contexts_of(
    blueprint: Blueprint, components: Sequence[Component], answers: Mapping[str, Any], templates: Templates
) -> dict[str, Context]:
    """What the templates of each component see: the answers they may read, and three names of ours."""
    seen = _readable(components, answers)
    ours = {
        "_blueprint": {"name": blueprint.name, "summary": blueprint.summary, "facts": dict(blueprint.facts)},
        "_components": [_told(item) for item in components],
        "_contributions": contributions.gather(components, seen, templates),
    }
    return {name: {**context, **ours} for name, context in seen.items()}


def _told(component: Component) -> dict[str, Any]:
    """What templates may know of the components of a project."""
    return {"name": component.name, "summary": component.summary, "produces": list(component.produces)}


def _readable(components: Sequence[Component], answers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The answers that each component may read: its own, and those of the components that it requires."""
    readable = visible(components)
    owner = {question.key: question.component for item in components for question in item.questions}
    return {
        item.name: {key: value for key, value in answers.items() if owner.get(key) in readable[item.name]}
        for item in components
    }


def spelled(
    components: Sequence[Component], answers: Mapping[str, Any], wanted: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Paths that components name in `component.yaml`, each given with the component, as these answers spell them.

    Raises AuthorError for one that is no path, or needs an answer that there is not.
    """
    from ai_factory.sandbox import Templates

    templates = Templates(reader(components))
    seen = _readable(components, answers)
    found = {}
    for name, text in wanted:
        where = f"{COMPONENTS}/{name}/component.yaml"
        found[name, text] = checked_path(templates.text(text, seen[name], where), where)
    return found


def reader(components: Sequence[Component]) -> Callable[[str], str | None]:
    """What gives the text of a template of these components by its path in the factory."""
    trees = {item.folder: item.tree for item in components}

    def read(name: str) -> str | None:
        parts = name.split("/", 2)
        file = trees.get("/".join(parts[:2]), {}).get(parts[2]) if len(parts) == 3 else None
        return file.content.decode() if file else None

    return read


def stamped_by(component: Component, context: Context, templates: Templates) -> dict[str, tuple[File, str]]:
    """The files of one component by their paths, each with its template. Raises AuthorError."""
    stamped: dict[str, tuple[File, str]] = {}
    for template_path, file in sorted(component.files.items()):
        source = f"{component.folder}/{FILES}/{template_path}"
        path = _path(template_path, source, context, templates)
        if path in stamped:
            raise AuthorError(f"`{stamped[path][1]}` and `{source}` both give `{path}`")
        stamped[path] = (_content(file, source, context, templates), source)
    return stamped


def _path(template_path: str, source: str, context: Context, templates: Templates) -> str:
    if "{%" in template_path or "{#" in template_path:
        raise AuthorError(f"`{source}`: a path holds no condition", "make the file an optional component of its own")
    parts = [templates.text(part, context, source) for part in template_path.removesuffix(SUFFIX).split("/")]
    path = checked_path("/".join(parts), source)
    if len(parts) != path.count("/") + 1:
        raise AuthorError(f"`{source}`: the path `{path}` is not a template's to write")
    return path


def checked_path(path: str, source: str) -> str:
    """The path, if a template may write to it. Raises AuthorError, naming where the path stands."""
    try:
        path.encode()
        check_path(path)
    except UnicodeEncodeError:
        raise AuthorError(f"`{source}`: the path {path!r} is one that UTF-8 cannot hold") from None
    except FactoryError as error:
        raise AuthorError(f"`{source}`: {error.message}") from None
    if path.partition("/")[0].casefold() in RESERVED:
        raise AuthorError(f"`{source}`: the path `{path}` is not a template's to write")
    return path


def _content(file: File, source: str, context: Context, templates: Templates) -> File:
    if not source.endswith(SUFFIX) or file.mode == LINK:
        return file
    try:
        file.content.decode()
    except UnicodeDecodeError:
        raise AuthorError(f"`{source}` is rendered, but it is not UTF-8 text", "drop its `.jinja`") from None
    try:
        return File(templates.render(source, context).encode(), file.mode)
    except UnicodeEncodeError:
        raise AuthorError(f"`{source}` renders to text that UTF-8 cannot hold") from None


class Claims(NamedTuple):
    """A component's ownership rules, evidence and produced paths, their globs rendered."""

    ownership: tuple[tuple[str, str], ...]
    evidences: tuple[tuple[str, tuple[str, ...]], ...]
    produced: tuple[str, ...]

    def owned(self, component: Component, path: str, source: str) -> Owned:
        word = "produced" if not source else "merged"
        for glob, ownership in self.ownership if source else ():
            if matches(glob, path):
                word = ownership
        return Owned(component.name, word, (), source)

    def folders(self) -> list[str]:
        """The folders claimed whole, by a rule `folder/**: managed` that no later rule breaks open."""
        return [
            folder
            for number, (glob, word) in enumerate(self.ownership)
            if word == "managed" and glob.endswith("/**") and not re.search(r"[*?]", folder := glob.removesuffix("/**"))
            if not any(_reaches(later, folder) for later, other in self.ownership[number + 1 :] if other != "managed")
        ]

    def check_globs(self, component: Component, paths: list[str]) -> None:
        for glob, _ in self.ownership:
            if not any(matches(glob, path) for path in paths):
                raise AuthorError(f"`{component.folder}/component.yaml`: ownership `{glob}` matches no file")


def _reaches(glob: str, folder: str) -> bool:
    """Whether a glob may name something below the folder."""
    parts, names = glob.split("/"), folder.split("/")
    for part, name in zip(parts, names, strict=False):
        if "**" in part:
            return True
        if not matches(part, name):
            return False
    return len(parts) > len(names)


def _evident(path: str, evidences: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """The controls that a path is evidence for, whichever component says so: one may check what another owns."""
    return tuple(sorted({control for control, globs in evidences if any(matches(glob, path) for glob in globs)}))


def claims_of(component: Component, context: Context, templates: Templates) -> Claims:
    """What a component says of paths, spelled with the answers. Raises AuthorError."""
    where = f"{component.folder}/component.yaml"

    def text(glob: str) -> str:
        return templates.text(glob, context, where)

    return Claims(
        tuple((text(glob), word) for glob, word in component.ownership.items()),
        tuple((control, tuple(map(text, globs))) for control, globs in component.evidences.items()),
        tuple(checked_path(text(path), where) for path in component.produces),
    )


def matches(glob: str, path: str) -> bool:
    """Whether a glob names the path: `*` and `?` within one part, `**` over any number of parts."""
    return _pattern(glob).fullmatch(path) is not None


@lru_cache(maxsize=4096)
def _pattern(glob: str) -> re.Pattern[str]:
    out = []
    for token in re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", glob):
        known = {"**/": r"(?:[^/]+/)*", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}
        out.append(known.get(token, re.escape(token)))
    return re.compile("".join(out), re.DOTALL)


def _refuse_clashes(component: Component, paths: Sequence[str], owned: Mapping[str, Owned]) -> None:
    twice = sorted(path for path, number in Counter(paths).items() if number > 1)
    if twice:
        raise AuthorError(f"the component `{component.name}` gives `{twice[0]}` twice")
    for path in paths:
        if path in owned:
            raise AuthorError(
                f"the components `{owned[path].component}` and `{component.name}` both own `{path}`",
                "let one own it, and the other contribute to it",
            )


def check(tree: Tree, owned: Mapping[str, Owned]) -> None:
    """Raise AuthorError for what no disk holds, and for more than a project may be."""
    paths = list(owned)
    if len(paths) > FILE_LIMIT:
        raise AuthorError(f"the blueprint stamps {len(paths)} files; {FILE_LIMIT} are the most")
    if (total := sum(len(file.content) for file in tree.values())) > TOTAL_LIMIT:
        raise AuthorError(f"the blueprint stamps {total} bytes; {TOTAL_LIMIT} are the most")
    try:
        check_case(paths)
        check_folders(paths)
        for path, file in tree.items():
            check_link(path, file)
    except FactoryError as error:
        raise AuthorError(f"the blueprint cannot be stamped: {error.message}") from None


def refuse_ignored(tree: Tree, owned: Mapping[str, Owned]) -> None:
    """Raise AuthorError for a stamped file that git would ignore.

    It never reaches the repository, and every check would miss it.
    """
    for full, path in ignored(tree):
        one, two = owned[full].component, owned[path].component
        raise AuthorError(f"`{full}` of `{one}` is ignored by the blueprint's own `{path}` of `{two}`")


def ignored(tree: Tree) -> Iterator[tuple[str, str]]:
    """The paths that the tree's own ignore files hide, each with that file."""
    for path, file in tree.items():
        folder, _, name = path.rpartition("/")
        if name != ".gitignore":
            continue
        from ai_factory.structured.ignoring import spec  # only where there is something to match

        patterns = spec(file.content.decode(errors="replace").splitlines())
        for other in under(tree, folder) if folder else tree:
            if patterns.match_file(other):
                yield f"{folder}/{other}" if folder else other, path
