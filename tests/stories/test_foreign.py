"""Projects from templates of Copier and Cookiecutter: stamped, checked and synced as those from a factory of ours."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import copier
import pytest
import yaml
from cookiecutter.main import cookiecutter

from tests.kit import cli, commit, git, put, rules, snapshot, tree
from tests.outside import COOKIECUTTER, COPIER, LINES, released

SECOND = {
    "project/src/{{ module }}/main.py.jinja": 'NAME = "{{ name }}"\n' + LINES.replace("line 3\n", "line three\n"),
    "project/docs.txt": "new\n",
    "project/old.txt": None,
    "project/.env.jinja": "KIND={{ kind }}\nMORE=1\n",
    "project/deploy.ini.jinja": "token = {{ token }}\nmore = 1\n",
}


@pytest.fixture
def template(tmp_path: Path) -> Path:
    return released(tmp_path / "template", COPIER, SECOND)


@pytest.fixture
def project(tmp_path: Path, template: Path) -> Path:
    made = tmp_path / "thing"
    done = cli("new", str(template), str(made), "--version", "v1.0.0", "--data", "name=my-thing", "--defaults")
    assert done.code == 0, done.err
    return made


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    second = {"{{cookiecutter.slug}}/main.py": LINES.replace("line 3\n", "line three\n")}
    return released(tmp_path / "cut", COOKIECUTTER, second)


def sync(project: Path, *more: str) -> tuple[int, str]:
    done = cli("sync", *more, cwd=project)
    return done.code, done.out + done.err


def lock(project: Path) -> dict[str, object]:
    return dict(json.loads((project / ".ai-factory/lock.json").read_text()))


# ---- Copier --------------------------------------------------------------------------------------


def test_new_stamps_what_copier_copies(tmp_path: Path, template: Path, project: Path) -> None:
    other = tmp_path / "other" / "thing"
    copier.run_copy(
        str(template), other, {"name": "my-thing"}, vcs_ref="v1.0.0", defaults=True, quiet=True, overwrite=True
    )
    assert tree(project) == tree(other)
    assert {path: mode for path, (mode, _) in snapshot(other).items()} == {
        path: mode for path, (mode, _) in snapshot(project).items() if not path.startswith((".git/", ".ai-factory/"))
    }


def test_the_record_of_a_stamped_project(template: Path, project: Path) -> None:
    """The secret is nowhere, what it shows in is the team's, and so is what the template leaves alone."""
    assert (project / ".ai-factory/project.yaml").read_text() == (
        f"factory: {template}\nblueprint: template\nanswers:\n  name: my-thing\n"
    )
    record = lock(project)
    assert record["answers"] == {
        "copier_folder_name": "thing",
        "extras": ["docs"],
        "kind": "library",
        "module": "my_thing",
        "name": "my-thing",
    }
    rows = record["paths"]
    assert isinstance(rows, dict)
    assert {path: (row["ownership"], row.get("state", "")) for path, row in rows.items()} == {
        ".copier-answers.yml": ("merged", ""),
        ".env": ("merged", "local"),
        ".gitignore": ("merged", ""),
        "README.md": ("merged", ""),
        "deploy.ini": ("seeded", ""),
        "docs/start.md": ("seeded", ""),
        "old.txt": ("merged", ""),
        "run.sh": ("merged", ""),
        "src/my_thing/main.py": ("merged", ""),
    }
    assert git(project, "ls-files", ".env", "deploy.ini") == ""
    assert git(project, "status", "--short") == "?? deploy.ini"


def test_check_verifies_and_a_sync_to_the_same_version_changes_nothing(project: Path) -> None:
    assert cli("check", "--verify", "--fail-on", "any", cwd=project).code == 1  # behind, and nothing else
    assert rules(project) == [("AF001", ".ai-factory/lock.json")]
    before = snapshot(project)
    assert sync(project, "--to", "v1.0.0")[0] == 0
    assert snapshot(project) == before


def test_a_sync_keeps_every_edit(project: Path) -> None:
    main = project / "src/my_thing/main.py"
    put(project, {"src/my_thing/main.py": main.read_text() + "ours\n", "deploy.ini": "token = real\n", "run.sh": None})
    commit(project)
    code, said = sync(project, "--commit")
    assert code == 0, said
    assert tree(project) == {
        ".copier-answers.yml": (project / ".copier-answers.yml").read_text(),
        ".env": "KIND=library\n",
        ".env.incoming": "KIND=library\nMORE=1\n",
        ".gitignore": ".env\n",
        "README.md": "# my-thing, a library in thing\n",
        "deploy.ini": "token = real\n",
        "docs.txt": "new\n",
        "docs/start.md": "Start here.\n",
        "src/my_thing/main.py": 'NAME = "my-thing"\n' + LINES.replace("line 3\n", "line three\n") + "ours\n",
    }
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text())
    assert answers["_commit"] == "v2.0.0"
    assert rules(project) == []
    assert cli("check", "--verify", cwd=project).code == 0


def test_a_sync_gives_what_copier_update_gives(tmp_path: Path, project: Path) -> None:
    """But that Copier finds the names of its own temporary folders in a conflict, and touches what is the team's."""
    other = tmp_path / "other" / "thing"
    put(project, {"src/my_thing/main.py": (project / "src/my_thing/main.py").read_text() + "ours\n"})
    commit(project)
    shutil.copytree(project, other)
    copier.run_update(other, defaults=True, quiet=True, overwrite=True)
    assert sync(project)[0] == 0
    (project / ".env.incoming").rename(project / ".env")
    found, theirs = tree(project), tree(other)
    assert {path for path in {*found, *theirs} if found.get(path) != theirs.get(path)} == {"README.md", "deploy.ini"}
    assert "<<<<<<< before updating\n" in theirs["README.md"]
    assert "more = 1\n" in theirs["deploy.ini"]


