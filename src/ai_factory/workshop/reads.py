"""What a template reads, told from its syntax: also in branches that no rendering goes through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from jinja2 import nodes
from jinja2.filters import FILTERS
from jinja2.meta import find_undeclared_variables
from jinja2.tests import TESTS

from ai_factory.sandbox import TAKEN_AWAY, syntax

CONTRIBUTIONS = "_contributions"
OURS = ("_blueprint", "_components", CONTRIBUTIONS)
CHANGING = (*TAKEN_AWAY, "now")  # what would differ from run to run, or is nothing for a template


class Reads(NamedTuple):
    """The free names of a template and the first line of each, contributions by kind, and what may not be used."""

    names: dict[str, int]
    kinds: frozenset[str]  # "" where it goes over all of them
    changing: dict[str, int]
    unknown: dict[str, int]  # what is wrong with a filter or test, and in which line


def of_template(source: str, where: str) -> Reads:
    """What a template reads. Raises AuthorError, with file and line, for one that is none."""
    tree = syntax(source, where)
    free = find_undeclared_variables(tree) - {node.name for node in tree.find_all(nodes.Name) if node.ctx == "store"}
    names: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in free and node.ctx == "load":
            names.setdefault(node.name, node.lineno)
    changing = {name: line for name, line in names.items() if name in CHANGING}
    for used in tree.find_all(nodes.Filter):
        if used.name in CHANGING:
            changing.setdefault(used.name, used.lineno)
    changing |= {name: line for name, line in _mapped(tree) if name in CHANGING}
    tested = set(_tested(tree))
    known = {name: line for name, line in names.items() if name not in tested and name not in CHANGING}
    return Reads(known, frozenset(_kinds(tree)), changing, dict(_unknown(tree)))


def of_expression(source: str, where: str) -> Reads:
    """What one Jinja expression reads, such as a `when`."""
    return of_template(source if "{{" in source or "{%" in source else f"{{{{ ({source}) }}}}", where)


def _mapped(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """The filters that others apply by name, as `map('upper')` does."""
    for used in tree.find_all(nodes.Filter):
        if used.name == "map" and used.args and isinstance(used.args[0], nodes.Const):
            yield str(used.args[0].value), used.lineno


def _unknown(tree: nodes.Template) -> Iterator[tuple[str, int]]:
    """Filters and tests that there are not: Jinja tells of one where it is rendered alone."""
    for name, line in (*((one.name, one.lineno) for one in tree.find_all(nodes.Filter)), *_mapped(tree)):
        if name not in FILTERS or name in TAKEN_AWAY:
            yield f"No filter named {name!r}.", line
    for test in tree.find_all(nodes.Test):
        if test.name not in TESTS:
            yield f"No test named {test.name!r}.", test.lineno


def _tested(tree: nodes.Template) -> Iterator[str]:
    """The names of which a template asks whether they are defined, or for which it has a default."""
    for used in tree.find_all(nodes.Filter):
        if used.name in ("default", "d") and isinstance(used.node, nodes.Name):
            yield used.node.name
    for test in tree.find_all(nodes.Test):
        if test.name in ("defined", "undefined") and isinstance(test.node, nodes.Name):
            yield test.node.name


def _kinds(tree: nodes.Template) -> Iterator[str]:
    one_by_one = 0
    found: Iterator[Any] = tree.find_all((nodes.Getattr, nodes.Getitem))
    for node in found:
        if isinstance(node.node, nodes.Name) and node.node.name == CONTRIBUTIONS:
            one_by_one += 1
            yield _key(node)
    if one_by_one < sum(node.name == CONTRIBUTIONS for node in tree.find_all(nodes.Name)):
        yield ""


def _key(node: Any) -> str:
    if isinstance(node, nodes.Getattr):
        return node.attr
    return str(node.arg.value) if isinstance(node.arg, nodes.Const) else ""
