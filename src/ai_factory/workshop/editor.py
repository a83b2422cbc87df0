"""What lets an editor complete and check the files of a factory: their JSON Schemas, and a first line that names them.

The schemas lie in the factory and are named by relative paths, so that they are found without a network, in any clone,
and whichever version of the tool is installed.
"""

from __future__ import annotations

import json
import os
import re
from codecs import BOM_UTF8

from ai_factory import formats
from ai_factory.catalog import BLUEPRINTS, COMPONENTS, CONTROLS
from ai_factory.errors import UsageError
from ai_factory.governance.reading import OVERLAY, SCHEMAS
from ai_factory.layers import DECLARATION, EXTEND, declaration, part_of
from ai_factory.newest import folder_paths
from ai_factory.tree import File, Tree, with_endings_of
from ai_factory.workshop.opening import factory_at
from ai_factory.workspace import Folder

FOLDER = ".schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
EXTENSIONS = ("component-extension", "blueprint-extension")
NAMES = (
    "component",
    "questions",
    "blueprint",
    *EXTENSIONS,
    "factory",
    *SCHEMAS,
    OVERLAY,
)  # of the formats that authors write
_MARK = "# yaml-language-server: $schema="
_PLACES = (
    (rf"{COMPONENTS}/[^/]+/component\.yaml", "component"),
    (rf"{COMPONENTS}/[^/]+/copier\.yml", "questions"),
    (rf"{BLUEPRINTS}/[^/]+\.yaml", "blueprint"),
    (re.escape(DECLARATION), "factory"),
    *((rf"{CONTROLS}/{name}\.yaml", name) for name in (*SCHEMAS, OVERLAY)),
)


def schema(name: str) -> str:
    """A format as a JSON Schema."""
    found = formats.FORMATS[name]
    head = {"$schema": DIALECT, "$id": f"urn:ai-factory:schema:{name}", "title": str(found["title"])}
    return json.dumps({**head, **found}, indent=2, ensure_ascii=False) + "\n"


def files() -> dict[str, File]:
    """The schemas of all that the authors of a factory write, by their paths in it."""
    return {f"{FOLDER}/{name}.schema.json": File(schema(name).encode()) for name in NAMES}


def line(path: str, extends: bool = False) -> str:
    """The first line of an author's file, which names its schema; empty where the path in the factory has none."""
    name = next((name for place, name in _PLACES if re.fullmatch(place, path)), "")
    name = f"{name}-extension" if extends and f"{name}-extension" in EXTENSIONS else name
    return f"{_MARK}{'../' * path.count('/')}{FOLDER}/{name}.schema.json\n" if name else ""


def headed(tree: Tree) -> dict[str, File]:
    """Those files of a factory that lack their first line, with it; one that names any schema is left as it is."""
    words = declaration(tree).words
    first = {path: line(path, words.get(part_of(path)) == EXTEND) for path in tree}
    return {
        path: file._replace(content=_headed(first[path].encode(), file.content))
        for path, file in tree.items()
        if first[path] and not any(row.startswith(_MARK.encode()) for row in file.content.splitlines()[:5])
    }


def _headed(row: bytes, content: bytes) -> bytes:
    """The content with that first line; a byte order mark comes before all, and a file keeps its line endings."""
    mark = BOM_UTF8 if content.startswith(BOM_UTF8) else b""
    return mark + with_endings_of(row, content) + content.removeprefix(mark)


def unheaded(file: File) -> File:
    """The file without its line for editors, which says nothing to anybody else."""
    rows = file.content.removeprefix(BOM_UTF8).splitlines(keepends=True)
    named = next((row for row in rows[:5] if row.startswith(_MARK.encode())), b"")
    return file._replace(content=file.content.replace(named, b"", 1)) if named else file


def changes(held: Tree) -> dict[str, File]:
    """What a factory's folder needs, given what it holds: schemas that it lacks or has otherwise, and first lines."""
    schemas = {path: file for path, file in files().items() if held.get(path) != file}
    return {**schemas, **headed(held)}


def set_up(folder: str) -> tuple[str, ...]:
    """Write the schemas and the first lines into a factory's folder; the paths that were written.

    Raises UsageError where there is no factory, MachineError where it cannot be written.
    """
    disk = Folder(os.path.realpath(folder))
    if factory_at(folder).origin.kind != "folder":
        raise UsageError(f"`{folder}` is no folder with a factory", "clone it, and name the folder")
    paths = [*folder_paths(disk), *(path for path in files() if disk.read(path))]
    found = changes(disk.read_all(paths))
    for path, file in found.items():
        disk.write(path, file)
    return tuple(found)
