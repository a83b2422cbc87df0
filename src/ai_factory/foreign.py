"""A Copier or Cookiecutter template, seen as a factory with one blueprint of one component.

Which of the two it is, its own files say: nothing is noted in a project. What is read here is what has to be known
before the engine itself may run: which questions there are, which of them are secret, and what code would run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any, NamedTuple

from ai_factory import documents, formats
from ai_factory.engines import COPIER, MARKS, TITLES
from ai_factory.errors import AuthorError
from ai_factory.questions import TYPES
from ai_factory.tree import File, Tree

NAME = "template"  # of the one blueprint, and of its one component
FOLDER = "copier_folder_name"  # the answer that keeps what Copier calls `_folder_name`, where a template reads that
RECORD = "copier_answers_file"  # and the one for a record of answers that lies elsewhere than the template says
LISTS = ("_tasks", "_migrations", "_jinja_extensions", "_extensions", "_secret_questions")
HOOKS = ("pre_prompt", "pre_gen_project", "post_gen_project")
_INCLUDE = re.compile(r"\s*!include\s+(\S+)\s*")
_SEPARATOR = re.compile(r"^---(?:\s|$)", re.MULTILINE)
_RANDOM = re.compile(rb"random|uuid|import secrets|secrets\.(token|choice)")
_KEY = re.compile(r"[a-zA-Z].*")


def mark_of(tree: Tree) -> str:
    """The file at the root that makes it a template."""
    return next(mark for mark in MARKS if mark in tree)


def presented(tree: Tree, version: str) -> dict[str, File]:
    """The files that a factory of ours would have in place of the template. Raises AuthorError with file and line."""
    title = f"A {TITLES[MARKS[mark_of(tree)]]} template"
    component = {"summary": title, "changes": list(_changes(tree, version))}
    asked = {key: question for key, question in _questions(tree).items() if _KEY.fullmatch(key)}
    return {
        f"blueprints/{NAME}.yaml": _document({"summary": title, "components": [NAME]}),
        f"templates/{NAME}/component.yaml": _document(component),
        f"templates/{NAME}/copier.yml": _document(asked),
    }


def _document(data: Mapping[str, Any]) -> File:
    return File(json.dumps(data, ensure_ascii=True).encode())  # which is YAML as well


# ---- what its own file says ----------------------------------------------------------------------


class Said(NamedTuple):
    """What the template says under a key, and in which file."""

    value: Any
    where: str


def settings(tree: Tree) -> dict[str, Said]:
    """All that stands in the template's own file, and in those that it includes. Raises AuthorError."""
    mark = mark_of(tree)
    found = dict(_yaml(tree, mark)) if MARKS[mark] == COPIER else _json(tree, mark)
    for key in LISTS:
        if key in found and not isinstance(found[key].value, list | None):
            raise AuthorError(f"{_line(tree, found[key].where, (key,))}: `{key}` is no list")
    return found


def _json(tree: Tree, mark: str) -> dict[str, Said]:
    try:
        data = json.loads(_text(tree, mark))
    except (ValueError, RecursionError) as error:
        line, why = getattr(error, "lineno", 1), getattr(error, "msg", "nested too deep")
        raise AuthorError(f"`{mark}` line {line}: it is no JSON: {why}") from None
    if not isinstance(data, dict):
        raise AuthorError(f"`{mark}` line 1: it is no object")
    return {key: Said(value, mark) for key, value in data.items()}


def _text(tree: Tree, path: str) -> str:
    try:
        return tree[path].content.decode()
    except UnicodeDecodeError:
        raise AuthorError(f"`{path}` is not UTF-8 text") from None


def _listed(found: Mapping[str, Said], key: str) -> list[Any]:
    """What stands in a list under that key; nothing where it is not there."""
    return (found[key].value if key in found else None) or []


def _yaml(tree: Tree, path: str) -> Iterator[tuple[str, Said]]:
    for part in _SEPARATOR.split(_text(tree, path)):
        if included := _INCLUDE.fullmatch(re.sub(r"^\s*#.*$", "", part, flags=re.MULTILINE)):
            for other in sorted(name for name in tree if fnmatch(name, included[1]) and name != path):
                yield from _yaml(tree, other)
        else:
            data = documents.load(part.encode(), path, AuthorError)
            if not isinstance(data, dict | None):
                raise AuthorError(f"`{path}` line 1: it is no mapping of questions and settings")
            yield from ((str(key), Said(value, path)) for key, value in (data or {}).items())


def secrets(tree: Tree) -> frozenset[str]:
    """The questions whose answers are not to be kept."""
    found = settings(tree)
    listed = _listed(found, "_secret_questions")
    marked = (key for key, said in found.items() if isinstance(said.value, dict) and said.value.get("secret"))
    return frozenset({*map(str, listed), *marked}) if MARKS[mark_of(tree)] == COPIER else frozenset()


