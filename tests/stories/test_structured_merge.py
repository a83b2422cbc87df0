"""`sync` where both changed the same lines of a file with entries: what these are decides, not where they stand."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.kit import SMALL, cli, commit, git, put, rules, small_project, snapshot, tree

FILES = "templates/core/files/"
COMPONENT = SMALL["templates/core/component.yaml"]
PYPROJECT = """\
# The project's settings.
[project]
name = "{{ package }}"
dependencies = [
  "fastapi>=1",  # the web
  "numpy>=2",
]

[tool.old]
level = "low"
"""
HOOKS = """\
# Hooks run from .venv.
repos:
  - repo: local
    hooks:
      - id: lint
        name: lint
"""


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    """A small factory at v1.0.0 whose project has a `pyproject.toml` and hooks."""
    place = tmp_path / "factory"
    put(place, {**SMALL, f"{FILES}pyproject.toml.jinja": PYPROJECT, f"{FILES}.pre-commit-config.yaml": HOOKS})
    git(tmp_path, "init", "-q", "-b", "main", str(place))
    release(place, "1.0.0", {})
    return place


def release(factory: Path, version: str, files: dict[str, str | None], *changes: str) -> None:
    """The next version, with what the component declares about it."""
    before = (factory / "templates/core/component.yaml").read_text()
    declared = "".join(f"  - {{ since: {version}, {change} }}\n" for change in changes)
    head = "" if "\nchanges:\n" in before or not changes else "changes:\n"
    log = f"# Changelog\n\n## {version}\n\n- next\n"
    put(
        factory,
        {"templates/core/component.yaml": before + head + declared, "templates/core/CHANGELOG.md": log, **files},
    )
    commit(factory, version)
    git(factory, "tag", f"v{version}")


@pytest.fixture
def project(tmp_path: Path, factory: Path) -> Path:
    """A project stamped from v1.0.0, where the team works on."""
    return small_project(tmp_path / "small-thing", factory)


def edited(project: Path, path: str, old: str, new: str) -> None:
    """The team's edit, committed."""
    text = (project / path).read_text()
    assert old in text
    put(project, {path: text.replace(old, new)})
    commit(project)


def test_a_dependency_and_a_hook_that_both_sides_add_are_clean(project: Path, factory: Path) -> None:
    edited(project, "pyproject.toml", '  "numpy>=2",\n', '  "numpy>=2",\n  # for the notebooks\n  "pandas>=3",\n')
    edited(project, ".pre-commit-config.yaml", "        name: lint\n", "        name: lint\n      - id: ours\n")
    release(
        factory,
        "2.0.0",
        {
            f"{FILES}pyproject.toml.jinja": PYPROJECT.replace(
                '  "numpy>=2",\n', '  "numpy>=2.1",\n  "polars>=2",  # frames\n'
            ),
            f"{FILES}.pre-commit-config.yaml": HOOKS + "      # types too\n      - id: types\n        name: types\n",
        },
    )
    plan = cli("sync", "--plan", "--json", cwd=project)
    assert plan.code == 0
    assert [(row["path"], row["action"], row["why"]) for row in plan.data["changes"]] == [
        (".pre-commit-config.yaml", "merge", "both sides changed it: merged by its entries"),
        ("pyproject.toml", "merge", "both sides changed it: merged by its entries"),
    ]
    result = cli("sync", cwd=project)
    assert (result.code, rules(project)) == (0, [])
    assert (
        (project / "pyproject.toml").read_text()
        == """\
# The project's settings.
[project]
name = "small_thing"
dependencies = [
  "fastapi>=1",  # the web
  "numpy>=2.1",
  "polars>=2",  # frames
  # for the notebooks
  "pandas>=3",
]

[tool.old]
level = "low"
"""
    )
    assert (
        (project / ".pre-commit-config.yaml").read_text()
        == """\
# Hooks run from .venv.
repos:
  - repo: local
    hooks:
      - id: lint
        name: lint
      # types too
      - id: types
        name: types
      - id: ours
"""
    )
    git(project, "commit", "-q", "-m", "sync")
    assert cli("sync", cwd=project).out.startswith("nothing to do")


def test_the_next_version_is_merged_with_the_new_base(project: Path, factory: Path) -> None:
    """What was merged by its entries is the team's file, and the new version its base."""
    edited(project, "pyproject.toml", '  "numpy>=2",\n', '  "numpy>=2",\n  "pandas>=3",\n')
    second = PYPROJECT.replace('  "numpy>=2",\n', '  "numpy>=2",\n  "polars>=2",\n')
    release(factory, "2.0.0", {f"{FILES}pyproject.toml.jinja": second})
    assert cli("sync", "--commit", cwd=project).code == 0
    release(factory, "3.0.0", {f"{FILES}pyproject.toml.jinja": second.replace('  "polars>=2",\n', "")})
    assert cli("sync", "--commit", cwd=project).code == 0
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"] == [
        "fastapi>=1",
        "numpy>=2",
        "pandas>=3",
    ]


