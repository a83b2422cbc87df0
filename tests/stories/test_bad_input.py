"""Bad input: one clear sentence, file and line, a hint that mends it, the right exit code, and nothing changed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.kit import Result, cli, commit, git, put, snapshot

CORE = "templates/core"


def refused(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and lines of a command that must not change anything below the folder."""
    before = snapshot(folder)
    result = cli(*arguments, cwd=folder)
    assert (result.out, snapshot(folder)) == ("", before)
    return result.code, result.err.splitlines()


def new(folder: Path, factory: Path, *options: str) -> tuple[int, list[str]]:
    """`new small p` from the folder factory, which must be refused."""
    return refused(folder, "new", "small", "p", "--defaults", "--factory", str(factory), *options)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty folder beside the factory."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


# ---- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["audit", "map", "blueprint", "component"])
def test_a_group_without_a_command_shows_what_there_is(work: Path, group: str) -> None:
    """Its help, as `--help` prints it, and no error before it: but nothing was done, and nothing is on stdout."""
    code, lines = refused(work, group)
    assert (code, lines) == (2, cli(group, "--help").out.splitlines())
    assert lines[0] == f"Usage: ai-factory {group} [OPTIONS] COMMAND [ARGS]..."


# ---- answers -------------------------------------------------------------------------------------


def test_a_missing_answer(work: Path, factory: Path) -> None:
    put(
        factory,
        {f"{CORE}/copier.yml": "owner: {type: str, help: Who owns it}\npackage: p\nuse_case: x\nteam: {type: int}\n"},
    )
    assert new(work, factory) == (
        2,
        [
            "error: 2 answers are missing or invalid",
            "  `owner`: has no default: Who owns it",
            "  `team`: has no default",
            "hint: give them with `--data KEY=VALUE` or `--answers FILE`",
        ],
    )


def test_a_missing_answer_for_machines(work: Path, factory: Path) -> None:
    put(factory, {f"{CORE}/copier.yml": "owner: {type: str, help: Who owns it}\npackage: p\nuse_case: x\n"})
    result = cli("new", "small", "p", "--json", "--factory", str(factory), cwd=work)
    assert result.code == 2
    assert result.data["answers"] == {"owner": "has no default: Who owns it"}


def test_a_malformed_and_an_unknown_answer(work: Path, factory: Path) -> None:
    assert new(work, factory, "--data", "package=not-good", "--data", "sise=3") == (
        2,
        [
            "error: 2 answers are missing or invalid",
            "  `sise`: no component asks it; asked are package, use_case",
            "  `package`: is no identifier",
            "hint: give them with `--data KEY=VALUE` or `--answers FILE`",
        ],
    )


def test_an_answer_without_a_value(work: Path, factory: Path) -> None:
    assert new(work, factory, "--data", "package") == (
        2,
        ["error: `package` is no answer", "hint: write it as `--data KEY=VALUE`"],
    )


def test_an_answers_file_that_is_broken_or_missing(work: Path, factory: Path) -> None:
    put(work, {"answers.yaml": "package: a\npackage: b\n"})
    code, lines = new(work, factory, "--answers", "answers.yaml")
    assert (code, lines[0]) == (
        2,
        'error: `answers.yaml` line 2: found duplicate key "package" with value "b" (original value: "a")',
    )
    assert (
        new(work, factory, "--answers", "none.yaml")[1][0]
        == "error: cannot read `none.yaml`: no such file or directory"
    )


# ---- factories -----------------------------------------------------------------------------------


def test_an_unknown_blueprint(work: Path, factory: Path) -> None:
    assert refused(work, "new", "smal", "p", "--factory", str(factory)) == (
        2,
        [
            "error: there is no blueprint `smal`; did you mean `small`?",
            "hint: `ai-factory blueprint list` shows what there is",
        ],
    )