def test_a_conflict_waits_in_the_lock(project: Path) -> None:
    main = project / "src/my_thing/main.py"
    put(project, {"src/my_thing/main.py": main.read_text().replace("line 3\n", "line drei\n")})
    commit(project)
    assert sync(project)[0] == 1
    assert "AF004" in [rule for rule, _ in rules(project)]
    assert cli("sync", "--take", "ours", "src/my_thing/main.py", cwd=project).code == 0
    assert "line drei\n" in main.read_text()


def test_an_abort_goes_back_to_the_byte(project: Path) -> None:
    before = snapshot(project)
    assert sync(project)[0] == 0
    assert sync(project, "--abort")[0] == 0
    assert tree(project) == {
        path: content.decode()
        for path, (_, content) in before.items()
        if ".git/" not in path and ".ai-factory" not in path
    }


def test_status_diff_and_explain_know_the_template(project: Path) -> None:
    status = cli("status", "--json", cwd=project).data
    assert [(row["path"], row["team"], row["sync"]) for row in status["paths"]] == [
        (".copier-answers.yml", " ", "M"),
        ("docs.txt", " ", "A"),
        ("old.txt", " ", "D"),
        ("src/my_thing/main.py", " ", "M"),
    ]
    explained = cli("explain", "src/my_thing/main.py", "--json", cwd=project).data
    assert explained["template"] == "project/src/{{ module }}/main.py.jinja"


def test_an_answer_changes_with_data(project: Path) -> None:
    code, said = sync(project, "--data", "kind=service")
    assert code == 0, said
    assert (project / "README.md").read_text() == "# my-thing, a service in thing\n"
    assert "  kind: service\n" in (project / ".ai-factory/project.yaml").read_text()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("kind=boat", "`kind`: Invalid choice for 'kind': 'boat' is not in ['library', 'service']"),
        ("colour=red", "`colour`: the template does not ask it"),
    ],
)
def test_wrong_answers_write_nothing(tmp_path: Path, template: Path, data: str, said: str) -> None:
    done = cli("new", str(template), str(tmp_path / "x"), "--data", "name=a", "--data", data, "--defaults")
    assert (done.code, (tmp_path / "x").exists()) == (2, False)
    assert said in done.err


def test_a_missing_answer_is_named(tmp_path: Path, template: Path) -> None:
    done = cli("new", str(template), str(tmp_path / "x"), "--defaults")
    assert (done.code, "`name`: has no default" in done.err) == (2, True)


def test_a_folder_without_releases_is_a_template_too(tmp_path: Path) -> None:
    put(tmp_path / "plain", COPIER)
    made = tmp_path / "made"
    assert cli("new", str(tmp_path / "plain"), str(made), "--data", "name=a", "--defaults").code == 0
    assert rules(made) == []
    put(tmp_path / "plain", {"project/more.txt": "more\n"})
    assert rules(made) == [("AF001", ".ai-factory/lock.json")]
    assert sync(made)[0] == 0
    assert (made / "more.txt").read_text() == "more\n"


@pytest.mark.parametrize("name", ["{}", "../../outside", ".."])
def test_the_folder_that_copier_is_told_of_leads_nowhere_else(tmp_path: Path, template: Path, name: str) -> None:
    """It stands in the lock, which is a stranger's."""
    name, made = name.format(tmp_path / "outside"), tmp_path / "made"
    new = ("new", str(template), str(made), "--version", "v1.0.0", "--data", "name=a", "--defaults")
    said = f"error: `copier_folder_name` becomes {name!r}, which leads out of the project's folder"
    refused = cli(*new, "--data", f"copier_folder_name={name}")
    assert (refused.code, refused.err.splitlines()[0]) == (2, said)
    assert cli(*new).code == 0
    place = made / ".ai-factory/lock.json"
    place.write_text(place.read_text().replace('"copier_folder_name": "made"', f'"copier_folder_name": "{name}"'))
    commit(made)
    refused = cli("sync", "--plan", cwd=made)
    assert (refused.code, refused.err.splitlines()[0]) == (2, said)
    assert not (tmp_path / "outside").exists()


def test_no_command_commits_the_answer_to_a_secret_question(tmp_path: Path) -> None:
    """It is said where it shows; a file that shows it later has the template's default, which is said as well."""
    second = {"project/two.ini.jinja": "two = {{ token }}\n", "project/.env.jinja": "TOKEN={{ token }}\n"}
    template = released(tmp_path / "template", COPIER, second, {"project/three.ini.jinja": "three = {{ token }}\n"})
    made = tmp_path / "made"
    new = ("new", str(template), str(made), "--version", "v1.0.0", "--data", "name=a", "--data", "token=REAL")
    done = cli(*new, "--defaults")
    said = "  ! deploy.ini: the answer to a secret question shows in it: it is not committed"
    assert (done.code, said in done.out.splitlines()) == (0, True)
    assert git(made, "status", "--short") == "?? deploy.ini"
    code, out = sync(made, "--commit", "--to", "v2.0.0")
    why = "is new, and the team's from now on, and not staged: the answer to a secret question shows in it"
    assert (code, f"  + two.ini: add ({why})" in out.splitlines()) == (0, True)
    note = "note: no answer to the secret `token` is kept, the default shows: write yours in `two.ini`"
    assert note in out.splitlines()
    assert [(made / path).read_text() for path in ("deploy.ini", "two.ini")] == ["token = REAL\n", "two = none yet\n"]
    code, out = sync(made, "--commit", "--data", "token=OTHER", "--to", "v3.0.0")
    assert (code, "the default shows" in out) == (0, False)
    assert (made / "three.ini").read_text() == "three = OTHER\n"
    assert git(made, "status", "--short") == "?? deploy.ini\n?? three.ini\n?? two.ini"
    assert git(made, "log", "--all", "--format=%s", "-GREAL|OTHER|none yet") == ""
    assert cli("check", "--verify", cwd=made).code == 0


