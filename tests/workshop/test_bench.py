"""A factory with real mistakes: each is found, told with the command that shows it, and nothing else is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ai_factory.project.opening import open_project
from ai_factory.tree import File
from ai_factory.workshop import running, upgrades
from tests import golden, markdown
from tests.kit import LINES, SMALL, cli, commit, git, put, small_factory, small_project
from tests.shell import Shell
from tests.test_docs import _folder, _follow

CORE = "templates/core"
DECLARED = "changes:\n  - { since: 2.0.0, rename: { settings.txt: config/settings.txt }, remove: [ops/old.md] }\n"


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """The small factory after v2.0.0, with what is gone declared."""
    factory = small_factory(tmp_path / "factory")
    put(factory, {f"{CORE}/component.yaml": SMALL[f"{CORE}/component.yaml"] + DECLARED})
    commit(factory)
    return factory


def found(factory: Path, *options: str) -> list[tuple[str, str, str, str]]:
    """The findings: of which kind, of which release, where, and what."""
    rows = cli("factory", "test", "--json", *options, cwd=factory).data["findings"]
    return [(row["kind"], row["release"], row["path"], row["message"]) for row in rows]


def test_nothing_is_wrong(sound: Path) -> None:
    """Each upgrade is made with edits in all files that take a comment; what clashes is the team's to decide."""
    result = cli("factory", "test", cwd=sound)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "small: 4 renderings; 2 upgrades with 10 edits, 1 conflict to decide",
        "",
        "nothing is wrong",
    ]


def test_for_machines(sound: Path) -> None:
    told = cli("factory", "test", "small", "--json", cwd=sound).data
    assert told == {
        "schema": "ai-factory/factory-test/1",
        "factory": str(sound),
        "releases": ["v1.0.0", "v2.0.0"],
        "blueprints": [
            {
                "name": "small",
                "renderings": 4,
                "refused": 0,
                "upgrades": [
                    {"release": "v1.0.0", "edits": 5, "conflicts": ["ops/old.md"], "skipped": ""},
                    {"release": "v2.0.0", "edits": 5, "conflicts": [], "skipped": ""},
                ],
                "runs": [],
            }
        ],
        "findings": [],
        "notes": [],
    }


# ---- releases ------------------------------------------------------------------------------------


def test_a_rename_that_nobody_declared(sound: Path) -> None:
    """Only the older release has the file: the next lint would not know of it any more."""
    put(sound, {f"{CORE}/component.yaml": SMALL[f"{CORE}/component.yaml"]})
    gone = [
        ("upgrade", "v1.0.0", path, f"`{path}` of v1.0.0 is gone, and no change of `core` declares it")
        for path in ("ops/old.md", "settings.txt")
    ]
    assert found(sound) == gone


def test_a_question_without_a_default_stops_every_project(sound: Path) -> None:
    put(sound, {f"{CORE}/copier.yml": SMALL[f"{CORE}/copier.yml"] + "region: { type: str, help: Where }\n"})
    told = found(sound)
    assert [row[:3] for row in told] == [("upgrade", "v1.0.0", ""), ("upgrade", "v2.0.0", "")]
    assert all(row[3].startswith("the sync is refused: ") and "`region`" in row[3] for row in told)


def test_a_release_without_the_blueprint_is_named(sound: Path) -> None:
    put(sound, {"blueprints/young.yaml": SMALL["blueprints/small.yaml"]})
    told = cli("factory", "test", "young", cwd=sound)
    assert (told.code, told.out.splitlines()) == (
        0,
        [
            "young: 4 renderings",
            "note: `young` from v1.0.0: the release does not have it",
            "note: `young` from v2.0.0: the release does not have it",
            "",
            "nothing is wrong",
        ],
    )


