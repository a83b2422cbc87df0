"""What Python files import, told from their text: which other files, and which of the declared requirements."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator

IMPORTED_AS = {  # packages that are imported under a name of their own
    "beautifulsoup4": ("bs4",),
    "opencv-python": ("cv2",),
    "pillow": ("PIL",),
    "python-dateutil": ("dateutil",),
    "python-dotenv": ("dotenv",),
    "pyjwt": ("jwt",),
    "pyyaml": ("yaml",),
    "scikit-learn": ("sklearn",),
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def modules(path: str, source: bytes) -> list[str]:
    """The modules that a file names, `a.b.c` for `from a.b import c` too; none of one that is no Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    return sorted(set(_modules(path, tree)))


def _modules(path: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = path.split("/")[: -node.level] if node.level else []
            start = ".".join([*_importable(above), *filter(None, [node.module])])
            yield from (f"{start}.{alias.name}".strip(".") for alias in node.names)


def _importable(folders: list[str]) -> list[str]:
    """The folders of a file as its package is imported: a `src` layout does not name `src`."""
    return folders[1:] if folders[:1] == ["src"] else folders


def file_of(module: str, is_there: Callable[[str], bool]) -> str:
    """The file of a project that a module, or a name in one, is from; empty where none is."""
    parts = module.split(".")
    for size in range(len(parts), 0, -1):
        stem = "/".join(parts[:size])
        for place in (f"{top}{stem}{end}" for top in ("src/", "") for end in (".py", "/__init__.py")):
            if is_there(place):
                return place
    return ""


def is_foreign(module: str) -> bool:
    """Whether the module is none of Python's own."""
    return module.partition(".")[0] not in sys.stdlib_module_names


def required(module: str, requirements: Iterable[str]) -> str:
    """The one of these requirements that the module is from, as far as its name tells; empty where none is."""
    top = module.partition(".")[0]
    for one in requirements:
        name = package(one)
        if top == name.replace("-", "_") or top.lower() == name.replace("-", "_") or top in IMPORTED_AS.get(name, ()):
            return one
    return ""


def package(requirement: str) -> str:
    """The name of the package that a requirement is of, as indexes compare names (PEP 503)."""
    found = _NAME.match(requirement.strip())
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""
