"""A project's own files as a new component of its factory, on a branch: proven to give exactly these files again."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ai_factory import catalog, contributions, documents, edits, git, markers
from ai_factory.catalog import BLUEPRINTS, COMPONENTS, FILES, Component
from ai_factory.errors import FactoryError, UsageError
from ai_factory.formats import NAME
from ai_factory.lock import FOLDER
from ai_factory.project.opening import Project
from ai_factory.project.target import Choice, guarded, recipe, rendered
from ai_factory.render import SUFFIX
from ai_factory.tree import LINK, File, above, is_binary, word
from ai_factory.workshop.linting import lint
from ai_factory.workshop.opening import require_own
from ai_factory.workshop.parts import Parts
from ai_factory.workshop.promote import imports, repository, tokens
from ai_factory.workshop.promote.files import PROMOTED, Asked, Base, Promotion, Row, opened
from ai_factory.workshop.promote.mapping import Mapped
from ai_factory.workshop.promote.values import Known, Spelled, Turned, of_answers, spelled
from ai_factory.workspace import find_repository, keeps_modes

PYPROJECT = "pyproject.toml"
_IMPORT = re.compile(r"^[ \t]*(?:from|import)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_KEY = re.compile(r"\{\{-? *(\w+)")


class _Needs(NamedTuple):
    """What the files of a component ask of others: components, requirements by kind, and what could not be told."""

    components: frozenset[str]
    contributes: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


class _Declared(NamedTuple):
    """The requirements of a project, of its own and for development, and which of them are the factory's."""

    run: tuple[str, ...]
    dev: tuple[str, ...]
    stamped: Mapping[str, str]  # the package, and the component that brings it


def prepare(project: Project, name: str, paths: Sequence[str], asked: Asked) -> Promotion:
    """Make the component and prove it; nothing is written.

    Raises UsageError for a name that is taken, and for files that are no component's to have: stamped ones, links,
    what looks like a secret, and Python files that import others of the team's.
    """
    base = opened(project, asked)
    require_own(base.factory)
    _refuse_name(base, name)
    files = {path: _mode_kept(project, file) for path, file in _own(project, paths).items()}
    known = of_answers(catalog.all_questions(base.made.components), project.lock.answers)
    folders = _folders(base)
    rows = [_row(name, path, file, known, folders) for path, file in sorted(files.items())]
    needs = _needs(project, base, files)
    component = _component(project, base, name, rows, needs, files)
    where = f"{BLUEPRINTS}/{base.made.blueprint.name}.yaml"
    offered = [*base.made.blueprint.optional, name]
    component[where] = base.factory.tree[where]._replace(
        content=edits.edit(base.factory.tree[where].content, {("optional",): offered})
    )
    promotion = _placed(project, base, asked, name, component)._replace(rows=tuple(rows))
    why, changed = _disproven(project, base, name, component, files)
    if not why:
        why = _flawed(base, promotion)
    notes = [*needs.notes, *_untouched(files), *(f"`{path}` changes with it" for path in changed)]
    if why:
        return promotion._replace(files={}, notes=tuple(notes), rows=tuple(row.refused(why) for row in rows))
    return promotion._replace(notes=(*promotion.notes, "`factory lint` finds nothing new", *notes))


def _refuse_name(base: Base, name: str) -> None:
    if not re.search(NAME["pattern"], name):
        raise UsageError(f"`{name}` is no name of a component", "use small letters, digits and hyphens")
    if name in base.factory.components() or name in base.place.factory(base.place.head).components():
        raise UsageError(f"the factory has a component `{name}` already", "give another name with `--component`")


# ---- the files --------------------------------------------------------------------------------------


def _own(project: Project, paths: Sequence[str]) -> dict[str, File]:
    """The team's own files at these paths, and in these folders. Raises UsageError for what is no component's."""
    found: dict[str, File] = {}
    for path in paths:
        for place in _below(project, path):
            file = project.folder.read(place)
            assert file is not None  # it was found a moment ago
            _refuse_file(place, file)
            found[place] = file
    return found


