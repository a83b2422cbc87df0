"""Which commands run code of a foreign template: those that cannot answer without it, and only with consent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import copier
import pytest
from cookiecutter.main import cookiecutter

from tests.kit import cli, commit, git, put, snapshot
from tests.outside import COOKIECUTTER, COPIER, LINES, released

NEXT = LINES.replace("line 3\n", "line three\n")


class World(NamedTuple):
    """A project at v1.0.0 of a template that has v2.0.0, what of the template is code, and where it leaves a trace."""

    project: Path
    template: Path
    code: list[str]
    trace: Path

    @property
    def ran(self) -> bool:
        """Whether code of the template has run since the last time that somebody asked."""
        found = self.trace.exists()
        self.trace.unlink(missing_ok=True)
        return found


def of_copier(folder: Path) -> World:
    """A project of Copier that was taken over, whose template has a task."""
    trace = folder / "ran"
    task = f"_tasks: [touch {trace}]\n\n"
    template = released(
        folder / "template",
        {**COPIER, "copier.yml": task + COPIER["copier.yml"]},
        {"project/src/{{ module }}/main.py.jinja": 'NAME = "{{ name }}"\n' + NEXT},
    )
    made = folder / "made"
    data = {"name": "my-thing"}
    copier.run_copy(str(template), made, data, vcs_ref="v1.0.0", defaults=True, quiet=True, unsafe=True)
    return World(_adopted(made), template, [f"`copier.yml` line 1: task `touch {trace}`"], trace)


def of_cruft(folder: Path) -> World:
    """A project of cruft that was taken over, whose template has a hook."""
    trace = folder / "ran"
    hook = COOKIECUTTER["hooks/post_gen_project.py"] + f"open({str(trace)!r}, 'w').close()\n"
    template = released(
        folder / "template",
        {**COOKIECUTTER, "hooks/post_gen_project.py": hook},
        {"{{cookiecutter.slug}}/main.py": NEXT},
    )
    git(template, "checkout", "-q", "v1.0.0")
    made = Path(cookiecutter(str(template), no_input=True, output_dir=str(folder / "made"), default_config=True))
    record = {"template": str(template), "commit": git(template, "rev-parse", "HEAD"), "directory": None}
    put(made, {".cruft.json": json.dumps({**record, "context": {"cookiecutter": {"name": "my thing"}}})})
    git(template, "checkout", "-q", "main")
    whole = "`cookiecutter.json` line 1: every template, since Cookiecutter's Jinja is not sandboxed"
    return World(_adopted(made), template, ["`hooks/post_gen_project.py` line 1: hook", whole], trace)


def _adopted(made: Path) -> Path:
    git(made, "init", "-q", "-b", "main")
    commit(made)
    done = cli("adopt", "--trust", cwd=made)
    assert done.code == 0, done.err
    put(made, {"README.md": (made / "README.md").read_text() + "ours\n"})
    commit(made)
    return made


@pytest.fixture(params=[of_copier, of_cruft], ids=["copier", "cruft"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    make: Callable[[Path], World] = request.param
    found = make(tmp_path)
    assert found.ran
    return found


RENDERS = [
    ("status",),
    ("status", "--remote"),
    ("diff", "--incoming"),
    ("check", "--verify"),
    ("check", "--verify", "--against", "HEAD"),
    ("sync", "--plan"),
    ("sync", "--plan", "--to", "v2.0.0"),
    ("promote", "README.md", "--plan"),
]
ANSWERS = [
    ("diff",),
    ("check",),
    ("check", "--remote"),
    ("check", "--against", "HEAD"),
    ("explain", "README.md"),
    ("explain", "README.md:1"),
    ("explain", "AUD-01"),
    ("restore", "--force", "README.md"),
    ("eject", "--plan"),
]


def test_what_has_to_render_asks_for_consent(world: World) -> None:
    """It lists what would run, exit code 4, and nothing has run or been written; with trust it runs."""
    before = snapshot(world.project)
    error = f"error: the template `{world.template}` runs code of its own"
    hint = "hint: if you trust it: the same again with `--trust`; "
    told = [
        error,
        *(f"  {line}" for line in world.code),
        f"{hint}in a fleet `trust: true` beside its address in fleet.yaml",
    ]
    for command in RENDERS:
        refused = cli(*command, cwd=world.project)
        assert (refused.code, refused.out, refused.err.splitlines()) == (4, "", told), command
        assert not world.ran, command
        trusted = cli(*command, "--trust", cwd=world.project)
        assert (trusted.code, world.ran) == (1 if command[0] == "promote" else 0, True), (command, trusted)
    assert snapshot(world.project) == before


def test_what_can_answer_without_asks_for_nothing(world: World) -> None:
    for command in ANSWERS:
        done = cli(*command, cwd=world.project)
        assert (done.code, world.ran) == (0, False), (command, done)


def test_where_nothing_is_new_nothing_has_to_run(world: World) -> None:
    """The lock tells it: then `status` and the like need no consent."""
    assert cli("sync", "--trust", "--commit", cwd=world.project).code == 0
    assert world.ran
    assert cli("status", "--json", cwd=world.project).data["paths"] == [
        {"path": "README.md", "team": "M", "sync": " ", "ownership": "merged", "component": "template", "state": ""}
    ]
    for command in (("status",), ("diff", "--incoming"), ("sync",), ("sync", "--plan")):
        assert (cli(*command, cwd=world.project).code, world.ran) == (0, False), command


def test_explain_says_what_it_leaves_out(world: World) -> None:
    plain, whole = (cli("explain", "README.md", *more, cwd=world.project).out for more in ((), ("--trust",)))
    why = f"  template: not told, since the template `{world.template}` runs code of its own: `--trust` lets it run"
    assert why in plain.splitlines()
    assert [line.strip() for line in plain.splitlines() if line.startswith("    ")] == world.code
    assert "not told" not in whole
    assert "  template: " in whole
    told = cli("explain", "README.md", "--json", cwd=world.project).data
    assert (told["template"], told["would_run"]) == ("", world.code)


def test_a_refused_verification_is_a_valid_document(world: World, tmp_path: Path) -> None:
    """Nobody takes an older report for its result."""
    report = tmp_path / "report.json"
    output = ("--json", "--output", f"json={report}")
    assert cli("check", *output, cwd=world.project).code == 0
    done = cli("check", "--verify", *output, cwd=world.project)
    assert (done.code, done.data["kind"], done.data["details"]) == (4, "consent", world.code)
    assert json.loads(report.read_text()) == done.data


def test_a_verification_with_trust_finds_what_was_edited(world: World) -> None:
    lock = world.project / ".ai-factory/lock.json"
    record = json.loads(lock.read_text())
    record["paths"]["README.md"]["base"] = "0" * 40
    lock.write_text(json.dumps(record))
    done = cli("check", "--verify", "--trust", "--json", cwd=world.project)
    found = [(one["rule"], one["path"]) for one in done.data["projects"][0]["findings"]]
    assert (done.code, ("AF005", "README.md") in found) == (2, True)


def test_a_repository_is_adopted_with_a_template_that_is_trusted(world: World, tmp_path: Path) -> None:
    made = tmp_path / "bare"
    put(made, {"own.txt": "ours\n"})
    git(made, "init", "-q", "-b", "main")
    commit(made)
    command = ("adopt", "--blueprint", "template", "--factory", str(world.template), "--defaults", "--data", "name=a")
    assert (cli(*command, cwd=made).code, world.ran) == (4, False)
    assert (cli(*command, "--trust", cwd=made).code, world.ran) == (0, True)
    assert (made / ".ai-factory/lock.json").exists()


def test_the_one_component_is_there_and_stays(world: World) -> None:
    """Whether the answers are still the same, only the engine can tell."""
    assert (cli("component", "add", "template", cwd=world.project).code, world.ran) == (4, False)
    assert cli("component", "add", "template", "--trust", cwd=world.project).code == 0
    assert cli("component", "add", "other", cwd=world.project).code == 2
    done = cli("component", "remove", "template", "--trust", cwd=world.project)
    assert (done.code, done.err.splitlines()[0].endswith("is one component, and nothing of it can be left out")) == (
        2,
        True,
    )


# ---- the workshop --------------------------------------------------------------------------------


def test_the_workshop_is_for_factories(world: World, tmp_path: Path) -> None:
    """A template of theirs is neither linted nor released, nor stood upon: nothing runs, nothing is written."""
    before = snapshot(world.template)
    at = str(world.template)
    for command in (
        ("factory", "lint", at),
        ("factory", "test", "--factory", at),
        ("factory", "preview", "--factory", at),
        ("factory", "release", "--factory", at),
        ("factory", "update", at),
        ("factory", "editor", at),
        ("factory", "new", str(tmp_path / "own"), "--factory", at),
        ("blueprint", "export", "template", str(tmp_path / "export"), "--factory", at),
    ):
        done = cli(*command)
        assert (done.code, world.ran) == (2, False), (command, done)
        assert done.err.startswith(f"error: `{at}` is a template of "), command
    assert (snapshot(world.template), (tmp_path / "own").exists(), (tmp_path / "export").exists()) == (
        before,
        False,
        False,
    )


def test_promote_takes_back_only_what_is_copied_as_it_is(tmp_path: Path) -> None:
    """An edit of what the engine renders would put this project's answers into the template."""
    world = of_copier(tmp_path)
    put(world.project, {"run.sh": "#!/bin/sh\necho walk\n"})
    commit(world.project)
    done = cli("promote", "README.md", "run.sh", "--trust", "--json", cwd=world.project)
    assert done.code == 1
    assert [(row["path"], row["outcome"]) for row in done.data["files"]] == [
        ("README.md", "refused"),
        ("run.sh", "promoted"),
    ]
    branch = done.data["branch"]
    assert git(world.template, "diff", "--name-only", f"main..{branch}") == "project/run.sh"
    why = "Copier renders it, and only what it copies as it is goes back: edit `project/README.md.jinja`"
    assert done.data["files"][0]["why"] == why
    whole = cli("promote", "--component", "more", "run.sh", "--trust", cwd=world.project)
    assert (whole.code, "is a template of Copier" in whole.err) == (2, True)
