"""`component list` and `component show`: the components of a factory as a library, for a person and a machine."""

from __future__ import annotations

from pathlib import Path

from tests.fleet.kit import fleet, rows
from tests.kit import cli, commit, git, put

SHOWN = """\
core 2.0.0: The core
owns:
  config/settings.txt: merged
  ops/new.md: merged
  ops/runbook.md: merged
  pyproject.toml: merged
  src/{{ package }}/controls/audit.py: managed
  src/{{ package }}/main.py: seeded
produces:
  evidence/run.json
asks:
  use_case (str): What it is for [small thing]
  package (str): Name of the package [{{ use_case | lower | replace(' ', '_') }}]
evidence for:
  AUD-01 Complete decision events
    src/{{ package }}/controls/**
  GOV-08 Template drift and regulatory-change status
    ops/*.md
releases:
  2.0.0 (approvals: review)
    by hand: call `record()` once
  1.0.0
in blueprints:
  small
"""


def test_a_component_as_text(factory: Path) -> None:
    result = cli("component", "show", "core", "--factory", str(factory))
    assert (result.code, result.out) == (0, SHOWN)


def test_what_it_gives_where_it_is_taken_and_how_it_is_used(factory: Path) -> None:
    put(
        factory,
        {
            "templates/nice/README.md": "# nice\n\nNice to have.\n",
            "templates/nice/copier.yml": "_subdirectory: files\n"
            "colours: {type: str, multiselect: true, choices: [red, blue], default: [red], help: Which?}\n",
            "templates/nice/component.yaml": """\
summary: Nice to have
requires: [core]
contributes:
  dependencies: [{ value: "polars>=2", when: "'red' in colours" }]
  make: { paint: { help: paints, recipe: echo } }
  docs: [{ title: Nice, path: docs/nice.md }]
""",
        },
    )
    result = cli("component", "show", "nice", "--factory", str(factory))
    version = cli("component", "show", "nice", "--factory", str(factory), "--json").data["version"]
    assert result.out == (
        f"nice {version}: Nice to have\n"
        "requires:\n  core\n"
        "owns:\n  docs/nice.md: merged\n"
        "asks:\n  colours (several of str): Which? [['red']]\n    one of: red, blue\n"
        "contributes:\n  dependencies: polars>=2\n  make: paint\n  docs: docs/nice.md\n"
        "in blueprints:\n  small (optional)\n"
        "how it is used:\n  # nice\n\n  Nice to have.\n"
    )


def test_a_component_for_machines(factory: Path) -> None:
    data = cli("component", "show", "core", "--factory", str(factory), "--json").data
    told = {key: data[key] for key in ("schema", "name", "version", "controls", "releases", "blueprints", "pattern")}
    assert told == {
        "schema": "ai-factory/component/1",
        "name": "core",
        "version": "2.0.0",
        "controls": {"AUD-01": "Complete decision events", "GOV-08": "Template drift and regulatory-change status"},
        "releases": [
            {"version": "2.0.0", "impact": "review", "manual": ["call `record()` once"]},
            {"version": "1.0.0", "impact": "", "manual": []},
        ],
        "blueprints": [{"name": "small", "optional": False}],
        "pattern": "",
    }
    assert data["owns"]["src/{{ package }}/main.py"] == "seeded"
    assert "used_by" not in data


def test_who_has_it(project: Path, factory: Path, tmp_path: Path) -> None:
    """Each project of a fleet that has it, at its version; one that cannot be read is named, and is exit code 3."""
    where = fleet(tmp_path / "fleet", rows(project, tmp_path / "gone", factory=factory))
    result = cli("component", "show", "core", "--factory", str(factory), "--fleet", "fleet.yaml", cwd=where)
    assert result.code == 3
    told = result.out.removeprefix(SHOWN).splitlines()
    assert told[:2] == ["used by 1 system of 2:", f"  {project} at 1.0.0"]
    assert told[2].startswith(f"not read: {tmp_path}/gone: ")
    found = cli("component", "show", "nice", "--factory", str(factory), "--fleet", "fleet.yaml", "--json", cwd=where)
    assert found.data["used_by"] == []


def test_a_list(factory: Path) -> None:
    git(factory, "checkout", "-q", "v1.0.0")
    commit(factory)
    version = cli("component", "show", "nice", "--factory", str(factory), "--json").data["version"]
    wide = " " * (len(version) - len("1.0.0"))
    assert cli("component", "list", "--factory", str(factory)).out == (
        f"core    1.0.0{wide}  6 files, 2 questions, 2 controls  The core\n"
        f"extras  {version}  1 file, 1 contribution            Extras\n"
        f"nice    {version}  1 file                            Nice to have\n"
    )