def _below(project: Project, path: str) -> list[str]:
    if path in project.lock.paths:
        hint = f"promote the edit: `ai-factory promote {word(path)}`"
        raise UsageError(f"`{path}` comes from the factory already", hint)
    if path.partition("/")[0] == FOLDER:
        raise UsageError(f"`{path}` is the tool's own", "name files of the team's")
    if not project.folder.is_folder(path):
        if project.folder.read(path) is None:
            raise UsageError(f"there is no `{path}`", "name files and folders of the project")
        return [path]
    inside = [one for one in project.folder.walk(path) if one not in project.lock.paths]
    hidden = git.ignored(project.root, inside) if find_repository(project.root) else set()
    if own := [one for one in inside if one not in hidden]:
        return own
    raise UsageError(f"nothing in `{path}` is the team's own", "`ai-factory status` lists what comes from the factory")


def _refuse_file(path: str, file: File) -> None:
    if file.mode == LINK:
        raise UsageError(f"`{path}` is a link, which no component has", "name the file that it leads to")
    for line, kind in tokens.found_in(file.content):
        raise UsageError(
            f"`{path}` line {line} holds what looks like {kind}", "a component names an environment variable instead"
        )
    if markers.is_marked(file.content):
        line = markers.first_marked_line(file.content)
        raise UsageError(f"`{path}` line {line} is a conflict marker", "keep the lines that are right, then promote")


def _mode_kept(project: Project, file: File) -> File:
    return file if keeps_modes(project.root) else File(file.content)


def _folders(base: Base) -> dict[str, str]:
    """How the templates spell the folders that they stamp, where all of them agree."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path, owned in base.rendered.owned.items():
        template = owned.source.partition(f"/{FILES}/")[2]
        for folder, spelling in zip(above(path), above(template), strict=False):
            found[folder].add(spelling)
    return {folder: min(spellings) for folder, spellings in found.items() if len(spellings) == 1}


def _row(name: str, path: str, file: File, known: Known, folders: Mapping[str, str]) -> Row:
    """A file as the component has it: a template where something of it is turned, else as it is."""
    top = max((folder for folder in above(path) if folder in folders), key=len, default="")
    rest = path.removeprefix(f"{top}/").split("/")
    place = [_folder(top, folders.get(top, "")), *(spelled([part], known) for part in rest)]
    packages = {_package(folder): code for folder, code in folders.items() if _package(folder) and "{" in code}
    inside = _text(path, file.content, known, packages)
    is_rendered = path.endswith(SUFFIX) or bool(inside and inside.turned)
    spelling = "/".join(one.text for one in place if one.text)
    target = f"{COMPONENTS}/{name}/{FILES}/{spelling}{SUFFIX if is_rendered else ''}"
    content = inside.text.encode() if inside and is_rendered else file.content
    told = [*place, *([inside] if inside else [])]
    turned = dict.fromkeys(one for spelling in told for one in spelling.turned)
    left = dict.fromkeys(one for spelling in told for one in spelling.left)
    ownership = "seeded" if is_binary(file.content) else "merged"  # nobody merges what has no lines
    mapped = Mapped(turned=tuple(turned), left=tuple(left))
    return Row(path, name, ownership, PROMOTED, "", target, mapped, {target: File(content, file.mode)})


def _folder(path: str, spelling: str) -> Spelled:
    """A folder that the factory stamps, as its templates spell it."""
    parts = zip(path.split("/"), spelling.split("/"), strict=False)
    return Spelled(spelling, tuple(Turned(part, code) for part, code in parts if part != code))


def _package(folder: str) -> str:
    """The name by which Python imports the folder, where it is the top of a package."""
    name = folder.removeprefix("src/")
    return name if "/" not in name and name.isidentifier() else ""


def _text(path: str, content: bytes, known: Known, packages: Mapping[str, str]) -> Spelled | None:
    """The text in the words of a template, also the project's own package where Python imports it.

    None of what a rendering would not give back: bytes, and lines that end in CRLF.
    """
    if is_binary(content) or b"\r" in content:
        return None
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    pieces: list[str | Turned] = []
    place = 0
    for match in _IMPORT.finditer(text) if path.endswith(".py") else ():
        if match[1] in packages:
            pieces += [text[place : match.start(1)], Turned(match[1], packages[match[1]].rpartition("/")[2])]
            place = match.end(1)
    found = spelled([*pieces, text[place:]], known)
    own = (one for one in pieces if isinstance(one, Turned))
    return found._replace(turned=tuple(dict.fromkeys((*own, *found.turned))))


def _untouched(files: Mapping[str, File]) -> Iterator[str]:
    for path, file in files.items():
        if b"\r" in file.content and not is_binary(file.content):
            yield f"`{path}` is taken byte for byte, no value in it turned: a rendering would end its lines in LF"


# ---- what they need ---------------------------------------------------------------------------------


def _needs(project: Project, base: Base, files: Mapping[str, File]) -> _Needs:
    declared = _declared(project, base)
    components: set[str] = set()
    run: dict[str, None] = {}
    dev: dict[str, None] = {}
    notes: dict[str, None] = {}
    for path, file in files.items():
        for module in imports.modules(path, file.content) if path.endswith(".py") else ():
            if other := imports.file_of(module, lambda place: project.folder.read(place) is not None):
                components |= _owner(project, path, other, files)
            elif (one := imports.required(module, (*declared.run, *declared.dev))) and imports.package(
                one
            ) in declared.stamped:
                components.add(declared.stamped[imports.package(one)])
            elif one:
                (run if one in declared.run else dev)[one] = None
            elif imports.is_foreign(module):
                notes[
                    f"`{path}` imports `{module.partition('.')[0]}`, and no requirement of the project has that name"
                ] = None
    wanted = {"dependencies": tuple(run), "dev_dependencies": tuple(dev)}
    read = guarded(base.factory, partial(_read, base.made.components))
    for kind in wanted.keys() - read:
        notes |= {f"it needs `{one}`, and no template reads `{kind}`": None for one in wanted[kind]}
    return _Needs(frozenset(components), {kind: wanted[kind] for kind in wanted if kind in read}, tuple(notes))


def _read(components: Sequence[Component]) -> frozenset[str]:
    """The kinds of contributions that these components read."""
    known = Parts({one.name: one for one in components})
    kinds = {kind for rows in known.readings.values() for _, found in rows for kind in found.kinds}
    return frozenset(contributions.REQUIREMENTS) if "" in kinds else frozenset(kinds)


def _owner(project: Project, path: str, other: str, files: Mapping[str, File]) -> set[str]:
    """The component that an imported file is from. Raises UsageError for one of the team's that is left behind."""
    if other in project.lock.paths:
        return {project.lock.paths[other].component}
    if other in files or other.endswith("/__init__.py"):
        return set()
    raise UsageError(f"`{path}` imports `{other}`, which is the team's own too", f"name {word(other)} as well")


