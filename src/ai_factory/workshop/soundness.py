"""What is surely wrong in a file that was stamped, whatever it is for: pure, one function a kind of file."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ai_factory import formats, markers
from ai_factory.tree import LINK, File, is_binary

if TYPE_CHECKING:  # the parser takes long to load
    from ruamel.yaml.nodes import Node, ScalarNode

TEMPLATES = (".jinja", ".jinja2", ".j2", ".tmpl", ".tpl", ".mustache", ".hbs")  # files whose braces are others' to fill
COMMENTED = ("tsconfig", "jsconfig", "devcontainer")  # JSON that may hold comments
ENDED = (".py", ".toml", ".yaml", ".yml", ".json", ".md", ".sh", ".cfg", ".ini")  # files of lines
_LEFT = re.compile(  # Jinja that prints something, or decides by it
    r"(?<!\$)(?<!\{)\{\{-?\s*(\w+)[^{}]*\}\}|\{%-?\s*(?:if|elif|for\s+\w+\s+in)\s+(?:not\s+)?(\w+)[^{}]*%\}"
)
_ESCAPED = re.compile(r"\{%-?\s*raw\b|\{\{-?\s*['\"]\{|['\"]\{[{%]")  # a template that means to write braces
_WORKFLOW = re.compile(r"\.github/workflows/[^/]+\.ya?ml")


class Mistake(NamedTuple):
    """What is wrong, and in which line; 0 where that cannot be said."""

    line: int
    message: str


def mistakes(path: str, file: File, template: str, known: Collection[str]) -> list[Mistake]:
    """What is wrong in the file at that path; `template` is its text in the factory, `known` are the answers' names."""
    if file.mode == LINK or is_binary(file.content):
        return []
    try:
        text = file.content.decode()
    except UnicodeDecodeError:
        return [Mistake(0, "is not UTF-8 text")] if path.endswith(ENDED) else []
    return [
        *_marked(file.content, template),
        *_unrendered(path, text, template, known),
        *_unended(path, text),
        *_read(path, text),
    ]


def _marked(content: bytes, template: str) -> Iterator[Mistake]:
    """Marks that stand in the template too: one that writes about them gives each as an expression."""
    if markers.has_markers(content) and markers.has_markers(template.encode()):
        yield Mistake(markers.first_marked_line(content), "holds conflict markers")


def _unrendered(path: str, text: str, template: str, known: Collection[str]) -> Iterator[Mistake]:
    """Jinja that names an answer, and that the template did not mean to leave."""
    if path.endswith(TEMPLATES) or _ESCAPED.search(template):
        return
    for found in _LEFT.finditer(text):
        if (found[1] or found[2]) in known:
            yield Mistake(text.count("\n", 0, found.start()) + 1, f"`{found[0]}` was not rendered")
            return


def _unended(path: str, text: str) -> Iterator[Mistake]:
    if path.endswith(ENDED) and text and not text.endswith("\n"):
        yield Mistake(text.count("\n") + 1, "its last line has no end")


def _read(path: str, text: str) -> Iterator[Mistake]:
    """What a reader of that kind of file says."""
    suffix = "." + path.rpartition(".")[2]
    read = _READERS.get(suffix)
    if read and not (suffix in (".yaml", ".yml") and ("{{" in text.replace("${{", "") or "{%" in text)):
        yield from read(path, text)  # a chart's templates are no YAML before they are rendered


