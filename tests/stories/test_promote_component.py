"""`promote --component`: files of a team's own become a component that other projects can take."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_factory import documents
from tests.kit import cli, commit, git, put, small_project, snapshot

PYPROJECT = "pyproject.toml"
OWN: dict[str, str | bytes | None] = {
    "src/small_thing/scoring/__init__.py": "",
    "src/small_thing/scoring/rules.py": '"""Scores by rules that people wrote."""\n'
    "import json\n\nimport polars\nimport yaml\nimport odd\n\nfrom small_thing.controls.audit import record\n\n"
    'NAME = f"{{small_thing}} of the small thing"\nrecord()\nprint(polars, yaml, json, odd)\n',
    "tests/test_scoring.py": "import hypothesis\nfrom small_thing.scoring import rules\n\nassert (hypothesis, rules)\n",
    "scores/plain.txt": "{{ braces }} of small_thing\r\n",
    "scores/table.bin": b"\0\1",
}


@pytest.fixture
def team(project: Path) -> Path:
    """A project with a package, its test, data, and two requirements of its own."""
    put(project, OWN)
    (project / "scores/plain.txt").chmod(0o755)
    text = (project / PYPROJECT).read_text()
    extra = '\n  "pyyaml>=6,<7",\n]\n[project.optional-dependencies]\ndev = ["hypothesis>=6"]\n'
    put(project, {PYPROJECT: text.rstrip().removesuffix("]").rstrip() + extra})
    commit(project)
    return project


NAMES = ("src/small_thing/scoring", "tests/test_scoring.py", "scores")


def test_own_files_become_a_component(team: Path, factory: Path) -> None:
    """With names turned into variables, what it requires, and nothing of the factory's work tree touched."""
    before = snapshot(factory), git(factory, "rev-parse", "HEAD")
    done = cli("promote", "--component", "scoring", *NAMES, cwd=team)
    assert done.code == 0, done.out + done.err
    assert done.out.splitlines()[-7:-2] == [
        "`factory lint` finds nothing new",
        "`src/small_thing/scoring/rules.py` imports `odd`, and no requirement of the project has that name",
        "it needs `hypothesis>=6`, and no template reads `dev_dependencies`",
        "`scores/plain.txt` is taken byte for byte, no value in it turned: a rendering would end its lines in LF",
        "`pyproject.toml` changes with it",
    ]
    assert (snapshot(factory), git(factory, "rev-parse", "HEAD")) == before
    top = "templates/scoring"
    new = git(factory, "rev-parse", "promote/scoring")
    assert git(factory, "diff", "--name-status", before[1], new).split("\n") == [
        "M\tblueprints/small.yaml",
        f"A\t{top}/CHANGELOG.md",
        f"A\t{top}/README.md",
        f"A\t{top}/component.yaml",
        f"A\t{top}/copier.yml",
        f"A\t{top}/files/scores/plain.txt",
        f"A\t{top}/files/scores/table.bin",
        f"A\t{top}/files/src/{{{{ package }}}}/scoring/__init__.py",
        f"A\t{top}/files/src/{{{{ package }}}}/scoring/rules.py.jinja",
        f"A\t{top}/files/tests/test_scoring.py.jinja",
    ]
    manifest = documents.load(git(factory, "show", f"{new}:{top}/component.yaml").encode(), "component.yaml")
    assert manifest == {
        "summary": "Scores by rules that people wrote",
        "requires": ["extras"],
        "ownership": {"scores/table.bin": "seeded"},
        "contributes": {"dependencies": ["pyyaml>=6,<7"]},
    }
    rules = git(factory, "show", f"{new}:{top}/files/src/{{{{ package }}}}/scoring/rules.py.jinja")
    assert "NAME = f\"{{ '{' }}{{ '{' }}{{ package }}}} of the {{ use_case }}\"" in rules
    assert "from {{ package }}.controls.audit import record" in rules
    assert "optional: [nice, scoring]" in git(factory, "show", f"{new}:blueprints/small.yaml")


def test_another_project_takes_it(team: Path, factory: Path, tmp_path: Path) -> None:
    """Merged and released, it stamps the same files under that project's names, and is adopted where it is from."""
    assert cli("promote", "--component", "scoring", *NAMES, cwd=team).code == 0
    git(factory, "merge", "-q", "promote/scoring")
    git(factory, "tag", "v3.0.0")
    other = tmp_path / "loans"
    options = ("--defaults", "--with", "scoring", "--data", "package=loans", "--factory", str(factory))
    made = cli("new", "small", str(other), *options)
    assert made.code == 0, made.err
    assert "from loans.controls.audit import record\n" in (other / "src/loans/scoring/rules.py").read_text()
    assert '"pyyaml>=6,<7"' in (other / PYPROJECT).read_text()
    record = team / ".ai-factory/project.yaml"
    record.write_text(record.read_text() + "with: [scoring]\n")
    commit(team)
    assert cli("sync", "--commit", cwd=team).code == 0
    assert (team / "src/small_thing/scoring/rules.py").read_text() == OWN["src/small_thing/scoring/rules.py"]
    assert (other / "scores/plain.txt").read_bytes() == b"{{ braces }} of small_thing\r\n"
    rows = {row["path"] for row in cli("status", "--json", cwd=team).data["paths"]}
    assert not rows.intersection(OWN)