def test_an_unknown_component(work: Path, factory: Path) -> None:
    assert new(work, factory, "--with", "nic") == (
        2,
        [
            "error: `blueprints/small.yaml` does not offer `nic`; did you mean `nice`?",
            "hint: `ai-factory blueprint show small` lists what is optional",
        ],
    )
    put(factory, {"blueprints/small.yaml": "summary: Small\ncomponents: [core, gone]\n"})
    assert new(work, factory) == (
        2,
        ["error: there is no component `gone`", "hint: `ai-factory component list` shows what there is"],
    )


def test_a_component_left_out_that_another_requires(work: Path, factory: Path) -> None:
    assert new(work, factory, "--without", "core") == (
        2,
        [
            "error: the component `extras` requires `core`, which is not taken",
            (
                "hint: add it with `--with core`, or leave `extras` out with `--without extras`; "
                "in a project: `ai-factory component add core` or `component remove extras`"
            ),
        ],
    )


def test_two_components_that_own_one_path(work: Path, factory: Path) -> None:
    put(factory, {"templates/extras/files/ops/runbook.md": "mine\n"})
    assert new(work, factory) == (
        2,
        [
            "error: the components `core` and `extras` both own `ops/runbook.md`",
            "hint: let one own it, and the other contribute to it",
        ],
    )


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("files/a.md.jinja", "one\n{% if %}\n", "`templates/core/files/a.md.jinja` line 2: Expected an expression, got 'end of statement block'"),
        ("files/a.md.jinja", "one\n\n{{ packge }}\n", "`templates/core/files/a.md.jinja` line 3: 'packge' is undefined: a component sees its own answers and those of the components it requires"),
        ("files/{% if x %}a{% endif %}", "", "`templates/core/files/{% if x %}a{% endif %}`: a path holds no condition"),
        ("files/a/GIT~1/x", "", "the path 'templates/core/files/a/GIT~1/x' points outside its folder or into git's own"),
        ("component.yaml", "summary: x\nrequries: []\n", "`templates/core/component.yaml` line 2: requries: the key `requries` is unknown; known here: summary, requires, ownership, contributes, evidences, produces, changes"),
        ("component.yaml", "summary: x\nownership:\n  'nothing/**': managed\n", "`templates/core/component.yaml`: ownership `nothing/**` matches no file"),
        ("component.yaml", "summary: [x\n", "`templates/core/component.yaml` line 2: expected ',' or ']', but got '<stream end>'"),
        ("component.yaml", "summary: x\ncontributes:\n  dependencies: ['polars>=3']\n", "no version of `polars` meets both `polars>=3` (core) and `polars>=2,<3` (extras)"),
        ("copier.yml", "_tasks: [rm -rf /]\npackage: p\n", "`templates/core/copier.yml` line 1: Copier's setting `_tasks` is not supported in a component"),
        ("copier.yml", "package: p\nkey: {type: str, secret: true}\n", "`templates/core/copier.yml` line 2: `key` asks for a secret, which would be stored"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_author_is_named_with_file_and_line(
    work: Path, factory: Path, path: str, content: str, message: str
) -> None:
    put(factory, {f"{CORE}/{path}": content})
    code, lines = new(work, factory)
    assert (code, lines[0]) == (2, f"error: {message}")


def test_a_stamped_file_that_the_blueprint_ignores(work: Path, factory: Path) -> None:
    put(factory, {f"{CORE}/files/.gitignore": "*.md\n!ops/*.md\n"})
    code, lines = new(work, factory)
    assert (code, lines) == (
        2,
        ["error: `docs/extra.md` of `extras` is ignored by the blueprint's own `.gitignore` of `core`"],
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nowhere", "there is no factory at `nowhere`"),
        ("file:///nowhere/at/all", "the factory `file:///nowhere/at/all` cannot be reached: "),
        ("ext::sh -c 'touch x'", "`ext::sh -c 'touch x'` is no address of a factory"),
        ("-oProxyCommand=x", "`-oProxyCommand=x` is no address of a factory"),
        ("http://example.org/x", "`http://example.org/x` is no address of a factory"),
        (".", "`{here}` is no factory: it has no `templates/`"),
    ],
)
def test_a_factory_that_cannot_be_reached(work: Path, url: str, message: str) -> None:
    code, lines = refused(work, "new", "small", "p", "--defaults", f"--factory={url}")
    assert code == 2
    assert lines[0].startswith("error: " + message.replace("{here}", str(work)))
    assert lines[-1].startswith("hint: ")