# ---- trust ---------------------------------------------------------------------------------------

TASKS = {
    **COPIER,
    "copier.yml": "_tasks:\n  - echo made > made.txt\n  - [touch, left.log]\n\n" + COPIER["copier.yml"],
    "project/.gitignore": ".env\n*.log\n",
}


def test_code_of_a_template_needs_trust(tmp_path: Path) -> None:
    """It is listed with file and line; with trust, it runs on the rendering, and what git ignores is left there."""
    template, made = released(tmp_path / "template", TASKS, SECOND), tmp_path / "made"
    command = ("new", str(template), str(made), "--version", "v1.0.0", "--data", "name=a", "--defaults")
    refused = cli(*command)
    assert (refused.code, made.exists()) == (4, False)
    assert refused.err.splitlines() == [
        f"error: the template `{template}` runs code of its own",
        "  `copier.yml` line 2: task `echo made > made.txt`",
        "  `copier.yml` line 3: task `touch left.log`",
        (
            "hint: if you trust it: the same again with `--trust`; in a fleet `trust: true` beside its address in "
            "fleet.yaml"
        ),
    ]
    assert cli(*command, "--trust").code == 0
    assert ((made / "made.txt").read_text(), (made / "left.log").exists()) == ("made\n", False)
    assert (sync(made)[0], sync(made, "--plan")[0]) == (4, 4)
    assert cli("status", cwd=made).code == 4
    assert sync(made, "--trust")[0] == 0
    assert cli("check", "--verify", cwd=made).code == 4
    assert cli("check", "--verify", "--trust", cwd=made).code == 0


def test_a_migration_is_a_step_for_a_person(tmp_path: Path) -> None:
    moved = {"copier.yml": COPIER["copier.yml"] + "_migrations:\n  - version: v2.0.0\n    command: ./move.sh all\n"}
    template, made = released(tmp_path / "template", COPIER, moved), tmp_path / "made"
    assert cli("new", str(template), str(made), "--version", "v1.0.0", "--data", "name=a", "--defaults").code == 0
    plan = cli("sync", "--plan", "--json", cwd=made).data
    assert plan["manual"] == [
        "template v2.0.0: the template's migration (`copier.yml` line 25), which is not run: `./move.sh all`"
    ]


# ---- Cookiecutter --------------------------------------------------------------------------------


def test_cookiecutter_needs_trust_always(tmp_path: Path, cut: Path) -> None:
    refused = cli("new", str(cut), str(tmp_path / "made"), "--defaults")
    assert refused.code == 4
    assert refused.err.splitlines()[1:3] == [
        "  `hooks/post_gen_project.py` line 1: hook",
        "  `cookiecutter.json` line 1: every template, since Cookiecutter's Jinja is not sandboxed",
    ]


def test_new_stamps_what_cookiecutter_cuts(tmp_path: Path, cut: Path) -> None:
    made = tmp_path / "made"
    done = cli("new", str(cut), str(made), "--trust", "--json", "--data", "ci=no", "--data", "kind=service")
    assert done.code == 0, done.err
    assert done.data["answers"] == {"name": "my thing", "slug": "my-thing", "kind": "service", "ci": False}
    git(cut, "checkout", "-q", "v2.0.0")
    other = cookiecutter(
        str(cut),
        no_input=True,
        extra_context={"ci": "no", "kind": "service"},
        output_dir=str(tmp_path / "other"),
        default_config=True,
    )
    assert tree(made) == tree(Path(other))


def test_a_sync_with_cookiecutter(tmp_path: Path, cut: Path) -> None:
    made = tmp_path / "made"
    assert cli("new", str(cut), str(made), "--version", "v1.0.0", "--trust", "--defaults").code == 0
    put(made, {"main.py": LINES + "ours\n"})
    commit(made)
    assert sync(made)[0] == 4
    assert sync(made, "--trust")[0] == 0
    assert (made / "main.py").read_text() == LINES.replace("line 3\n", "line three\n") + "ours\n"
    assert rules(made) == []