REFUSED: dict[tuple[str, ...], str] = {
    ("scoring", "ops/runbook.md"): (
        "error: `ops/runbook.md` comes from the factory already\n"
        "hint: promote the edit: `ai-factory promote ops/runbook.md`\n"
    ),
    ("scoring", "docs"): (
        "error: nothing in `docs` is the team's own\nhint: `ai-factory status` lists what comes from the factory\n"
    ),
    ("scoring", "none.py"): "error: there is no `none.py`\nhint: name files and folders of the project\n",
    ("scoring", ".ai-factory/lock.json"): (
        "error: `.ai-factory/lock.json` is the tool's own\nhint: name files of the team's\n"
    ),
    ("core", "scores"): (
        "error: the factory has a component `core` already\nhint: give another name with `--component`\n"
    ),
    ("No Name", "scores"): (
        "error: `No Name` is no name of a component\nhint: use small letters, digits and hyphens\n"
    ),
    ("scoring", "tests/test_scoring.py"): (
        "error: `tests/test_scoring.py` imports `src/small_thing/scoring/rules.py`, which is the team's own too\n"
        "hint: name src/small_thing/scoring/rules.py as well\n"
    ),
    ("scoring", "key.txt"): (
        "error: `key.txt` line 2 holds what looks like an AWS access key\n"
        "hint: a component names an environment variable instead\n"
    ),
    ("scoring", "marked.txt"): (
        "error: `marked.txt` line 2 is a conflict marker\nhint: keep the lines that are right, then promote\n"
    ),
    ("scoring", "link.txt"): (
        "error: `link.txt` is a link, which no component has\nhint: name the file that it leads to\n"
    ),
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_what_is_no_components_is_refused(arguments: tuple[str, ...], team: Path, factory: Path) -> None:
    put(
        team,
        {
            "key.txt": "key:\nAKIA" + "A1B2C3D4E5F6G7H8\n",
            "marked.txt": "x\n<<<<<<< yours\n1\n=======\n2\n>>>>>>> factory\n",
        },
    )
    (team / "link.txt").symlink_to("key.txt")
    before = snapshot(factory), git(factory, "for-each-ref")
    name, *paths = arguments
    done = cli("promote", "--component", name, *paths, cwd=team)
    assert (done.code, done.out, done.err) == (2, "", REFUSED[arguments])
    assert (snapshot(factory), git(factory, "for-each-ref")) == before


def test_a_file_that_no_rendering_gives_is_not_taken(team: Path, factory: Path) -> None:
    """The proof is to the byte: a template with CRLF would be stamped with LF."""
    put(team, {"odd.txt.jinja": "one\r\n"})
    commit(team)
    done = cli("promote", "--component", "odd", "odd.txt.jinja", cwd=team)
    why = "not promoted: the component would give another `odd.txt.jinja`"
    assert (done.code, done.out.splitlines()[0]) == (1, f"odd.txt.jinja (merged, component odd): {why}")
    assert git(factory, "branch", "--list", "promote/*") == ""


def test_what_lint_would_find_is_not_committed(team: Path, factory: Path) -> None:
    """A file that the factory's own ignore lines hide would reach no repository."""
    put(factory, {"templates/core/files/.gitignore": "*.log\n"})
    commit(factory)
    put(team, {"run.log": "1\n"})
    done = cli("promote", "--component", "logs", "run.log", cwd=team)
    assert (done.code, done.out.splitlines()) == (
        1,
        [
            (
                "run.log (merged, component logs): not promoted: blueprints/small.yaml: FL009 `run.log` of `logs` is "
                "ignored by the blueprint's own `.gitignore` of `core`"
            ),
            "nothing to promote",
        ],
    )
    assert git(factory, "branch", "--list", "promote/*") == ""


def test_a_package_with_a_short_name_is_told_by_the_folders(factory: Path, tmp_path: Path) -> None:
    """`ml` stands in too many words to be looked for; in paths and imports the factory's own folders tell."""
    project = small_project(tmp_path / "short", factory, "--data", "package=ml")
    put(project, {"src/ml/more.py": "from ml.controls import audit\nimport ml.main\n\nml = audit\n"})
    assert cli("promote", "--component", "more", "src/ml/more.py", cwd=project).code == 0
    place = "promote/more:templates/more"
    assert git(factory, "show", f"{place}/files/src/{{{{ package }}}}/more.py.jinja") == (
        "from {{ package }}.controls import audit\nimport {{ package }}.main\n\nml = audit"
    )
    assert git(factory, "show", f"{place}/component.yaml") == "summary: What short made of its own\nrequires:\n  - core"
