"""A blueprint as one plain Copier template: what Copier renders from it is what is stamped here, to the byte.

Rules of this file: the template needs neither this tool nor Copier's `--trust`: no task, no migration, no extension.
An optional component is a question and a condition in its paths; what components add to each other's files is
gathered in `blueprint.jinja`, which templates import.
"""

from __future__ import annotations

import json
import re

from ai_factory.catalog import FILES, Component
from ai_factory.errors import AuthorError, FactoryError
from ai_factory.factory import EMBEDDED, is_remote
from ai_factory.lock import Origin
from ai_factory.project.target import Recipe
from ai_factory.render import SUFFIX
from ai_factory.sandbox import syntax
from ai_factory.tree import LINK, File, Tree, check_case, check_folders, check_link, check_path
from ai_factory.workshop.exporting.contributed import shared
from ai_factory.workshop.exporting.jinja_text import literal
from ai_factory.workshop.exporting.questionnaire import COPIER, document, questions, taking
from ai_factory.workshop.exporting.readme import readme
from ai_factory.workshop.owning import EXPRESSION, ownership

SHARED = "blueprint.jinja"
RECORD = "export.json"
SCHEMA = "ai-factory/exported/1"
ANSWERS = f"{FILES}/{{{{ _copier_conf.answers_file }}}}{SUFFIX}"
OF_COMPONENTS = ("component.yaml", "copier.yml", "CHANGELOG.md", "README.md")  # what is no template
_OURS = ("blueprint", "components", "contributions")
_ANSWERS = (
    "# What Copier was answered; it updates by this file, so leave it alone.\n{{ _copier_answers | to_nice_yaml -}}\n"
)


def template(made: Recipe, beside: Tree) -> dict[str, File]:
    """The whole template repository of one version; `beside` are further files, such as a licence.

    Raises AuthorError for what Copier could not render as we do.
    """
    taken = taking(made.blueprint)
    tree: dict[str, File] = {}
    for component in made.components:
        _add(tree, _files(component, taken.get(component.name, "")))
    settings = {
        "_min_copier_version": COPIER,
        "_subdirectory": FILES,
        "_preserve_symlinks": True,
        "_skip_if_exists": [path for component in made.components for path in _seeded(component)],
    }
    texts = {
        "copier.yml": document(settings, questions(made.blueprint, made.components)),
        SHARED: shared(made.blueprint, made.components, taken),
        ANSWERS: _ANSWERS,
        RECORD: json.dumps(record(made.blueprint.name, made.factory.origin), indent=2) + "\n",
        "README.md": readme(made, taken),
    }
    _add(tree, {path: File(text.encode()) for path, text in texts.items()})
    _add(tree, beside)
    _check(tree)
    return dict(sorted(tree.items()))


def _check(tree: Tree) -> None:
    """Raise AuthorError for what no disk holds, what is git's own, and links that lead out of a project."""
    prefix = f"{FILES}/"
    try:
        for path, file in tree.items():
            check_path(path)
            check_link(path.removeprefix(prefix), file)
        check_case(list(tree))
        check_folders(list(tree))
    except FactoryError as error:
        raise AuthorError(f"the blueprint cannot be exported: {error.message}") from None


def record(blueprint: str, origin: Origin) -> dict[str, str]:
    """What an export says of itself. A folder is not named: it means something on one machine only."""
    place = origin.url if origin.kind == EMBEDDED or is_remote(origin.url) else "folder"
    return {
        "schema": SCHEMA,
        "blueprint": blueprint,
        "factory": place,
        "version": origin.version,
        "commit": origin.commit,
    }


def _add(tree: dict[str, File], more: Tree) -> None:
    for path in more:
        if path in tree:
            raise AuthorError(f"two components bring `{path}`, which lies once in a Copier template", "rename one")
    tree.update(more)


def _files(component: Component, condition: str) -> dict[str, File]:
    """A component's templates as they lie in the exported one."""
    found: dict[str, File] = {}
    for path, file in component.tree.items():
        if path not in OF_COMPONENTS:
            inside = path.removeprefix(f"{FILES}/")
            if re.search(r"\{%|\{#", inside):
                hint = "make the file an optional component of its own"
                raise AuthorError(f"`{component.folder}/{path}`: a path holds no condition", hint)
            place = path if inside == path else f"{FILES}/{_conditional(inside, condition)}"
            found[place] = _importing(file, f"{component.folder}/{path}") if path.endswith(SUFFIX) else file
    return found


def _conditional(path: str, condition: str) -> str:
    """The path, with its first part there only where the condition holds: Copier leaves out what has an empty part."""
    if not condition:
        return path
    ending = SUFFIX if path.endswith(SUFFIX) and "/" not in path else ""
    first, slash, rest = path.removesuffix(ending).partition("/")
    return f"{{% if {condition} %}}{first}{{% endif %}}{ending}{slash}{rest}"


def _importing(file: File, source: str) -> File:
    """A template that imports those of our names that it reads, in a line of its own where that adds no line."""
    if file.mode == LINK:
        return file
    from jinja2.meta import find_undeclared_variables

    try:
        text = file.content.decode()
    except UnicodeDecodeError:
        raise AuthorError(f"`{source}` is rendered, but it is not UTF-8 text", "drop its `.jinja`") from None
    read = find_undeclared_variables(syntax(text, source))
    wanted = [f"{name} as _{name}" for name in _OURS if f"_{name}" in read]
    if not wanted:
        return file
    ending = " %}" if text[:1].isspace() or not text else " -%}\n"
    return file._replace(
        content=f"{{% from {literal(SHARED)} import {', '.join(wanted)} with context{ending}{text}".encode()
    )


def _seeded(component: Component) -> list[str]:
    """The paths that are a team's from birth, as git's ignore files write them: Copier leaves alone what exists."""
    paths = [path for path, word in ownership(component).items() if word == "seeded"]
    return ["/" + "".join(map(_escaped, EXPRESSION.split(path))) for path in paths]


def _escaped(piece: str) -> str:
    return piece if piece.startswith("{{") else re.sub(r"([\\*?\[\]!# ])", r"\\\1", piece)