def test_a_run_of_cookiecutter_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It copies a template with a hook that changes its questions, and writes hooks out, and deletes neither."""
    hook = "import json, pathlib\npathlib.Path('cookiecutter.json').write_text(json.dumps({'slug': 'from-the-hook'}))\n"
    files = {
        "cookiecutter.json": '{"slug": "x"}',
        "hooks/pre_prompt.py": hook,
        "hooks/post_gen_project.py": "print('hooked')\n",
        "{{cookiecutter.slug}}/a.txt": "{{ cookiecutter.slug }}\n",
    }
    template, scratch, made = released(tmp_path / "cut", files), tmp_path / "scratch", tmp_path / "made"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert cli("new", str(template), str(made), "--defaults", "--trust").code == 0
    assert (made / "a.txt").read_text() == "from-the-hook\n"
    assert snapshot(scratch) == {}


@pytest.mark.parametrize(
    ("files", "data"),
    [
        ({}, "slug={outside}"),
        ({}, "slug=../../outside"),
        ({"{{cookiecutter.slug}}/{{cookiecutter.name}}.txt": "x\n"}, "name={outside}/a"),
        ({"{{cookiecutter.slug}}/{{cookiecutter.name}}.raw": "x\n"}, "name=../../../outside"),
        ({"{{cookiecutter.slug}}/{{cookiecutter.name}}/x.txt": "x\n"}, "name={outside}"),
        ({"{{cookiecutter.slug}}/{{cookiecutter.name}}.raw/x.txt": "x\n"}, "name={outside}"),
        ({"{{cookiecutter.slug}}/sub/x.txt": "x\n"}, "slug={{% raw %}}a{{{{ '/../../..' }}}}{{% endraw %}}"),
    ],
)
@pytest.mark.parametrize("more", [("--dry-run",), ()])
def test_no_name_that_cookiecutter_renders_leads_out(
    tmp_path: Path, files: Mapping[str, str], data: str, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trust is for what the template runs; where our rendering writes is no matter of it."""
    template, place = released(tmp_path / "cut", {**COOKIECUTTER, **files}), tmp_path / "place"
    (place / "tmp").mkdir(parents=True)
    monkeypatch.setenv("TMPDIR", str(place / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    given = data.format(outside=place / "outside")
    done = cli("new", str(template), str(place / "made"), "--defaults", "--trust", "--data", given, *more)
    assert (done.code, "which leads out of the project's folder" in done.err) == (2, True), done.err
    assert snapshot(place) == {}


# ---- templates with mistakes ---------------------------------------------------------------------

RENDER = "mend the template, or give other answers with `--data KEY=VALUE`"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"copier.yml": "- a\n"}, ["`copier.yml` line 1: it is no mapping of questions and settings"]),
        ({"copier.yml": "hello\n"}, ["`copier.yml` line 1: it is no mapping of questions and settings"]),
        ({"copier.yml": "42\n"}, ["`copier.yml` line 1: it is no mapping of questions and settings"]),
        ({"copier.yml": b"name: \xe9\n"}, ["`copier.yml` is not UTF-8 text"]),
        ({"copier.yml": "name: x\n_tasks: 5\n"}, ["`copier.yml` line 2: `_tasks` is no list"]),
        ({"copier.yml": "name: x\n_migrations: a\n"}, ["`copier.yml` line 2: `_migrations` is no list"]),
        ({"copier.yml": "_jinja_extensions: 5\n"}, ["`copier.yml` line 1: `_jinja_extensions` is no list"]),
        ({"copier.yml": "_secret_questions: 5\n"}, ["`copier.yml` line 1: `_secret_questions` is no list"]),
        ({"deep/a.txt.jinja": "ok\n{{ foo( }}\n"}, ["`deep/a.txt.jinja` line 2: unexpected '}', expected ')'", RENDER]),
        ({"deep/a.txt.jinja": "ok\n{{ foo.bar.x }}\n"}, ["`deep/a.txt.jinja` line 2: 'foo' is undefined", RENDER]),
        ({"a.txt.jinja": b"a \xe9\n"}, ["`a.txt.jinja`: it is not UTF-8 text", RENDER]),
        (
            {"copier.yml": "_min_copier_version: '99.1'\n"},
            [
                (
                    "Copier cannot render `{place}`: This template requires Copier version >= 99.1, "
                    f"while your version of Copier is {copier.__version__}."
                ),
                "`pip install --upgrade copier`, or name an older version of the template",
            ],
        ),
    ],
)
def test_a_mistake_in_a_template_of_copier_is_one_sentence(
    tmp_path: Path, files: Mapping[str, str | bytes], said: list[str]
) -> None:
    place = tmp_path / "template"
    put(place, {"copier.yml": "name: x\n", **files})
    _refused(tmp_path, place, said)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"cookiecutter.json": '["a"]'}, ["`cookiecutter.json` line 1: it is no object"]),
        ({"cookiecutter.json": ""}, ["`cookiecutter.json` line 1: it is no JSON: Expecting value"]),
        (
            {"cookiecutter.json": b'\xef\xbb\xbf{"slug": "x"}'},
            ["`cookiecutter.json` line 1: it is no JSON: Unexpected UTF-8 BOM (decode using utf-8-sig)"],
        ),
        ({"cookiecutter.json": b'{"slug": "\xe9"}'}, ["`cookiecutter.json` is not UTF-8 text"]),
        ({"cookiecutter.json": '{"_extensions": 5}'}, ["`cookiecutter.json` line 1: `_extensions` is no list"]),
        (
            {"cookiecutter.json": "{}"},
            ["`{{cookiecutter.slug}}`: 'cookiecutter object' has no attribute 'slug'", RENDER],
        ),
        (
            {"{{cookiecutter.slug}}/a.txt": "ok\n{{ foo( }}\n"},
            ["`{{cookiecutter.slug}}/a.txt` line 2: unexpected '}', expected ')'", RENDER],
        ),
        (
            {"{{cookiecutter.slug}}/a.txt": "ok\n{{ cookiecutter.no }}\n"},
            ["`{{cookiecutter.slug}}/a.txt` line 2: 'cookiecutter object' has no attribute 'no'", RENDER],
        ),
        (
            {"{{cookiecutter.slug}}/a.txt": b"a \xe9\n"},
            ["`{{cookiecutter.slug}}/a.txt`: it is not UTF-8 text", RENDER],
        ),
        (
            {"hooks/pre_gen_project.py": "raise SystemExit(1)\n"},
            ["`hooks/pre_gen_project`: Hook script failed (exit status: 1)", RENDER],
        ),
        (
            {"{{cookiecutter.slug}}/README.md": None},
            [
                (
                    "Cookiecutter cannot render `{place}`: "
                    "no folder beside its `cookiecutter.json` has `{{ cookiecutter.… }}` in its name"
                ),
                RENDER,
            ],
        ),
    ],
)
def test_a_mistake_in_a_template_of_cookiecutter_is_one_sentence(
    tmp_path: Path, files: Mapping[str, str | bytes | None], said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "template"
    put(place, {"cookiecutter.json": '{"slug": "x"}', "{{cookiecutter.slug}}/README.md": "x\n"})
    put(place, files)
    for folder in place.glob("*{*/"):
        if not [*folder.iterdir()]:
            folder.rmdir()
    _refused(tmp_path, place, said)
    assert "Traceback" not in capfd.readouterr().err


def _refused(tmp_path: Path, place: Path, said: list[str]) -> None:
    done = cli("new", str(place), str(tmp_path / "made"), "--defaults", "--trust")
    wanted = [f"{word}: {line}" for word, line in zip(("error", "hint"), said, strict=False)]
    assert (done.code, done.err.splitlines()) == (2, [line.replace("{place}", str(place)) for line in wanted])


# ---- taking over ---------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path: Path, template: Path) -> Path:
    """A project that Copier made of v1.0.0, edited and committed by its team."""
    made = tmp_path / "copied"
    copier.run_copy(str(template), made, {"name": "my-thing"}, vcs_ref="v1.0.0", defaults=True, quiet=True)
    git(made, "init", "-q", "-b", "main")
    commit(made, "stamped")
    main = made / "src/my_thing/main.py"
    put(made, {"src/my_thing/main.py": main.read_text() + "ours\n", "run.sh": None, "team.txt": "ours\n"})
    commit(made, "edited")
    return made


def test_adopt_takes_over_a_project_of_copier(template: Path, copied: Path) -> None:
    before, others = tree(copied), ("--json",)
    planned = cli("adopt", "--plan", *others, cwd=copied).data
    assert not (copied / ".ai-factory").exists()
    done = cli("adopt", *others, cwd=copied)
    assert (done.code, done.data) == (0, {**planned, "applied": True})
    assert {key: done.data[key] for key in ("same", "edited", "held", "deleted", "local", "trace")} == {
        "same": [".copier-answers.yml", ".gitignore", "README.md", "deploy.ini", "docs/start.md", "old.txt"],
        "edited": ["src/my_thing/main.py"],
        "held": ["src/my_thing/main.py"],
        "deleted": ["run.sh"],
        "local": [".env"],
        "trace": ".copier-answers.yml",
    }
    assert tree(copied) == before
    assert git(copied, "status", "--short").splitlines() == [
        "A  .ai-factory/.gitattributes",
        "A  .ai-factory/base",
        "A  .ai-factory/lock.json",
        "A  .ai-factory/project.yaml",
    ]
    assert (copied / ".ai-factory/project.yaml").read_text() == (  # Copier has noted the defaults as well
        f"factory: {template}\nblueprint: template\nanswers:\n  name: my-thing\n"
    )
    assert rules(copied) == [("AF001", ".ai-factory/lock.json")]


def test_after_adoption_a_sync_is_an_ordinary_one(copied: Path) -> None:
    assert cli("adopt", cwd=copied).code == 0
    commit(copied)
    assert cli("check", "--verify", cwd=copied).code == 0
    assert sync(copied)[0] == 0
    after = tree(copied)
    assert after["src/my_thing/main.py"].endswith("ours\n")
    assert "line three\n" in after["src/my_thing/main.py"]
    assert {"old.txt", "run.sh"} & after.keys() == set()
    assert after["docs.txt"] == "new\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("_commit: v9.0.0", "`.copier-answers.yml` names version `v9.0.0` of "),
        ("_commit: v2.0.0\nname: other", "no file of the project is, or was, as "),
        ("_src_path: /nowhere/at-all", "there is no factory at `/nowhere/at-all`"),
        ("kind: boat", "the template at `v1.0.0` does not take the answers in `.copier-answers.yml`"),
    ],
)
def test_a_base_that_cannot_be_had_is_refused(copied: Path, line: str, said: str) -> None:
    answers = yaml.safe_load((copied / ".copier-answers.yml").read_text()) | yaml.safe_load(line)
    if "name" in yaml.safe_load(line):
        for path in (".gitignore", "docs/start.md", "old.txt", "README.md", "deploy.ini"):
            put(copied, {path: "quite another\n"})
        shutil.rmtree(copied / ".git")
        git(copied, "init", "-q")
    put(copied, {".copier-answers.yml": yaml.safe_dump(answers)})
    commit(copied)
    before = snapshot(copied)
    done = cli("adopt", cwd=copied)
    assert (done.code, snapshot(copied)) == (2, before)
    assert said in done.err


