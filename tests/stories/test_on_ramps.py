"""Three ways in, and one out: a project of Copier, one of cruft and a hand-made one, taken in, synced and let go."""

from __future__ import annotations

import json
from pathlib import Path

import copier
from cookiecutter.main import cookiecutter

from tests.kit import cli, commit, git, put, tree
from tests.outside import COOKIECUTTER, COPIER, LINES, released

NEXT = LINES.replace("line 3\n", "line three\n")


def of_copier(folder: Path) -> tuple[Path, str]:
    """A project that Copier made, with an edit of its team's and a file of its own; and the file that is edited."""
    template = released(
        folder / "template", COPIER, {"project/src/{{ module }}/main.py.jinja": 'NAME = "{{ name }}"\n' + NEXT}
    )
    made = folder / "copied"
    copier.run_copy(str(template), made, {"name": "my-thing"}, vcs_ref="v1.0.0", defaults=True, quiet=True)
    return made, "src/my_thing/main.py"


def of_cruft(folder: Path) -> tuple[Path, str]:
    """A project that Cookiecutter cut, with the record that cruft writes."""
    template = released(folder / "cut", COOKIECUTTER, {"{{cookiecutter.slug}}/main.py": NEXT})
    git(template, "checkout", "-q", "v1.0.0")
    made = Path(cookiecutter(str(template), no_input=True, output_dir=str(folder / "cruft"), default_config=True))
    context = {"name": "my thing", "slug": "my-thing", "kind": "library", "ci": True, "_x": 1}
    record = {"template": str(template), "commit": git(template, "rev-parse", "HEAD"), "checkout": None}
    put(made, {".cruft.json": json.dumps({**record, "context": {"cookiecutter": context}, "directory": None})})
    git(template, "checkout", "-q", "main")
    return made, "main.py"


def by_hand(folder: Path) -> tuple[Path, str]:
    """A repository that knows no template, and a small factory with two releases."""
    factory, made = folder / "factory", folder / "small-thing"
    files = {
        "templates/core/component.yaml": "summary: Core\n",
        "templates/core/files/main.py": LINES,
        "blueprints/small.yaml": "summary: Small\ncomponents: [core]\n",
    }
    put(factory, files)
    git(factory, "init", "--quiet", "-b", "main")
    commit(factory)
    git(factory, "tag", "v1.0.0")
    put(factory, {"templates/core/files/main.py": NEXT})
    commit(factory)
    git(factory, "tag", "v1.1.0")
    put(made, {"main.py": LINES, "notes.txt": "ours\n"})
    return made, "main.py"


def goes_in_and_out(project: Path, edited: str, adopt: list[str], sync: list[str]) -> None:
    """Adopted, checked, synced to the newer version, ejected: every edit is there at each step."""
    git(project, "init", "--quiet", "-b", "main")
    commit(project)
    put(project, {edited: (project / edited).read_text() + "the team wrote this\n", "own.txt": "ours\n"})
    commit(project)
    before = tree(project)

    taken = cli("adopt", *adopt, cwd=project)
    assert (taken.code, tree(project)) == (0, before), taken.err
    commit(project)
    assert cli("check", cwd=project).code == 0

    done = cli("sync", *sync, cwd=project)
    assert done.code == 0, done.out + done.err
    commit(project)
    text = (project / edited).read_text()
    assert "line three\n" in text
    assert text.endswith("the team wrote this\n")
    assert cli("check", cwd=project).code == 0

    synced = tree(project)
    assert cli("eject", cwd=project).code == 0
    assert tree(project) == synced
    assert not (project / ".ai-factory").exists()
    assert (project / "own.txt").read_text() == "ours\n"


def test_a_project_of_copier(tmp_path: Path) -> None:
    goes_in_and_out(*of_copier(tmp_path), [], [])


def test_a_project_of_cruft(tmp_path: Path) -> None:
    goes_in_and_out(*of_cruft(tmp_path), ["--trust"], ["--trust"])


def test_a_hand_made_repository(tmp_path: Path) -> None:
    factory = ["--factory", str(tmp_path / "factory")]
    goes_in_and_out(
        *by_hand(tmp_path), ["--blueprint", "small", "--defaults", *factory, "--version", "v1.0.0"], ["--to", "v1.1.0"]
    )