def test_one_entry_that_both_change_is_a_conflict_and_the_file_stays_valid(project: Path, factory: Path) -> None:
    edited(project, "pyproject.toml", '"numpy>=2"', '"numpy>=2,<2.3"')
    before = (project / "pyproject.toml").read_text()
    release(factory, "2.0.0", {f"{FILES}pyproject.toml.jinja": PYPROJECT.replace('"numpy>=2"', '"numpy>=2.4"')})
    assert cli("sync", cwd=project).code == 1
    assert (project / "pyproject.toml").read_text() == before
    incoming = tomllib.loads((project / "pyproject.toml.incoming").read_text())
    assert incoming["project"]["dependencies"] == ["fastapi>=1", "numpy>=2.4"]
    assert rules(project) == [("AF004", "pyproject.toml")]


def test_a_dependency_that_both_add_in_two_places_is_no_clean_merge(project: Path, factory: Path) -> None:
    """The lines do not clash, and pip would refuse the result."""
    names = "".join(f'  "p{number}",\n' for number in range(9))
    many = PYPROJECT.replace('  "numpy>=2",\n', names)
    release(factory, "2.0.0", {f"{FILES}pyproject.toml.jinja": many})
    assert cli("sync", "--commit", cwd=project).code == 0
    edited(project, "pyproject.toml", '  "p1",\n', '  "p1",\n  "both>=1",\n')
    release(factory, "3.0.0", {f"{FILES}pyproject.toml.jinja": many.replace('  "p7",\n', '  "p7",\n  "both>=2",\n')})
    assert cli("sync", cwd=project).code == 1
    assert rules(project) == [("AF004", "pyproject.toml")]


# ---- what components declare ---------------------------------------------------------------------


MOVES = [  # ten releases: renamed, moved to other tables, with its table, away and back; and where it is then
    ("tool.old.level", "tool.old.grade", "tool.old.grade"),
    ("tool.old.grade", "tool.audit.grade", "tool.audit.grade"),
    ("tool.audit", "tool.log", "tool.log.grade"),
    ("tool.log.grade", "tool.log.deep.grade", "tool.log.deep.grade"),
    ("tool.log.deep.grade", 'tool."a.b".grade', 'tool."a.b".grade'),
    ('tool."a.b"', "tool.x", "tool.x.grade"),
    ("tool.x.grade", "grade", "grade"),
    ("grade", "tool.y.grade", "tool.y.grade"),
    ("tool.y.grade", "tool.old.level", "tool.old.level"),
    ("tool.old.level", "tool.audit.level", "tool.audit.level"),
]


def with_setting(place: str) -> str:
    """The template with the setting at a place."""
    table, _, key = place.rpartition(".")
    head = PYPROJECT.split("[tool.old]", maxsplit=1)[0]
    return f'{head}[{table}]\n{key} = "low"\n' if table else f'{key} = "low"\n{head}'


def test_a_setting_that_moves_in_ten_releases_keeps_what_the_team_made_of_it(project: Path, factory: Path) -> None:
    edited(project, "pyproject.toml", 'level = "low"', '# we are careful\nlevel = "high"  # since the audit')
    for number, (old, new, place) in enumerate(MOVES, 2):
        move = f"move_keys: {{ pyproject.toml: {{ {json.dumps(old)}: {json.dumps(new)} }} }}"
        release(factory, f"{number}.0.0", {f"{FILES}pyproject.toml.jinja": with_setting(place)}, move)
    shutil.copytree(project, project.parent / "steps")
    assert cli("sync", "--commit", cwd=project).code == 0
    text = (project / "pyproject.toml").read_text()
    assert text == PYPROJECT.replace("{{ package }}", "small_thing").replace(
        '[tool.old]\nlevel = "low"\n',
        '[tool.audit]\n# we are careful\nlevel = "high"  # since the audit\n',
    )
    for number in range(2, len(MOVES) + 2):
        assert cli("sync", "--commit", "--to", f"v{number}.0.0", cwd=project.parent / "steps").code == 0
    assert tomllib.loads((project.parent / "steps/pyproject.toml").read_text()) == tomllib.loads(text)


def test_a_setting_that_cannot_move_is_a_conflict(project: Path, factory: Path) -> None:
    """The team had something of its own at the new place: nothing is guessed, nothing lost."""
    edited(project, "pyproject.toml", 'level = "low"\n', 'level = "high"\n[tool.audit]\nlevel = "ours"\n')
    before = (project / "pyproject.toml").read_text()
    move = "move_keys: { pyproject.toml: { tool.old.level: tool.audit.level } }"
    release(factory, "2.0.0", {f"{FILES}pyproject.toml.jinja": with_setting("tool.audit.level")}, move)
    assert cli("sync", cwd=project).code == 1
    assert (project / "pyproject.toml").read_text() == before