def test_a_version_that_does_not_exist(work: Path, factory: Path) -> None:
    assert new(work, factory, "--version", "v9")[1] == ["error: the factory has no version `v9`"]
    assert (
        new(work, factory, "--version", "--upload-pack=x")[1][0]
        == "error: the factory has no version `--upload-pack=x`"
    )


# ---- destinations and machines -------------------------------------------------------------------


def test_a_destination_that_is_not_empty_or_a_file(work: Path, factory: Path) -> None:
    put(work, {"p/a.txt": "mine\n", "p/b.txt": "mine\n", "file": ""})
    hint = "hint: name a folder that is new or empty"
    assert new(work, factory) == (2, ["error: `p` is not empty: it holds `a.txt` and more", hint])
    assert refused(work, "new", "small", "file", "--factory", str(factory)) == (2, ["error: `file` is a file", hint])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who may not write here")
def test_a_folder_that_cannot_be_written(factory: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        work = Path(name)
        work.chmod(0o755)
        shutil.copytree(factory, work / "factory", ignore=shutil.ignore_patterns(".git"))
        options = ["new", "small", "p", "--defaults", "--factory", str(work / "factory")]
        assert cli(*options, "--dry-run", cwd=work).code == 0  # loads all that the child needs
        assert _as_nobody(work, *options) == (
            2,
            [f"error: `{work}` cannot be written", "hint: choose another folder, or change its permissions"],
        )
        assert not (work / "p").exists()


def _as_nobody(work: Path, *arguments: str) -> tuple[int, list[str]]:
    """Run a command in a child that may read everything and write its cache."""
    cache = work / "cache"
    cache.mkdir()
    os.chown(cache, 65534, 65534)
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.environ.update(AI_FACTORY_CACHE=str(cache), HOME=str(cache))
        os.chdir(work)
        os.setuid(65534)
        result = cli(*arguments)
        os.write(writer, json.dumps([result.code, result.err.splitlines()]).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        code, lines = json.load(stream)
    return code, lines


def test_without_git(work: Path, factory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(work / "nothing"))
    expected = (2, ["error: git is not installed", "hint: install git 2.38 or newer"])
    before = snapshot(work)
    result = cli("new", "small", "p", "--defaults", "--factory", str(factory), "--version", "v1.0.0", cwd=work)
    assert (result.code, result.err.splitlines()) == expected
    assert snapshot(work) == before


def test_without_git_after_the_files_were_written(work: Path, factory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = work.parent / "bare"
    put(bare, {path: (factory / path).read_bytes() for path in _files(factory)})
    monkeypatch.setenv("PATH", str(work / "nothing"))
    result = cli("new", "small", "p", "--defaults", "--factory", str(bare), cwd=work)
    assert (result.code, list(work.iterdir())) == (2, [])
    assert result.err.splitlines()[0] == "error: git is not installed"
    assert cli("new", "small", "p", "--defaults", "--no-git", "--factory", str(bare), cwd=work).code == 0


def _files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]


# ---- projects ------------------------------------------------------------------------------------


def broken(project: Path, content: str) -> list[Result]:
    """What every command says when the lock holds this content; none may write anything."""
    put(project, {".ai-factory/lock.json": content})
    commit(project)
    before = snapshot(project)
    commands = (["check"], ["status"], ["diff"], ["sync"], ["restore", "--all"], ["explain", "ops/runbook.md"])
    results = [cli(*command, cwd=project) for command in commands]
    assert snapshot(project) == before
    return results


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "`.ai-factory/lock.json` is broken: line 1 is not JSON"),
        ('{"schema": 1,\n x}', "`.ai-factory/lock.json` is broken: line 2 is not JSON"),
        ("[1]", "`.ai-factory/lock.json` is broken: not an object"),
        ('{"schema": 2}', "`.ai-factory/lock.json` has schema 2, newer than the 1 that this ai-factory knows"),
        ('{"schema": 1}', "`.ai-factory/lock.json` is broken: key: 'paths'"),
        ("<<<<<<< ours\n", "`.ai-factory/lock.json` holds merge markers: two branches both synced"),
    ],
)
def test_a_corrupt_lock(project: Path, content: str, message: str) -> None:
    check, *others = broken(project, content)
    assert check.code == 2
    assert check.out.splitlines()[0] == f"AF005 undetermined: .ai-factory/lock.json {message}"
    for result in others:
        assert (result.code, result.err.splitlines()[0]) == (2, f"error: {message}")
        assert result.err.splitlines()[-1].startswith("hint: ")