def test_adopt_takes_over_a_project_of_cruft(tmp_path: Path, cut: Path) -> None:
    """What cruft writes is a record of commit and context beside what Cookiecutter cuts."""
    git(cut, "checkout", "-q", "v1.0.0")
    made = Path(cookiecutter(str(cut), no_input=True, output_dir=str(tmp_path / "cruft"), default_config=True))
    version = git(cut, "rev-parse", "HEAD")
    record = {
        "template": str(cut),
        "commit": version,
        "checkout": None,
        "context": {"cookiecutter": {"name": "my thing", "slug": "my-thing", "kind": "library", "ci": True, "_x": 1}},
        "directory": None,
        "skip": ["ci.yml"],
    }
    put(made, {".cruft.json": json.dumps(record)})
    git(made, "init", "-q", "-b", "main")
    commit(made)
    git(cut, "checkout", "-q", "main")
    assert cli("adopt", cwd=made).code == 4
    done = cli("adopt", "--trust", cwd=made)
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            f"from {cut} v1.0.0 ({version[:7]}), as .cruft.json says",
            "4 files as the template stamps them; nothing of yours is written over",
            "note: `.cruft.json` is not used from now on: `git rm .cruft.json`",
            "note: cruft skipped `ci.yml`: here, edits are merged",
            "staged, not committed",
            "hint: look at it with `git diff --cached`, then `git commit`; `ai-factory sync --plan` shows what is new",
        ],
    )
    commit(made)
    assert sync(made, "--trust")[0] == 0
    assert "line three\n" in (made / "main.py").read_text()