def _toml(path: str, text: str) -> Iterator[Mistake]:
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        told = re.fullmatch(r"(.*?) \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        yield Mistake(int(told[2] or 0) if told else 0, f"is no TOML: {(told[1] if told else str(error)).lower()}")


def _json(path: str, text: str) -> Iterator[Mistake]:
    if path.rpartition("/")[2].startswith(COMMENTED) or path.startswith((".vscode/", ".devcontainer/")):
        return
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        yield Mistake(error.lineno, f"is no JSON: {error.msg.lower()}")
    except RecursionError:
        yield Mistake(0, "is no JSON that can be read: it is nested too deeply")


def _python(path: str, text: str) -> Iterator[Mistake]:
    try:
        ast.parse(text)
    except SyntaxError as error:
        yield Mistake(error.lineno or 0, f"is no Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        yield Mistake(0, f"is no Python: {error}")


def _yaml(path: str, text: str) -> Iterator[Mistake]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        nodes = list(YAML(typ="safe", pure=True).compose_all(text))  # tags are for those who know them
        yield from _repeated(nodes)
        schema = _schema_of(path)
        data = YAML(typ="safe", pure=True).load(text) if schema and len(nodes) == 1 else None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        yield Mistake(mark.line + 1 if mark else 0, f"is no YAML: {str(error.problem).splitlines()[0]}")
        return
    except (YAMLError, ValueError, RecursionError) as error:
        yield Mistake(0, f"is no YAML: {[*str(error).splitlines(), ''][0]}")
        return
    for problem in formats.problems(data, schema) if schema and nodes else ():
        yield Mistake(0, f"{'.'.join(map(str, problem.place)) or 'it'}: {problem.message}")


def _repeated(nodes: Sequence[Node]) -> Iterator[Mistake]:
    """Keys that a mapping has twice: a reader takes one of them, or neither."""
    from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

    waiting, known = [node for node in nodes if node is not None], set()
    while waiting:
        node = waiting.pop()
        if id(node) in known:  # an alias
            continue
        known.add(id(node))
        if isinstance(node, SequenceNode):
            waiting += node.value
        if isinstance(node, MappingNode):
            waiting += [value for _, value in node.value]
            names = [key for key, _ in node.value if isinstance(key, ScalarNode)]
            first = {key.value: key for key in reversed(names)}
            yield from (_twice(key) for key in names if first[key.value] is not key)


def _twice(key: ScalarNode) -> Mistake:
    return Mistake(key.start_mark.line + 1, f"is no YAML: the key `{key.value}` is there twice")


def _schema_of(path: str) -> formats.Schema | None:
    """What others ask of a file of that name, as far as nobody gets away without it."""
    if path.endswith(".pre-commit-config.yaml"):
        return _PRE_COMMIT
    return _WORKFLOWS if _WORKFLOW.fullmatch(path) else None


def _open(properties: Mapping[str, formats.Schema], *required: str) -> formats.Schema:
    """An object that may hold more than is said here."""
    return {"type": "object", "properties": properties, "required": list(required)}


_LOCAL = _open(dict.fromkeys(("id", "name", "entry", "language"), formats.WORDS), "id", "name", "entry", "language")
_HOOKS = {"type": "array", "items": _open({"id": formats.WORDS}, "id")}
_REPOSITORY: formats.Schema = {
    "anyOf": [
        _open({"repo": {"const": "local"}, "hooks": {"type": "array", "items": _LOCAL}}, "repo", "hooks"),
        _open({"repo": {"const": "meta"}, "hooks": _HOOKS}, "repo", "hooks"),
        _open({"repo": {"type": "string", "pattern": "^(?!(local|meta)$)."}, "hooks": _HOOKS}, "repo", "rev", "hooks"),
    ]
}
_PRE_COMMIT = _open({"repos": {"type": "array", "items": _REPOSITORY}}, "repos")
_JOB: formats.Schema = {"anyOf": [_open({"steps": {"type": "array"}}, "runs-on", "steps"), _open({}, "uses")]}
_WORKFLOWS = _open({"jobs": {"type": "object", "additionalProperties": _JOB}}, "on", "jobs")
_READERS: Mapping[str, Callable[[str, str], Iterator[Mistake]]] = {
    ".toml": _toml,
    ".json": _json,
    ".py": _python,
    ".pyi": _python,
    ".yaml": _yaml,
    ".yml": _yaml,
}