def test_a_release_that_is_not_one(tmp_path: Path) -> None:
    factory = small_factory(tmp_path / "factory", tags=False)
    assert cli("factory", "test", cwd=factory).out.splitlines() == [
        "small: 4 renderings",
        "no upgrades: the factory has no release yet (a tag such as `v1.0.0` at the top of a repository)",
        "",
        "nothing is wrong",
    ]


# ---- renderings ----------------------------------------------------------------------------------

CHOICES = """\
store: { type: str, help: Where, default: file, choices: [file, table, queue] }
format: { type: str, help: How, default: text, choices: [text, json] }
loud: { type: bool, help: Whether it says so, default: false }
"""
MARKED = "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n"
PAIR = "{% if store == 'queue' and format == 'json' %}a = = 1{% else %}a = 1{% endif %}\n"
HOOKS = "repos:\n  - repo: local\n    hooks:\n      - id: check\n"


def test_one_pair_of_answers_breaks_a_file(sound: Path) -> None:
    """It is told with the two answers alone, whatever else was tried with them."""
    put(sound, {f"{CORE}/copier.yml": SMALL[f"{CORE}/copier.yml"] + CHOICES, f"{CORE}/files/a.toml.jinja": PAIR})
    result = cli("factory", "test", "--json", cwd=sound)
    (row,) = result.data["findings"]
    assert result.code == 1
    assert (row["path"], row["file"], row["line"], row["message"]) == (
        f"{CORE}/files/a.toml.jinja",
        "a.toml",
        1,
        "is no TOML: invalid value",
    )
    command = f"ai-factory new small DEST --factory {sound} --defaults --data store=queue --data format=json"
    assert row["hint"] == f"`{command}`"
    options = command.replace("DEST", "../seen").split()[1:]
    assert cli(*options, cwd=sound).code == 0
    assert (sound.parent / "seen/a.toml").read_text() == "a = = 1\n"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"a.json.jinja": '{"a": {{ loud | lower }},}\n'}, "`a.json` line 1 is no JSON: expecting property name"),
        ({"a.py.jinja": "def f(:\n    pass\n"}, "`a.py` line 1 is no Python: invalid syntax"),
        ({"a.yaml": "a: [1\nb: 2\n"}, "`a.yaml` line 2 is no YAML: expected ',' or ']'"),
        ({"a.yaml": "a: 1\na: 2\n"}, "`a.yaml` line 2 is no YAML: the key `a` is there twice"),
        ({"a.md": "use {{ package }}\n"}, "`a.md` line 1 `{{ package }}` was not rendered"),
        ({"a.md": "\n{% if not loud %}x{% endif %}\n"}, "`a.md` line 2 `{% if not loud %}` was not rendered"),
        ({"a.md": "x"}, "`a.md` line 1 its last line has no end"),
        ({"a.txt": MARKED}, "`a.txt` line 1 holds conflict markers"),
        ({".pre-commit-config.yaml": HOOKS}, "`.pre-commit-config.yaml` repos.0.hooks.0: `name` is missing"),
        ({".github/workflows/a.yml": "on: push\njobs: {a: {}}\n"}, "`.github/workflows/a.yml` jobs.a: `runs-on` is"),
        ({"a.md.jinja": "{{ nothing }}\n"}, "'nothing' is undefined"),
        ({"a.md.jinja": "{% if store == 'table' %}{{ 1 // 0 }}{% endif %}\n"}, "division"),
    ],
)
def test_what_no_project_should_have(files: Mapping[str, str], told: str, sound: Path) -> None:
    put(sound, {f"{CORE}/copier.yml": SMALL[f"{CORE}/copier.yml"] + CHOICES})
    put(sound, {f"{CORE}/files/{path}": text for path, text in files.items()})
    result = cli("factory", "test", cwd=sound)
    assert result.code == 1
    assert told in result.out
    assert f"{CORE}/files/{next(iter(files))}" in result.out