def _declared(project: Project, base: Base) -> _Declared:
    now, stamped = _pyproject(project.folder.read(PYPROJECT)), _pyproject(base.rendered.tree.get(PYPROJECT))
    known = {imports.package(one) for group in stamped for one in group}
    owners: dict[str, str] = {}
    for component in base.made.components:
        for kind in ("dependencies", "dev_dependencies"):
            for one in component.contributes.get(kind, ()):
                owners.setdefault(imports.package(one if isinstance(one, str) else one["value"]), component.name)
    owner = base.rendered.owned.get(PYPROJECT)
    return _Declared(*now, {name: owners.get(name, owner.component if owner else "") for name in known})


def _pyproject(file: File | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a pyproject.toml requires, and what it requires for development or as an extra; nothing of a broken one."""
    try:
        data = tomllib.loads(file.content.decode()) if file else {}
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        data = {}
    about = data.get("project", {})
    extras = [*about.get("optional-dependencies", {}).values(), *data.get("dependency-groups", {}).values()]
    return _texts(about.get("dependencies", [])), tuple(one for group in extras for one in _texts(group))


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))


# ---- the component ----------------------------------------------------------------------------------


def _component(
    project: Project, base: Base, name: str, rows: Sequence[Row], needs: _Needs, files: Mapping[str, File]
) -> dict[str, File]:
    origin = repository.called(project.root)
    summary = _summary(files) or f"What {origin} made of its own"
    top = f"{COMPONENTS}/{name}"
    listed = "".join(f"- `{row.stamped}`\n" for row in rows)
    texts = {
        "component.yaml": documents.write(_manifest(base, rows, needs, summary)),
        "copier.yml": b"_subdirectory: files\n",
        "README.md": f"# {name}\n\n{summary}. First made in `{origin}`.\n\n**Owns**\n\n{listed}\n"
        f"**To take it**: `with: [{name}]` in `.ai-factory/project.yaml`, then `ai-factory sync`.\n".encode(),
        "CHANGELOG.md": f"# Changelog\n\n## Unreleased\n\n- Taken from `{origin}`.\n".encode(),
    }
    found = {f"{top}/{path}": File(content) for path, content in texts.items()}
    return {**found, **{path: file for row in rows for path, file in row.files.items()}}


def _summary(files: Mapping[str, File]) -> str:
    """The first line of what the first Python file says of itself."""
    for path, file in sorted(files.items()):
        if path.endswith(".py") and not path.startswith("tests/"):
            try:
                told = ast.get_docstring(ast.parse(file.content))
            except (SyntaxError, ValueError, RecursionError):
                continue
            if told:
                return told.split("\n")[0].strip().rstrip(".:")
    return ""


def _manifest(base: Base, rows: Sequence[Row], needs: _Needs, summary: str) -> dict[str, Any]:
    asked_by = {one.key: component.name for component in base.made.components for one in component.questions}
    read = {key for row in rows for one in row.mapped.turned for key in _KEY.findall(one.code)}
    requires = _fewest(base.made.components, needs.components | {asked_by[key] for key in read if key in asked_by})
    seeded = {row.stamped: "seeded" for row in rows if row.ownership == "seeded"}
    data: dict[str, Any] = {"summary": summary, "requires": requires, "ownership": seeded}
    data["contributes"] = {kind: list(values) for kind, values in needs.contributes.items() if values}
    return {key: value for key, value in data.items() if value}


def _fewest(components: Sequence[Component], wanted: frozenset[str]) -> list[str]:
    """Those of the wanted components that no other one of them requires already, in the blueprint's order."""
    seen = catalog.visible(components)
    below = {other for name in wanted for other in seen[name] - {name}}
    return [one.name for one in components if one.name in wanted - below]


# ---- proof ------------------------------------------------------------------------------------------


def _placed(project: Project, base: Base, asked: Asked, name: str, component: Mapping[str, File]) -> Promotion:
    now, parent = base.place.factory(base.place.head), base.place.head
    files = repository.onto(now.tree, base.factory.tree, component)
    notes: tuple[str, ...] = ()
    if files is None:
        now, parent, files = base.factory, base.factory.origin.commit, dict(component)
        notes = ("the factory has changed the blueprint since: the branch begins where the project was stamped from",)
    origin = repository.called(project.root)
    return Promotion(
        base.place,
        repository.branch(base.place, asked.branch, name),
        parent,
        files,
        {path: now.tree[path] for path in files if path in now.tree},
        f"Add the component {name}, from {origin}\n\nStamped from {project.lock.factory.version}.\n",
        notes=notes,
    )


def _disproven(
    project: Project, base: Base, name: str, component: Mapping[str, File], files: Mapping[str, File]
) -> tuple[str, list[str]]:
    """Why the component does not give these files, or nothing; and which others it changes."""
    wish = project.manifest()
    choice = Choice(wish.blueprint, (*wish.with_, name), wish.without)
    try:
        made = recipe(repository.with_files(base.factory, component), choice)
        tree = rendered(made, project.lock.answers).rendered.tree
    except FactoryError as error:
        return f"it does not render: {error.message}", []
    for path, file in files.items():
        if tree.get(path) != file:
            return f"the component would give another `{path}`", []
    before = base.rendered.tree
    return "", sorted(path for path in {*tree, *before} - files.keys() if tree.get(path) != before.get(path))


def _flawed(base: Base, promotion: Promotion) -> str:
    """What `factory lint` would newly find; nothing where that is nothing."""
    now = base.place.factory(promotion.parent)
    after = lint(repository.with_files(now, promotion.files))
    new = Counter(one._replace(line=0) for one in after) - Counter(one._replace(line=0) for one in lint(now) if after)
    return "; ".join(f"{one.path}: {one.rule} {one.message}" for one in sorted(new))
