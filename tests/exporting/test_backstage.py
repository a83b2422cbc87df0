"""A blueprint for Backstage: its own schema takes the form, and the workflow stamps what the form was told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7
from ruamel.yaml import YAML

from ai_factory.factory import open_factory
from ai_factory.workshop.exporting.backstage import TEMPLATE, WORKFLOW, form, template
from ai_factory.workshop.exporting.repository import with_all
from tests import golden
from tests.kit import cli, put, small_factory, tree

SCHEMAS = json.loads((Path(__file__).parents[1] / "schemas" / "backstage-template.json").read_text("utf-8"))
RESOURCES = [(name, DRAFT7.create_resource(schema)) for name, schema in SCHEMAS.items()]
VALIDATOR = Draft7Validator(SCHEMAS["TemplateV1beta3"], registry=Registry().with_resources(RESOURCES))


def forms(data: dict[str, Any]) -> list[dict[str, Any]]:
    """The pages of a form."""
    return list(data["spec"]["parameters"])


@pytest.mark.parametrize("blueprint", golden.BLUEPRINTS)
def test_backstages_own_schema_takes_every_blueprint(blueprint: str) -> None:
    """And each page is a JSON Schema that takes its own defaults."""
    made = with_all(blueprint, open_factory(str(golden.ROOT)))
    data = YAML(typ="safe").load(template(made)[TEMPLATE].content)
    assert data == form(made)
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []
    for page in forms(data)[1:]:
        Draft7Validator.check_schema(page)
        defaults = {key: one["default"] for key, one in page["properties"].items() if "default" in one}
        assert [error.message for error in Draft7Validator(page).iter_errors(defaults)] == []


def test_the_schema_is_not_one_that_takes_anything() -> None:
    data = form(with_all("blank", open_factory(str(golden.ROOT))))
    assert not VALIDATOR.is_valid({**data, "apiVersion": "scaffolder.backstage.io/v1"})
    assert not VALIDATOR.is_valid({**data, "spec": {**data["spec"], "steps": [{"id": "stamp"}]}})
    assert not VALIDATOR.is_valid({**data, "metadata": {"title": "no name"}})


QUESTIONS = """\
_subdirectory: files
plain: { type: str, help: Which?, default: a }
computed: { type: str, default: "{{ plain }}-b" }
needed: { type: int, help: How many? }
size: { type: float, choices: { small: 1.5, large: 2.5 }, default: 1.5 }
several: { type: str, multiselect: true, choices: [x, y], default: [x] }
free: { type: yaml, default: { a: 1 } }
flag: { type: bool, default: false }
flagged: { type: str, default: z, when: "{{ flag }}" }
other: { type: str, default: o, when: "{{ plain == 'a' }}" }
never: { type: str, default: n, when: false }
"""


def test_questions_become_fields(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "blueprints/odd.yaml": "summary: Odd\ncomponents: [one]\noptional: [two]\nanswers: { plain: preset }\n",
            "templates/one/component.yaml": "summary: One\n",
            "templates/one/copier.yml": QUESTIONS,
            "templates/one/files/a.md": "a\n",
            "templates/two/component.yaml": "summary: Two\nrequires: [one]\n",
            "templates/two/copier.yml": "_subdirectory: files\nextra: { type: str, help: More?, default: e }\n",
            "templates/two/files/b.md": "b\n",
        },
    )
    _, answers, parts = forms(form(with_all("odd", open_factory(str(tmp_path)))))
    text = {"type": "string"}
    assert answers == {
        "title": "Answers",
        "required": ["needed"],
        "properties": {
            "plain": {"title": "Plain", "description": "Which?", **text, "default": "preset"},
            "computed": {"title": "Computed", "description": "(left empty, it follows from the other answers)", **text},
            "needed": {"title": "Needed", "description": "How many?", "type": "integer"},
            "size": {
                "title": "Size",
                "type": "number",
                "enum": [1.5, 2.5],
                "enumNames": ["small", "large"],
                "default": 1.5,
            },
            "several": {
                "title": "Several",
                "type": "array",
                "items": {"type": "string", "enum": ["x", "y"]},
                "uniqueItems": True,
                "ui:widget": "checkboxes",
                "default": ["x"],
            },
            "free": {"title": "Free", **text, "ui:widget": "textarea"},
            "flag": {"title": "Flag", "type": "boolean", "default": False},
            "other": {"title": "Other", **text, "default": "o"},
        },
        "dependencies": {
            "flag": {
                "oneOf": [
                    {"properties": {"flag": {"const": False}}},
                    {"properties": {"flag": {"const": True}, "flagged": {"title": "Flagged", **text, "default": "z"}}},
                ]
            }
        },
    }
    extra = {"title": "Extra", "description": "More?", **text, "default": "e"}
    assert parts == {
        "title": "Optional parts",
        "properties": {"with_two": {"title": "two", "type": "boolean", "description": "Two", "default": False}},
        "dependencies": {
            "with_two": {
                "oneOf": [
                    {"properties": {"with_two": {"const": False}}},
                    {"properties": {"with_two": {"const": True}, "extra": extra}},
                ]
            }
        },
    }


def test_the_workflow_stamps_what_was_asked_for(tmp_path: Path) -> None:
    """Its own script, run with a request as the form would send it: what nobody asks is left out."""
    address = f"file://{small_factory(tmp_path / 'factory')}"
    place = tmp_path / "out"
    result = cli("blueprint", "export", "small", str(place), "--as", "backstage", "--factory", address, "--json")
    assert (result.code, result.data) == (
        0,
        {
            "schema": "ai-factory/blueprint-backstage/1",
            "blueprint": "small",
            "version": "v2.0.0",
            "place": str(place),
            "files": ["README.md", TEMPLATE, WORKFLOW],
        },
    )
    steps = YAML(typ="safe").load((place / WORKFLOW).read_bytes())["jobs"]["stamp"]["steps"]
    request = {"repoUrl": "github.com?owner=o&repo=r", "use_case": "loans", "package": "", "with_nice": True, "gone": 1}
    environment = {**os.environ, "REQUEST": json.dumps(request)}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-c", steps[1]["run"]]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = tree(tmp_path / "project")
    assert (found["src/loans/main.py"], found["docs/nice.md"]) == ('NAME = "loans 2"\n', "nice\n")


def test_the_workflow_is_one_and_a_safe_one(tmp_path: Path) -> None:
    """As GitHub's schema, and a tool that looks for holes in workflows, see it."""
    golden.write(tmp_path / "out", template(with_all("tabular-decision", open_factory("embedded"))))
    workflow = str(tmp_path / "out" / WORKFLOW)
    schema = ["check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    for tool in (schema, ["zizmor", "--offline", "--no-config"]):
        command = [sys.executable, "-m", *tool] if tool is schema else [str(Path(sys.executable).parent / "zizmor")]
        rest = [] if tool is schema else tool[1:]
        done = subprocess.run([*command, *rest, workflow], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "out"
    put(place, {"README.md": "mine\n", "other.md": "mine\n"})
    result = cli("blueprint", "export", "blank", str(place), "--as", "backstage")
    told = f"error: `{place}/README.md` is there already, and is another one\nhint: remove it, or name another folder\n"
    assert (result.code, result.err) == (2, told)
    assert sorted(os.listdir(place)) == ["README.md", "other.md"]
    (place / "README.md").unlink()
    assert cli("blueprint", "export", "blank", str(place), "--as", "backstage").code == 0
    assert cli("blueprint", "export", "blank", str(place), "--as", "backstage").code == 0


def test_a_folder_is_no_factory_for_a_workflow_elsewhere(tmp_path: Path) -> None:
    factory = small_factory(tmp_path / "factory")
    result = cli("blueprint", "export", "small", str(tmp_path / "o"), "--as", "backstage", "--factory", str(factory))
    told = f"error: the factory `{factory}` is a folder here, and the project is stamped by a workflow elsewhere"
    assert (result.code, result.err.splitlines()[0]) == (2, told)
    assert not (tmp_path / "o").exists()