def test_what_others_fill_is_left_alone(sound: Path) -> None:
    """Braces that a template means to write, those of workflows and of other tools' templates are no mistakes."""
    put(
        sound,
        {
            f"{CORE}/files/a.md.jinja": "{% raw %}{{ package }}{% endraw %}\n",
            f"{CORE}/files/b.md": "${{ package }} {{ somebody.elses }}\n",
            f"{CORE}/files/chart/a.yaml": "{{- if .Values.x }}\na: {{ .Values.y }}\n{{- end }}\n",
            f"{CORE}/files/a.html.j2": "{{ package }}\n",
            f"{CORE}/files/tsconfig.json": "{ // strict\n}\n",
            f"{CORE}/files/two.yaml": "a: 1\n---\nb: !Tag 2\n",
        },
    )
    assert found(sound) == []


def test_a_template_without_end_ends(sound: Path) -> None:
    put(sound, {f"{CORE}/files/a.md.jinja": "{% for i in range(10 ** 9) %}{% endfor %}\n"})
    assert found(sound) != []


# ---- running -------------------------------------------------------------------------------------


def test_the_command_of_the_blueprint_runs(sound: Path) -> None:
    """In a new project and in each upgraded one; what it printed is shown where it fails."""
    put(sound, {"blueprints/small.yaml": SMALL["blueprints/small.yaml"] + "test: grep -q polars pyproject.toml\n"})
    result = cli("factory", "test", "--run", cwd=sound)
    assert result.code == 0
    assert result.out.count("`grep -q polars pyproject.toml` passed in 0 s") == 3
    put(sound, {"blueprints/small.yaml": SMALL["blueprints/small.yaml"] + "test: echo no; exit 3\n"})
    result = cli("factory", "test", "--run", "--keep", "../kept", cwd=sound)
    assert result.code == 1
    assert "small from v1.0.0: `echo no; exit 3` ended with 3 after 0 s\n  | no\n" in result.out
    assert sorted(path.name for path in (sound.parent / "kept").iterdir()) == [
        "small-new",
        "small-v1.0.0",
        "small-v2.0.0",
    ]


def test_old_seeded_files_run_in_the_upgraded_project(sound: Path) -> None:
    """A managed module whose function is gone breaks those who have called it since they were stamped."""
    main, audit = (f"{CORE}/files/src/{{{{ package }}}}/{name}" for name in ("main.py.jinja", "controls/audit.py"))
    call = "from controls.audit import record\n\nrecord()\n"
    put(sound, {main: call, "blueprints/small.yaml": SMALL["blueprints/small.yaml"] + "test: python3 src/*/main.py\n"})
    commit(sound)
    git(sound, "tag", "v2.1.0")
    put(sound, {main: call.replace("record", "write"), audit: "def write() -> None:\n    pass\n"})
    result = cli("factory", "test", "--run", "--json", cwd=sound)
    (row,) = result.data["findings"]
    assert (row["kind"], row["release"]) == ("run", "v2.1.0")
    assert "cannot import name 'record'" in row["output"]
    assert [one["code"] for one in result.data["blueprints"][0]["runs"]] == [0, 0, 0, 1]


def test_nothing_to_run_is_said(sound: Path) -> None:
    result = cli("factory", "test", "--run", cwd=sound)
    assert "note: `small`: not run: the blueprint names no `test`, and there is no `make test`" in result.out


def test_a_makefile_offers_its_targets() -> None:
    assert running.command_of("", "install:\n\ttrue\nlint: install\ntest:\nrunner:\n") == "make install lint test"
    assert running.command_of("", "test := 1\nlint:\n") == ""
    assert running.command_of("tox", "test:\n") == "tox"


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    done = running.ran("echo begun; sleep 60 & sleep 60", str(tmp_path), seconds=0.5)
    assert (done.code != 0, done.output) == (True, "begun\nended after 0 seconds")


