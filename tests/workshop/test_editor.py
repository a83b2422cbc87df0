"""An editor completes and checks what authors write: schemas in the factory, named by each file's first line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from codecs import BOM_UTF8
from pathlib import Path

import pytest

from ai_factory.newest import folder_paths
from ai_factory.tree import File
from ai_factory.workshop.editor import changes, files, line, unheaded
from ai_factory.workspace import Folder
from tests import golden
from tests.kit import cli, put, small_factory, snapshot

MARK = re.compile(r"# yaml-language-server: \$schema=(.+)\n")


def test_a_factory_gets_schemas_and_first_lines(tmp_path: Path) -> None:
    """Both once: what is there already is left as it is, to the byte."""
    factory = small_factory(tmp_path / "factory", tags=False)
    own = "# yaml-language-server: $schema=https://example.org/own.json\nsummary: Extras\nrequires: [core]\n"
    put(factory, {"templates/extras/component.yaml": own})
    result = cli("factory", "editor", str(factory), "--json")
    edited = ["blueprints/small.yaml", "templates/core/component.yaml", "templates/core/copier.yml"]
    edited.append("templates/nice/component.yaml")
    assert (result.code, sorted(result.data["written"])) == (0, sorted([*files(), *edited]))
    assert (factory / "templates/core/copier.yml").read_text().splitlines()[:2] == [
        "# yaml-language-server: $schema=../../.schemas/questions.schema.json",
        "_subdirectory: files",
    ]
    assert (factory / "templates/extras/component.yaml").read_text() == own
    before = snapshot(factory)
    assert cli("factory", "editor", str(factory)).out == "all is there\n"
    assert snapshot(factory) == before


def test_a_file_stays_as_readable_as_it_was(tmp_path: Path) -> None:
    """Its byte order mark stays in front, its line endings and its permissions are kept."""
    factory = small_factory(tmp_path / "factory", tags=False)
    path = factory / "templates/core/component.yaml"
    text = path.read_bytes().replace(b"\n", b"\r\n")
    path.write_bytes(BOM_UTF8 + text)
    path.chmod(0o600)
    assert cli("factory", "editor", str(factory)).code == 0
    row = line("templates/core/component.yaml").encode().replace(b"\n", b"\r\n")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (BOM_UTF8 + row + text, 0o600)
    assert unheaded(File(path.read_bytes())) == File(BOM_UTF8 + text)
    assert "FL001" not in cli("factory", "lint", str(factory)).out


def test_an_older_schema_is_replaced() -> None:
    held = {**files(), ".schemas/component.schema.json": File(b"{}")}
    assert changes(held) == {".schemas/component.schema.json": files()[".schemas/component.schema.json"]}


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    result = cli("factory", "editor", "embedded", cwd=tmp_path)
    told = "error: `embedded` is no folder with a factory\nhint: clone it, and name the folder\n"
    assert (result.code, result.err) == (2, told)
    put(tmp_path, {"notes.md": "x\n"})
    assert cli("factory", "editor", str(tmp_path)).code == 2
    assert os.listdir(tmp_path) == ["notes.md"]


def _ours() -> list[str]:
    return [path for path in folder_paths(Folder(str(golden.ROOT))) if line(path)]


def test_each_file_of_ours_names_its_schema() -> None:
    """As `ai-factory factory editor` would write it; the schema lies there."""
    lacking = [path for path in _ours() if not (golden.ROOT / path).read_text("utf-8").startswith(line(path))]
    assert lacking == []
    for path in _ours():
        named = MARK.match((golden.ROOT / path).read_text("utf-8"))
        assert named
        assert (golden.ROOT / path).parent.joinpath(named[1]).resolve().is_file()


@pytest.mark.parametrize("name", sorted({(MARK.match(line(path)) or [""])[1].rsplit("/")[-1] for path in _ours()}))
def test_each_file_of_ours_keeps_the_schema_that_it_names(name: str, tmp_path: Path) -> None:
    """As another program reads both: the one that editors and hooks use."""
    schema = f"{golden.ROOT}/.schemas/{name}"
    paths = [str(golden.ROOT / path) for path in _ours() if line(path).endswith(f"/{name}\n")]
    command = [sys.executable, "-m", "check_jsonschema", "--schemafile", schema, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    kind = name.partition(".")[0]
    assert json.loads(Path(schema).read_text("utf-8"))["$id"] == f"urn:ai-factory:schema:{kind}"
