"""Which files beside managed ones Python runs in their place, or a tool reads by itself, told from their names.

Python's rules, as the documentation of `importlib` has them: in a folder, a package comes before a module of its name,
and of one name an extension module before source, source before bytecode without source.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

EXTENSIONS = (".so", ".pyd")  # of compiled modules, on any system
READ_BY_TOOLS = frozenset(
    {
        *("conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "setup.cfg"),  # pytest
        *("pyproject.toml", "ruff.toml", ".ruff.toml"),  # ruff takes the nearest, and pytest the first as well
    }
)


class Shadow(NamedTuple):
    """A managed module, and what runs in its place; `unread` where that is bytecode said to be the module's own."""

    path: str
    other: str
    unread: bool = False


def is_compiled(name: str, stem: str) -> bool:
    """Whether a file of that name is an extension module that Python imports as `stem`."""
    return name.startswith(f"{stem}.") and name.endswith(EXTENSIONS)


def is_package_code(name: str) -> bool:
    """Whether Python takes a file of that name for the code of the package that its folder is."""
    return name in ("__init__.py", "__init__.pyc") or is_compiled(name, "__init__")


def is_read_by_itself(path: str, paths: Collection[str]) -> bool:
    """Whether a tool reads the file by itself, and the managed files of its folder do something else then.

    `paths` are those of the lock: code of a package counts where it makes a folder of the factory's one.
    """
    folder, slash, name = path.rpartition("/")
    if name in READ_BY_TOOLS:
        return True
    here = folder + slash
    if not is_package_code(name) or f"{here}__init__.py" in paths:
        return False
    return any(other.startswith(here) and "/" not in other[len(here) :] for other in paths)