@pytest.mark.parametrize("name", [".my-answers.yml", ".copier-answers.ci.yml"])
def test_a_record_by_another_name_is_found_by_what_it_holds(tmp_path: Path, name: str) -> None:
    """It stays where it is, and the template is told of that, as by `copier update --answers-file`."""
    template = released(tmp_path / "simple", SIMPLE, {"kind.txt.jinja": "new {{ _copier_conf.answers_file }}\n"})
    places = tmp_path / "theirs" / "thing", tmp_path / "ours" / "thing"
    for made in places:
        copier.run_copy(str(template), made, vcs_ref="v1.0.0", answers_file=name, defaults=True, quiet=True)
        git(made, "init", "-q", "-b", "main")
        commit(made)
    theirs, ours = places
    adopted = cli("adopt", "--commit", cwd=ours)
    assert adopted.code == 0, adopted.err
    assert adopted.out.splitlines()[:2] == [
        f"from {template} v1.0.0, as {name} says",
        "2 files as the template stamps them; nothing of yours is written over",
    ]
    assert sync(ours, "--commit")[0] == 0
    copier.run_update(theirs, answers_file=name, defaults=True, quiet=True, overwrite=True)
    assert tree(ours) == tree(theirs)
    assert cli("check", "--verify", cwd=ours).code == 0
    outside = cli("sync", "--data", "copier_answers_file=../../outside", cwd=ours)
    said = "error: `copier_answers_file` becomes '../../outside', which leads out of the project's folder"
    assert (outside.code, outside.err.splitlines()[0]) == (2, said)


def test_a_record_without_an_address_says_where_to_look(copied: Path) -> None:
    record = copied / ".copier-answers.yml"
    kept = [line for line in record.read_text().splitlines() if not line.startswith("_src_path")]
    put(copied, {".copier-answers.yml": "\n".join(kept) + "\n"})
    refused = cli("adopt", cwd=copied)
    assert (refused.code, refused.err.splitlines()) == (
        2,
        [
            "error: `.copier-answers.yml` names no template at a version: it has no `_src_path`",
            "hint: write the template's address there; `git log -p .copier-answers.yml` tells what it was",
        ],
    )


def test_what_is_no_such_project_is_not_adopted(tmp_path: Path, project: Path) -> None:
    assert cli("adopt", cwd=project).err.startswith("error: `.` is a project of the factory already")
    git(tmp_path, "init", "-q", "empty")
    assert "no template is known that it came from" in cli("adopt", cwd=tmp_path / "empty").err


def test_adopt_commits_where_that_is_asked(template: Path, copied: Path) -> None:
    done = cli("adopt", "--commit", "--json", cwd=copied)
    assert (done.code, done.data["committed"]) == (0, True)
    assert git(copied, "log", "-1", "--format=%s") == f"Adopt {template} v1.0.0"
    assert git(copied, "status", "--short") == ""


@pytest.mark.parametrize("option", ["--with", "--without", "--only", "--merge", "--data", "--answers", "--version"])
def test_adopt_says_which_options_go_with_a_blueprint(copied: Path, option: str) -> None:
    before = snapshot(copied)
    done = cli("adopt", option, "name=other", cwd=copied)
    assert (done.code, snapshot(copied)) == (2, before)
    assert done.err.startswith(f"error: `{option}` goes with `--blueprint`: ")


def _copied(place: Path, template: Path, answers: Mapping[str, object]) -> tuple[Path, Path]:
    """Twins of a project of v1.0.0, one for Copier, the other taken over."""
    places = place / "theirs" / "thing", place / "ours" / "thing"
    for made in places:
        copier.run_copy(str(template), made, dict(answers), vcs_ref="v1.0.0", defaults=True, quiet=True)
        git(made, "init", "-q", "-b", "main")
        commit(made)
    assert cli("adopt", "--commit", cwd=places[1]).code == 0
    return places


RECORD = {
    "{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml -}}\n",
    "kind.txt.jinja": "{{ kind }} {{ level }}\n",
}
SIMPLE = {**RECORD, "copier.yml": "kind: false\nlevel: {type: str, choices: [low, high], default: low}\n"}


def test_a_recorded_default_follows_the_template_as_in_copier(tmp_path: Path) -> None:
    """Copier notes every answer; one that is the default, and is taken no more, is no choice of a team's."""
    second = {"copier.yml": "kind: {type: str, choices: [a, b], default: b}\nlevel: {type: str, default: mid}\n"}
    theirs, ours = _copied(tmp_path, released(tmp_path / "simple", SIMPLE, second), {})
    copier.run_update(theirs, defaults=True, quiet=True, overwrite=True)
    code, said = sync(ours)
    assert (code, "answer: kind: False → b (the new default)" in said) == (0, True)
    assert tree(ours) == tree(theirs)
    assert (ours / "kind.txt").read_text() == "b low\n"


def test_a_choice_that_is_taken_no_more_is_asked_about(tmp_path: Path) -> None:
    """Copier takes the new default instead, without a word."""
    second = {"copier.yml": "kind: false\nlevel: {type: str, choices: [mid, top], default: mid}\n"}
    theirs, ours = _copied(tmp_path, released(tmp_path / "simple", SIMPLE, second), {"level": "high"})
    copier.run_update(theirs, defaults=True, quiet=True, overwrite=True)
    assert (theirs / "kind.txt").read_text() == "False mid\n"
    code, said = sync(ours)
    assert (code, said.splitlines()) == (
        2,
        [
            "error: an answer is missing or invalid",
            "  `level`: Invalid choice for 'level': 'high' is not in ['mid', 'top']",
            "hint: answer with `ai-factory sync --to v2.0.0 --data KEY=VALUE`, or in `.ai-factory/project.yaml`",
        ],
    )
    assert sync(ours, "--to", "v2.0.0", "--data", "level=top")[0] == 0
    assert (ours / "kind.txt").read_text() == "False top\n"


def test_an_answer_asked_no_more_is_there_while_the_template_reads_it(tmp_path: Path) -> None:
    """As in `copier update`; but a second update of Copier's has forgotten it."""
    first = {**SIMPLE, "{% if level == 'low' %}calm.txt{% endif %}": "calm\n"}
    second = {"copier.yml": "kind: false\n", "{% if level == 'low' %}calm.txt{% endif %}": "calmer\n"}
    third = {"{% if level == 'low' %}calm.txt{% endif %}": "calmest\n"}
    template = released(tmp_path / "simple", first, second, third)
    theirs, ours = _copied(tmp_path, template, {})
    copier.run_update(theirs, defaults=True, quiet=True, overwrite=True, vcs_ref="v2.0.0")
    assert sync(ours, "--to", "v2.0.0", "--commit")[0] == 0
    assert tree(ours) == tree(theirs)
    assert (ours / "calm.txt").read_text() == "calmer\n"
    assert cli("check", "--verify", cwd=ours).code == 0
    assert sync(ours, "--commit")[0] == 0
    assert (ours / "calm.txt").read_text() == "calmest\n"
    assert cli("check", "--verify", cwd=ours).code == 0