# ---- edits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a.py", "a = 1\n\ndef f():\n    pass\n", "a = 1\n\n# E\ndef f():\n    pass\n"),
        ("a.toml", "a = 1\nb = [\n  1,\n]\n", "a = 1\n# E\nb = [\n  1,\n]\n"),
        ("a.sh", "#!/bin/sh\na \\\nb\n", "#!/bin/sh\n# E\na \\\nb\n"),
        ("a.md", LINES, LINES.replace("line 11\n", "<!-- E -->\nline 11\n")),
        ("Makefile", "a:\n\tb\n", "a:\n\tb\n# E\n"),
        ("a.yaml", "a: 1", "a: 1\n# E\n"),
        ("a.json", "{}\n", None),
        ("a.txt", "a\r\nb\r\n", None),
    ],
)
def test_an_edit_in_the_middle(path: str, before: str, after: str | None) -> None:
    found = upgrades.with_comment(path, File(before.encode()), "E")
    assert (found.content.decode() if found else None) == after


def test_work_of_a_team_that_is_gone_is_missed(sound: Path, tmp_path: Path) -> None:
    """No sync loses any, so it is taken away by hand here: each loss has its sentence."""
    project = small_project(tmp_path / "project", sound)
    edited = upgrades._edit(open_project(str(project)))
    assert list(upgrades._lost(open_project(str(project)), edited, ())) == []
    assert (edited.removed, sorted(edited.marks), list(edited.seeded)) == (
        "docs/extra.md",
        ["ops/old.md", "ops/runbook.md", "pyproject.toml", "settings.txt", "src/project/main.py"],
        ["src/project/main.py"],
    )
    main = (project / "src/project/main.py").read_text()
    put(project, {upgrades.OWN: "x", "settings.txt": LINES, "docs/extra.md": "extra\n"})
    put(project, {"src/project/main.py": f"{main}# more\n", "src/project/controls/audit.py": "x = 1\n"})
    put(project, {"pyproject.toml": (project / "pyproject.toml").read_text() + MARKED})
    after = open_project(str(project))
    told = [*upgrades._lost(after, edited, ()), *upgrades._marked(after), *upgrades._found(after)]
    assert [one.message for one in told] == [
        "the team's edit of `settings.txt` is lost",
        "the seeded file `src/project/main.py` was touched",
        "the team's own file `notes-of-the-team.md` was touched",
        "`docs/extra.md` is back, though the team had removed it",
        "`pyproject.toml` holds conflict markers, though no conflict was told",
        "`check` finds AF004 afterwards: `pyproject.toml` holds conflict markers",
        "`check` finds AF002 afterwards: `src/project/controls/audit.py` was edited",
    ]


# ---- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["smal"], "error: there is no blueprint `smal`; did you mean `small`?"),
        (["--factory", "https://git.example.org/f.git"], "error: `https://git.example.org/f.git` is no folder"),
        (["--keep", "templates"], "error: `templates` is not empty"),
        (["--factory", "templates"], "error: `"),
    ],
)
def test_what_is_refused(arguments: list[str], told: str, sound: Path) -> None:
    result = cli("factory", "test", *arguments, cwd=sound)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(told)


def test_a_broken_blueprint_hides_no_other(sound: Path) -> None:
    put(sound, {"blueprints/odd.yaml": "summary: Odd\ncomponents: [nowhere]\n"})
    rows = found(sound)
    assert ("rendering", "", "blueprints/odd.yaml", "there is no component `nowhere`") in rows
    assert {row[2] for row in rows} == {"blueprints/odd.yaml"}


# ---- the guide -----------------------------------------------------------------------------------


def test_the_guide_works_as_written(tmp_path: Path) -> None:
    """Its last command alone needs a fleet."""
    page = golden.ROOT / "docs/how-to/test-a-factory.md"
    shell = Shell(_folder(tmp_path / "work"), tmp_path / "home")
    steps = markdown.followed(page.read_text("utf-8"))
    assert "--fleet" in steps[-1].command
    for step in steps[:-1]:
        _follow(shell, step, page.name)