def test_declared_paths_may_hold_answers(project: Path, factory: Path) -> None:
    """A rename, a removal and a moved key, each of a file below `src/{{ package }}`."""
    folder = f"{FILES}src/{{{{ package }}}}/"
    start = {f"{folder}a.py": "a = 1\nb = 2\nc = 3\n", f"{folder}b.py": "b\n", f"{folder}c.toml": "[old]\nx = 1\n"}
    release(factory, "2.0.0", dict(start))
    assert cli("sync", "--commit", cwd=project).code == 0
    edited(project, "src/small_thing/a.py", "c = 3", "c = 4")
    edited(project, "src/small_thing/c.toml", "x = 1", "x = 2")
    release(
        factory,
        "3.0.0",
        {
            f"{folder}a.py": None,
            f"{folder}b.py": None,
            f"{folder}new.py": "a = 5\nb = 2\nc = 3\n",
            f"{folder}c.toml": "[new]\nx = 1\n",
        },
        'rename: { "src/{{ package }}/a.py": "src/{{ package }}/new.py" }',
        'remove: ["src/{{ package }}/b.py"]',
        'move_keys: { "src/{{ package }}/c.toml": { old: new } }',
    )
    assert cli("sync", "--commit", cwd=project).code == 0
    found = {path: text for path, text in tree(project).items() if path.startswith("src/small_thing/")}
    assert found == {
        "src/small_thing/c.toml": "[new]\nx = 2\n",
        "src/small_thing/controls/audit.py": SMALL[f"{folder}controls/audit.py"],
        "src/small_thing/main.py": 'NAME = "small thing"\n',
        "src/small_thing/new.py": "a = 5\nb = 2\nc = 4\n",
    }


def test_an_old_path_is_spelled_with_the_answers_that_the_project_had(project: Path, factory: Path) -> None:
    """One answer changes with the sync, another one did not exist before: then its default counts."""
    folder = f"{FILES}src/{{{{ package }}}}/"
    release(factory, "2.0.0", {f"{folder}a.py": "a = 1\nb = 2\nc = 3\n", f"{FILES}ops/b.md": "b\n"})
    assert cli("sync", "--commit", cwd=project).code == 0
    edited(project, "src/small_thing/a.py", "c = 3", "c = 4")
    edited(project, "ops/b.md", "b\n", "ours\n")
    questions = SMALL["templates/core/copier.yml"] + "place: {type: str, help: Where, default: ops}\n"
    release(
        factory,
        "3.0.0",
        {
            "templates/core/copier.yml": questions,
            f"{folder}a.py": None,
            f"{folder}new.py": "a = 1\nb = 2\nc = 3\n",
            f"{FILES}ops/b.md": None,
        },
        'rename: { "src/{{ package }}/a.py": "src/{{ package }}/new.py" }',
        'remove: ["{{ place }}/b.md"]',
    )
    result = cli("sync", "--to", "v3.0.0", "--data", "package=other", cwd=project)
    assert (result.code, rules(project)) == (1, [("AF004", "ops/b.md")])
    assert (project / "src/other/new.py").read_text() == "a = 1\nb = 2\nc = 4\n"
    assert (project / "ops/b.md").read_text() == "ours\n"
    assert "the new version removes it" in result.out


def test_a_declared_path_that_is_none_is_its_authors_mistake(project: Path, factory: Path) -> None:
    before = snapshot(project)
    release(factory, "2.0.0", {}, 'remove: ["../{{ package }}"]')
    result = cli("sync", cwd=project)
    assert (result.code, result.err.splitlines()[0]) == (
        2,
        "error: `templates/core/component.yaml`: the path '../small_thing' points outside its folder or into git's own",
    )
    assert snapshot(project) == before


def test_an_edited_file_that_is_declared_removed_is_kept_whatever_new_one_is_like_it(
    project: Path, factory: Path
) -> None:
    """Without the declaration, git would take the new file for the old one under another name."""
    runbook = SMALL[f"{FILES}ops/runbook.md"]
    edited(project, "ops/runbook.md", "line 19\n", "line nineteen\n")
    new = runbook.replace("line 2\n", "line two\n")
    release(factory, "2.0.0", {f"{FILES}ops/runbook.md": None, f"{FILES}ops/guide.md": new}, "remove: [ops/runbook.md]")
    assert cli("sync", cwd=project).code == 1
    assert (project / "ops/runbook.md").read_text() == runbook.replace("line 19\n", "line nineteen\n")
    assert (project / "ops/guide.md").read_text() == new
    assert rules(project) == [("AF004", "ops/runbook.md")]


def test_an_untouched_file_that_is_declared_removed_goes(project: Path, factory: Path) -> None:
    release(factory, "2.0.0", {f"{FILES}ops/runbook.md": None}, "remove: [ops/runbook.md]")
    assert cli("sync", "--commit", cwd=project).code == 0
    assert not (project / "ops/runbook.md").exists()