def test_a_link_of_a_template_may_lie_where_git_reads(tmp_path: Path) -> None:
    """It becomes a file: in a project git reads it, in a template nobody does."""
    template = released(tmp_path / "simple", {**SIMPLE, "src/x.txt": "x\n"})
    (template / "common").write_text("*.log\n")
    (template / "src/.gitignore").symlink_to("../common")
    commit(template)
    git(template, "tag", "-f", "v1.0.0")
    _, ours = _copied(tmp_path, template, {})
    assert ((ours / "src/.gitignore").is_symlink(), (ours / "src/.gitignore").read_text()) == (False, "*.log\n")


def test_a_link_to_a_program_becomes_a_file_that_nobody_runs(tmp_path: Path) -> None:
    """As in Copier, which goes by the mode that git has for the link."""
    template = released(tmp_path / "simple", {**SIMPLE, "run.sh": "#!/bin/sh\n"})
    (template / "run.sh").chmod(0o755)
    (template / "link.sh").symlink_to("run.sh")
    commit(template)
    git(template, "tag", "-f", "v1.0.0")
    made = tmp_path / "made"
    assert cli("new", str(template), str(made), "--version", "v1.0.0", "--defaults").code == 0
    copier.run_copy(str(template), tmp_path / "other", vcs_ref="v1.0.0", defaults=True, quiet=True)
    modes = {path: mode for path, (mode, _) in snapshot(tmp_path / "other").items()}
    assert {path: mode for path, (mode, _) in snapshot(made).items() if path in modes} == modes


def test_a_dump_of_all_variables_is_the_same_each_time(tmp_path: Path) -> None:
    """Cruft's `_template` and `_commit` are in it; where a run lies can be asked, and is in no dump."""
    files = {
        **COOKIECUTTER,
        "{{cookiecutter.slug}}/all.json": "{{ cookiecutter | jsonify }}\n",
        "{{cookiecutter.slug}}/made.txt": "{{ 'here' if cookiecutter._output_dir else '' }}\n",
    }
    template = released(tmp_path / "cut", files, {"{{cookiecutter.slug}}/main.py": "other\n"})
    made = tmp_path / "made"
    assert cli("new", str(template), str(made), "--version", "v1.0.0", "--trust", "--defaults").code == 0
    said = json.loads((made / "all.json").read_text())
    known = {"_template": str(template), "_commit": git(template, "rev-parse", "v1.0.0")}
    assert {key: value for key, value in said.items() if key.startswith("_") and key != "__upper"} == {
        "_copy_without_render": ["*.raw"],
        **known,
    }
    assert (made / "made.txt").read_text() == "here\n"
    assert sync(made, "--trust")[0] == 0
    assert said | {"_commit": git(template, "rev-parse", "v2.0.0")} == json.loads((made / "all.json").read_text())


def test_a_choice_of_cookiecutter_that_is_taken_no_more_is_asked_about(tmp_path: Path, cut: Path) -> None:
    """Cruft ends with a traceback there."""
    made = tmp_path / "made"
    put(cut, {"cookiecutter.json": '{"slug": "my-thing", "kind": ["job", "site"], "ci": true, "__upper": "X"}\n'})
    commit(cut)
    git(cut, "tag", "v3.0.0")
    assert cli("new", str(cut), str(made), "--version", "v1.0.0", "--trust", "--data", "kind=service").code == 0
    code, said = sync(made, "--trust")
    command = "ai-factory sync --to v3.0.0 --trust --data KEY=VALUE"
    assert (code, said.splitlines()[-3:]) == (
        2,
        [
            "error: an answer is missing or invalid",
            "  `kind`: 'service' is not one of job, site",
            f"hint: answer with `{command}`, or in `.ai-factory/project.yaml`",
        ],
    )
    assert sync(made, "--to", "v3.0.0", "--trust", "--data", "kind=site")[0] == 0
    assert lock(made)["answers"] == {"slug": "my-thing", "kind": "site", "ci": True}


def test_a_variable_that_the_template_has_no_more_is_named(tmp_path: Path, cut: Path) -> None:
    put(cut, {"cookiecutter.json": '{"name": "my thing"}\n'})
    commit(cut)
    git(cut, "tag", "v3.0.0")
    assert cli("new", str(cut), str(tmp_path / "made"), "--trust").err.splitlines() == [
        "error: `{{cookiecutter.slug}}`: 'cookiecutter object' has no attribute 'slug'",
        "hint: mend the template, or give other answers with `--data KEY=VALUE`",
    ]


def test_a_record_of_cruft_is_read_with_cookiecutter(tmp_path: Path) -> None:
    """Some templates have the files of both, and move to Copier in the end; what a `0` means is another thing there."""
    both = {
        "copier.yml": "_subdirectory: inner\nfast: {type: bool, default: false}\n",
        "cookiecutter.json": '{"slug": "made", "fast": "0"}\n',
        "{{cookiecutter.slug}}/fast.txt": "{{ cookiecutter.fast }}\n",
        "inner/fast.txt.jinja": "{{ 1 if fast else 0 }}\n",
    }
    second = {"cookiecutter.json": None, "inner/more.txt": "more\n"}
    template = released(tmp_path / "both", both, second)
    made = tmp_path / "made"
    record = {"template": str(template), "commit": git(template, "rev-parse", "v1.0.0")}
    context = {"cookiecutter": {"slug": "made", "fast": "0"}}
    put(made, {".cruft.json": json.dumps({**record, "context": context}), "fast.txt": "0\n"})
    git(made, "init", "-q", "-b", "main")
    commit(made)
    adopted = cli("adopt", "--trust", "--commit", "--json", cwd=made)
    assert (adopted.code, adopted.data["same"], adopted.data["deleted"]) == (0, ["fast.txt"], [])
    assert sync(made, "--commit")[0] == 0
    assert {path: text for path, text in tree(made).items() if path.endswith(".txt")} == {
        "fast.txt": "0\n",
        "more.txt": "more\n",
    }
    assert lock(made)["answers"] == {"fast": False}