@pytest.mark.parametrize("path", ["../outside.txt", "/etc/passwd", ".git/config", "a/../../b"])
def test_a_lock_that_points_outside_the_project(project: Path, path: str) -> None:
    record = json.loads((project / ".ai-factory/lock.json").read_text())
    record["paths"][path] = record["paths"]["ops/runbook.md"] | {"ownership": "managed"}
    put(project.parent, {"outside.txt": "not ours\n"})
    for result in broken(project, json.dumps(record)):
        assert result.code == 2
        assert f"the path {path!r} points outside its folder or into git's own" in result.out + result.err
    assert (project.parent / "outside.txt").read_text() == "not ours\n"


def test_a_link_that_leads_outside_the_project(project: Path) -> None:
    outside = project.parent / "outside"
    put(outside, {"runbook.md": "not ours\n", "old.md": "not ours\n"})
    for name in ("runbook.md", "old.md"):
        (project / "ops" / name).unlink()
    (project / "ops").rmdir()
    (project / "ops").symlink_to(outside)
    commit(project)
    result = cli("sync", cwd=project)
    assert result.code == 2
    assert "lies outside the project: a folder above it is a link" in result.err
    assert (outside / "runbook.md").read_text() == "not ours\n"


def test_a_malformed_project_file(project: Path) -> None:
    put(project, {".ai-factory/project.yaml": "factory: x\nblueprint: small\nanswer: {}\n"})
    commit(project)
    assert refused(project, "sync")[1][0].startswith(
        "error: `.ai-factory/project.yaml` line 3: answer: the key `answer` is unknown"
    )


LOST = "where one was, `git log -- .ai-factory` says what became of it"


def test_outside_any_project(work: Path) -> None:
    code, lines = refused(work, "status")
    assert (code, lines[-1]) == (2, f"hint: make one with `ai-factory new BLUEPRINT DEST`; {LOST}")


def test_a_project_that_git_does_not_know(project: Path) -> None:
    shutil.rmtree(project / ".git")
    code, lines = refused(project, "sync")
    assert (code, lines) == (
        2,
        [f"error: `{project}` lies in no git work tree", "hint: make one: `git init && git add -A && git commit`"],
    )


def test_usage_errors_say_where_help_is(work: Path) -> None:
    code, lines = refused(work, "new")
    assert (code, lines[0].lower(), lines[1:]) == (
        2,
        "error: missing argument 'blueprint|url'",
        ["hint: `ai-factory new --help` lists what there is"],
    )
    assert refused(work, "frobnicate")[0] == 2
    assert refused(work, "check", "--frobnicate") == (
        2,
        ["error: unrecognized arguments: --frobnicate", "hint: `ai-factory check --help` lists the options"],
    )
    machine = cli("new", "--json", cwd=work)
    assert (machine.code, machine.data["kind"]) == (2, "usage")


def test_a_moved_tag_is_refused(project: Path, factory: Path) -> None:
    put(factory, {"templates/core/files/ops/runbook.md": "rewritten\n"})
    commit(factory)
    git(factory, "tag", "-f", "v1.0.0")
    code, lines = refused(project, "sync", "--to", "v1.0.0")
    assert code == 2
    assert lines[0].startswith("error: the tag `v1.0.0` of the factory has moved")