def _questions(tree: Tree) -> dict[str, dict[str, Any]]:
    """What is asked, without templates: the engine evaluates those."""
    form = _copier_question if MARKS[mark_of(tree)] == COPIER else _cookiecutter_question
    hidden = secrets(tree)
    asked = {key: said.value for key, said in settings(tree).items() if not key.startswith("_")}
    return {key: form(value) for key, value in asked.items() if key not in hidden}


def _copier_question(value: Any) -> dict[str, Any]:
    details = value if isinstance(value, dict) else {"default": value}
    kind = details.get("type") or _kind(details.get("default"))
    multiselect = {"multiselect": True} if details.get("multiselect") is True else {}
    return {"type": kind if kind in TYPES else "str", "help": str(details.get("help", "")), **multiselect}


def _cookiecutter_question(value: Any) -> dict[str, Any]:
    return {"type": "str" if isinstance(value, list) else _kind(value)}


def _kind(value: Any) -> str:
    return {bool: "bool", int: "int", float: "float", str: "str"}.get(type(value), "yaml")


def makes_up(tree: Tree) -> bool:
    """Whether the template names what gives random values, so that no two renderings may be alike."""
    return any(_RANDOM.search(file.content) for file in tree.values())


def places_read(tree: Tree) -> list[str]:
    """Which of FOLDER and RECORD the template asks for."""
    if MARKS[mark_of(tree)] != COPIER:
        return []
    words = {FOLDER: "_folder_name", RECORD: "answers_file"}
    return [key for key, word in words.items() if any(_says(word, path, file) for path, file in tree.items())]


def _says(word: str, path: str, file: File) -> bool:
    return word.encode() in file.content or word in path


def record_of(tree: Tree) -> str:
    """Where Copier puts its record of the answers, unless somebody says otherwise."""
    found = settings(tree)
    return str(found["_answers_file"].value) if "_answers_file" in found else ".copier-answers.yml"


# ---- what would run ------------------------------------------------------------------------------


def code_in(tree: Tree) -> list[str]:
    """What of the template would run as code: a sentence each, with file and line. Raises AuthorError."""
    mark = mark_of(tree)
    found = settings(tree)
    if MARKS[mark] == COPIER:
        tasks = _listed(found, "_tasks")
        rows = [(f"task `{_command(task)}`", ("_tasks", number)) for number, task in enumerate(tasks)]
        return [*_placed(tree, found, rows), *_extensions(tree, found, "_jinja_extensions")]
    hooks = sorted(path for path in tree if re.fullmatch(rf"hooks/({'|'.join(HOOKS)})(\.\w+)?", path))
    templates = f"`{mark}` line 1: every template, since Cookiecutter's Jinja is not sandboxed"
    return [*(f"`{path}` line 1: hook" for path in hooks), *_extensions(tree, found, "_extensions"), templates]


def _extensions(tree: Tree, found: Mapping[str, Said], key: str) -> list[str]:
    names = _listed(found, key)
    return _placed(tree, found, [(f"Jinja extension `{name}`", (key, number)) for number, name in enumerate(names)])


def _placed(tree: Tree, found: Mapping[str, Said], rows: list[tuple[str, tuple[str, int]]]) -> list[str]:
    return [f"{_line(tree, found[place[0]].where, place)}: {text}" for text, place in rows]


def _line(tree: Tree, where: str, place: tuple[str | int, ...]) -> str:
    content = tree[where].content
    before = content[: content.find(str(place[0]).encode())]
    part = _SEPARATOR.split(before.decode(errors="replace"))[-1]  # of several documents, the one with the key
    skipped = len(before.decode(errors="replace")) - len(part)
    text = content.decode(errors="replace")
    own = _SEPARATOR.split(text[skipped:])[0]
    return f"`{where}` line {text[:skipped].count(chr(10)) + documents.line_of(own.encode(), place)}"


def _command(task: Any) -> str:
    command = task.get("command", "") if isinstance(task, dict) else task
    text = " ".join(map(str, command)) if isinstance(command, list) else str(command)
    return text.strip().splitlines()[0] if text.strip() else ""


def _changes(tree: Tree, version: str) -> Iterator[dict[str, Any]]:
    """Copier's migrations, which work on a project in place: here they are steps that a person takes by hand."""
    found = settings(tree)
    for number, row in enumerate(_listed(found, "_migrations")):
        details = row if isinstance(row, dict) else {"command": row}
        commands = [
            details.get("command"),
            *(details.get("before") or ()),
            *(details.get("after") or ()),
        ]
        since = str(details.get("version") or version)
        place = _line(tree, found["_migrations"].where, ("_migrations", number))
        text = "; ".join(f"`{_command(command)}`" for command in commands if command)
        yield {
            "since": next((one for one in (since, version) if not [*formats.problems(one, formats.VERSION)]), "0"),
            "manual": f"the template's migration ({place}), which is not run: {text}",
        }