def test_what_a_hook_makes_up_stays_as_the_project_has_it(tmp_path: Path) -> None:
    """A password that a hook writes is another one each time, which is no change of the template's."""
    hook = "import secrets\nopen('.env', 'w').write('MODE={}\\nKEY=' + secrets.token_hex(8) + '\\n')\n"
    files = {"cookiecutter.json": '{"slug": "made"}\n', "{{cookiecutter.slug}}/a.txt": "a\n"}
    releases = [{"hooks/post_gen_project.py": hook.replace("{}", mode)} for mode in ("one", "two")]
    template = released(tmp_path / "cut", {**files, **releases[0]}, releases[1])
    made = tmp_path / "made"
    assert cli("new", str(template), str(made), "--version", "v1.0.0", "--trust").code == 0
    before = (made / ".env").read_text()
    assert sync(made, "--trust", "--commit")[0] == 0
    assert (made / ".env").read_text() == before.replace("one", "two")
    record = {"template": str(template), "commit": git(template, "rev-parse", "v1.0.0"), "skip": []}
    git(made, "rm", "-rq", ".ai-factory")
    put(made, {".cruft.json": json.dumps({**record, "context": {"cookiecutter": {"slug": "made"}}}), ".env": before})
    commit(made)
    assert cli("adopt", "--trust", "--commit", "--json", cwd=made).data["edited"] == []
    assert sync(made, "--trust")[0] == 0
    assert (made / ".env").read_text() == before.replace("one", "two")


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_template_without_releases_is_followed_on_its_branch(tmp_path: Path, form: str) -> None:
    """As Copier and cruft do: what they note is a commit, and what is newest is the branch."""
    template = released(tmp_path / "simple", SIMPLE, {"kind.txt.jinja": "new\n"})
    git(template, "tag", "-d", "v1.0.0", "v2.0.0")
    git(template, "branch", "draft", "main~1")
    place = form.format(template)
    theirs, ours = tmp_path / "theirs" / "thing", tmp_path / "ours" / "thing"
    for made in (theirs, ours):
        copier.run_copy(str(template), made, vcs_ref="main~1", defaults=True, quiet=True)
        git(made, "init", "-q", "-b", "main")
        commit(made)
    adopted = cli("adopt", "--commit", "--factory", place, cwd=ours)
    assert adopted.code == 0, adopted.err
    old, new = (git(template, "rev-parse", "--short=7", name) for name in ("main~1", "main"))
    assert adopted.out.splitlines()[0] == f"from {place} main ({old}), as .copier-answers.yml says"
    assert rules(ours) == [("AF001", ".ai-factory/lock.json")]
    assert cli("status", cwd=ours).out.splitlines()[0] == f"at main {old}, main {new} is there ({place})"
    copier.run_update(theirs, defaults=True, quiet=True, overwrite=True)
    code, said = sync(ours, "--commit")
    assert (code, said.splitlines()[0]) == (0, f"main {old} → main {new}")
    assert (tree(ours), rules(ours)) == (tree(theirs), [])
    assert sync(ours) == (0, "nothing to do: the project is at main\n")
    assert cli("new", place, str(tmp_path / "new"), "--defaults", "--version", "main").code == 0


# ---- fleets --------------------------------------------------------------------------------------


def test_a_fleet_brings_no_file_that_shows_a_secret(tmp_path: Path) -> None:
    second = {"project/two.ini.jinja": "two = {{ token }}\n", "project/docs.txt": "new\n"}
    template, made, control = released(tmp_path / "template", COPIER, second), tmp_path / "made", tmp_path / "control"
    assert cli("new", str(template), str(made), "--version", "v1.0.0", "--data", "name=a", "--defaults").code == 0
    put(control, {"fleet.yaml": f"factories: [{{url: {template}}}]\nprojects: [{{url: {made}}}]\n"})
    assert cli("fleet", "plan", "--output", "plan.jsonl", cwd=control).code == 0
    row = json.loads((control / "plan.jsonl").read_text().splitlines()[1])
    why = "is new, and the team's from now on, and not staged: the answer to a secret question shows in it"
    assert [(one["path"], one["why"]) for one in row["decisions"] if one["ownership"] == "seeded"] == [("two.ini", why)]
    assert cli("fleet", "apply", "plan.jsonl", cwd=control).code == 0
    assert git(made, "ls-tree", "--name-only", row["branch"], "docs.txt", "two.ini") == "docs.txt"


def test_in_a_fleet_trust_comes_from_its_own_file(tmp_path: Path, cut: Path) -> None:
    made, control = tmp_path / "made", tmp_path / "control"
    assert cli("new", str(cut), str(made), "--version", "v1.0.0", "--trust", "--defaults").code == 0
    for trust, fates in ((False, ["failed"]), (True, ["update"])):
        row = f"{{url: {cut}, trust: {str(trust).lower()}}}"
        put(control, {"fleet.yaml": f"factories: [{row}]\nprojects: [{{url: {made}}}]\n"})
        done = cli("fleet", "plan", "--output", f"{trust}.jsonl", cwd=control)
        assert done.code == (0 if trust else 3)
        rows = [json.loads(line) for line in (control / f"{trust}.jsonl").read_text().splitlines()]
        assert [row["outcome"] for row in rows[1:]] == fates, rows
