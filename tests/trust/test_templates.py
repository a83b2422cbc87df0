"""Templates are input from strangers: nothing of theirs leaves the project, and none takes the machine along."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ai_factory import base, isolate, render, workspace
from ai_factory import factory as factories
from ai_factory.errors import AuthorError
from ai_factory.manifest import Manifest
from ai_factory.project.new import prepare
from ai_factory.project.target import Choice, recipe
from tests.kit import cli, commit, git, put, refusal, small_factory, snapshot

CORE = "templates/core"
FILES = f"{CORE}/files"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The small factory as a folder."""
    return small_factory(tmp_path / "source", tags=False)


def refused(source: Path, *options: str) -> str:
    """The sentence with which a stamping is refused: exit 2, and nothing is left behind anywhere."""
    before = snapshot(source.parent)
    result = cli("new", "small", "p", "--defaults", "--factory", str(source), *options, cwd=source.parent)
    assert (result.code, snapshot(source.parent)) == (2, before), result.out
    return result.err.splitlines()[0].removeprefix("error: ")


# ---- paths ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        *(
            "../outside",
            "..",
            ".",
            "",
            "/etc",
            "a/b",
            "a/../../b",
            "~/x/y",
            "a\\..\\b",
            "a\0b",
            ".git",
            ".GIT",
            "git~1",
        ),
        *(
            ".git ",
            ".git.",
            ".git::$INDEX_ALLOCATION",
            ".g\u200cit",
            "\u202e.git",
            ".ai-factory",
            ".AI-Factory",
            "theirs",
        ),
    ],
)
def test_an_answer_that_becomes_a_path_stays_one_name(value: str, source: Path) -> None:
    """Traversal, an absolute path, git's own folder in any spelling, and our own folder."""
    put(source, {f"{CORE}/copier.yml": f"_subdirectory: files\nuse_case: x\npackage: {_yaml(value)}\n"})
    put(source, {f"{CORE}/component.yaml": "summary: x\n", f"{FILES}/{{{{ package }}}}/x": ""})
    assert "`templates/core/files/" in refused(source)


def _yaml(text: str) -> str:
    return '"' + "".join(f"\\u{ord(char):04x}" for char in text) + '"'


@pytest.mark.parametrize("value", ["../x", "/etc/passwd", "a/../../b", ".git/config", "x/.GIT/y", "\n/../x"])
def test_a_path_that_is_data_stays_in_the_project_too(value: str, source: Path) -> None:
    put(source, {f"{CORE}/component.yaml": f"summary: x\nproduces: [{_yaml(value)}]\n"})
    assert "points outside its folder or into git's own" in refused(source)


@pytest.mark.parametrize(
    "name",
    [".git/hooks/pre-commit", ".GIT/config", "a/.Git/x", "git~1/config", "a/GIT~1", ".git./x", ".git /x", ".g\u200dit"],
)
def test_nothing_of_a_template_is_called_git(name: str, tmp_path: Path) -> None:
    """Git itself would take most of these into a tree when it is made by hand."""
    factory = small_factory(tmp_path / "factory")
    blob = git(factory, "rev-parse", "HEAD:templates/core/files/ops/runbook.md")
    listing = git(factory, "ls-tree", "-r", "HEAD").splitlines()
    rows = [*(line for line in listing), f"100644 blob {blob}\t{FILES}/{name}"]
    git(factory, "update-ref", "refs/tags/v9.0.0", _commit(factory, rows))
    result = cli("new", "small", "p", "--defaults", "--factory", f"file://{factory}", cwd=tmp_path)
    assert (result.code, (tmp_path / "p").exists()) == (2, False)
    assert "points outside its folder or into git's own" in result.err


def _commit(repository: Path, rows: list[str]) -> str:
    """A commit of a tree with these rows of `git ls-tree -r`, whatever their names."""
    nested: dict[str, list[str]] = {}
    for row in rows:
        head, _, path = row.partition("\t")
        folder, _, name = path.rpartition("/")
        nested.setdefault(folder, []).append(f"{head}\t{name}")
        while folder:
            folder = folder.rpartition("/")[0]
            nested.setdefault(folder, [])
    made: dict[str, str] = {}
    for folder in sorted(nested, key=lambda name: -name.count("/") - bool(name)):
        inner = [
            f"040000 tree {identity}\t{path.rpartition('/')[2]}"
            for path, identity in made.items()
            if path.rpartition("/")[0] == folder
        ]
        made[folder] = _input(repository, "mktree", "\n".join([*nested[folder], *inner]) + "\n")
    return git(repository, "commit-tree", "-m", "odd", made[""])


def _input(repository: Path, command: str, text: str) -> str:
    done = subprocess.run(["git", command], cwd=repository, input=text, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("README.md", "readme.md", "case"),
        ("Docs/a.md", "docs/b.md", "case"),
        ("stra\u00dfe.md", "strasse.md", "case"),
        ("caf\u00e9.md", "cafe\u0301.md", "how their letters are composed"),
        ("\u00e9/a", "e\u0301/b", "how their letters are composed"),
    ],
)
def test_two_names_that_are_one_on_another_disk_are_refused(one: str, other: str, how: str, source: Path) -> None:
    put(source, {f"{FILES}/{one}": "", f"{FILES}/{other}": ""})
    assert refused(source).endswith(f"differ only in {how}")


@pytest.mark.parametrize("length", [300, 5000])
def test_a_name_that_no_disk_takes_leaves_nothing_behind(length: int, source: Path) -> None:
    assert "cannot write" in refused(source, "--data", f"package={'a' * length}")


# ---- links ---------------------------------------------------------------------------------------


def link(source: Path, name: str, target: str) -> None:
    place = source / FILES / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ({"a": "/etc/passwd"}, "points outside its folder"),
        ({"a": "../outside"}, "points outside its folder"),
        ({"d/a": "../../outside"}, "points outside its folder"),
        ({"a": "b", "b": "../outside"}, "the link `b` points outside its folder"),
        ({"a": "docs/../../outside"}, "points outside its folder"),
        ({"a": ".git/hooks"}, "points into git's own folder"),
        ({"a": "GIT~1"}, "points into git's own folder"),
        ({".gitmodules": "x"}, "is a link, and git reads what it finds there"),
        ({"sub/.GITattributes": "x"}, "is a link, and git reads what it finds there"),
    ],
)
def test_a_link_stays_inside_and_out_of_gits_way(links: Mapping[str, str], words: str, source: Path) -> None:
    for name, target in links.items():
        link(source, name, target)
    assert words in refused(source)


def test_no_file_is_stamped_through_a_link(source: Path) -> None:
    """Neither in one version, where the link would have to be a folder."""
    put(source, {"templates/extras/files/a/x": "through\n"})
    link(source, "a", "docs")
    assert refused(source) == "the blueprint cannot be stamped: `a` is a file, and `a/x` needs it to be a folder"


def test_no_file_is_written_through_a_link_of_an_earlier_version(tmp_path: Path) -> None:
    """A link in one version, a file through it in the next: the link gives way first, whatever it points to by now."""
    factory = small_factory(tmp_path / "factory")
    link(factory, "a", "docs")
    commit(factory)
    git(factory, "tag", "v3.0.0")
    (factory / FILES / "a").unlink()
    put(factory, {f"{FILES}/a/x": "real\n"})
    commit(factory)
    git(factory, "tag", "v4.0.0")
    options = ("--defaults", "--factory", str(factory), "--version", "v3.0.0")
    for name in ("kept", "turned"):
        assert cli("new", "small", name, *options, cwd=tmp_path).code == 0
    kept, turned = tmp_path / "kept", tmp_path / "turned"
    assert (cli("sync", cwd=kept).code, (kept / "a/x").read_text(), (kept / "docs/x").exists()) == (0, "real\n", False)
    put(tmp_path, {"outside/y": "not ours\n"})
    (turned / "a").unlink()
    (turned / "a").symlink_to("../outside")
    commit(turned)
    before = snapshot(turned)
    result = cli("sync", cwd=turned)
    assert (result.code, snapshot(turned), os.listdir(tmp_path / "outside")) == (2, before, ["y"])
    assert "lies outside the project: a folder above it is a link" in result.err


def test_a_link_of_a_factory_is_a_link_and_never_what_lies_behind_it(source: Path, tmp_path: Path) -> None:
    """Also where it is the template itself, an include, or the whole folder of templates."""
    put(tmp_path, {"secret/key.txt": "secret\n", "secret/small.yaml": "summary: x\ncomponents: [core]\n"})
    put(source, {f"{FILES}/a.txt.jinja": "{% include 'key.txt' %}"})
    (source / CORE / "key.txt").symlink_to(tmp_path / "secret/key.txt")
    cli("new", "small", "p", "--defaults", "--no-git", "--factory", str(source), cwd=tmp_path)
    assert (tmp_path / "p/a.txt").read_text() == f"{tmp_path}/secret/key.txt"
    put(source, {path.relative_to(source).as_posix(): None for path in (source / "blueprints").iterdir()})
    (source / "blueprints").rmdir()
    (source / "blueprints").symlink_to(tmp_path / "secret")
    assert refused(source) == f"`{source}` is no factory: it has no `blueprints/`"


# ---- Jinja ---------------------------------------------------------------------------------------

OTHER = "templates/extras/files/docs/extra.md"


@pytest.mark.parametrize(
    "text",
    [
        "{% include '../extras/files/docs/extra.md' %}",
        f"{{% include '{OTHER}' %}}",
        f"{{% include '/{OTHER}' %}}",
        f"{{% import '{OTHER}' as x %}}{{{{ x }}}}",
        f"{{% extends '{OTHER}' %}}",
        "{% include ['/etc/passwd', '../../../../etc/passwd'] %}",
        "{% from '../extras/component.yaml' import x %}",
    ],
)
@pytest.mark.parametrize("place", ["file", "default", "contribution"])
def test_an_include_stays_in_its_component(text: str, place: str, source: Path) -> None:
    default = f"_subdirectory: files\nuse_case: x\npackage: {{default: {_yaml(text)}}}\n"
    links = f"summary: x\ncontributes: {{links: [{{title: x, url: {_yaml(text)}}}]}}\n"
    files = {
        "file": {f"{FILES}/a.md.jinja": text},
        "default": {f"{CORE}/copier.yml": default},
        "contribution": {f"{CORE}/component.yaml": links},
    }
    put(source, files[place])
    assert "is not in this component" in refused(source)


EXPLODING = [
    "{{ 'a' * 10**9 }}",
    "{{ 2 ** 99999999 }}",
    "{{ '%0999999999999d' % 1 }}",
    "{{ 'a' | center(10**10) }}",
    "{{ '{:9999999999}'.format(1) }}",
    "{{ range(10**9) | join }}",
    "{% set n = namespace(x='x') %}{% for i in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include 'files/a.md.jinja' %}",
]


@pytest.mark.parametrize("text", EXPLODING)
@pytest.mark.parametrize("place", ["file", "default"])
def test_what_explodes_takes_nothing_along(
    text: str, place: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolate, "MEMORY", 200 * 2**20)
    monkeypatch.setattr(isolate, "SECONDS", 0)
    default = f"_subdirectory: files\nuse_case: x\npackage: {{default: {_yaml(text)}}}\n"
    put(source, {f"{FILES}/a.md.jinja": text} if place == "file" else {f"{CORE}/copier.yml": default})
    assert refused(source)


def test_a_validator_that_explodes_while_a_person_is_asked_takes_nothing_along(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolate, "MEMORY", 200 * 2**20)
    monkeypatch.setattr(isolate, "SECONDS", 0)
    validator = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    question = f"package: {{default: p, validator: {_yaml(validator)}}}\n"
    put(source, {f"{CORE}/copier.yml": f"_subdirectory: files\nuse_case: x\n{question}"})
    made = recipe(factories.open_factory(str(source)), Choice("small"))
    wish = Manifest(str(source), "small")
    error = refusal(lambda: prepare(made, wish, str(source.parent / "p"), lambda shown, check: check("p")[0]))
    assert type(error) is AuthorError


@pytest.mark.parametrize(
    ("limit", "words"),
    [("FILE_LIMIT", "the blueprint stamps 8 files; 6 are the most"), ("TOTAL_LIMIT", "bytes; 6 are the most")],
)
def test_files_and_bytes_of_a_project_are_counted(
    limit: str, words: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, limit, 6)
    assert words in refused(source)


def test_the_base_can_hold_all_that_may_be_stamped() -> None:
    """Twice: each file, and the new version of each that is in conflict; and what is written must be readable."""
    assert 2 * render.TOTAL_LIMIT + base.DIRECTORY_LIMIT <= base.LIMIT <= workspace.SIZE_LIMIT


# ---- factories -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_factory_that_is_too_large_is_not_read(
    form: str, factory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factories, "SIZE_LIMIT", 1000)
    result = cli("new", "small", "p", "--defaults", "--factory", form.format(factory), cwd=tmp_path)
    assert (result.code, "more than 1000 bytes" in result.err) == (2, True)


def test_a_few_objects_that_stand_for_billions_of_files_are_not_unfolded(
    factory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai_factory.git.objects.LISTING", 2**20)
    tree = git(factory, "rev-parse", "HEAD:blueprints")
    for _ in range(12):
        tree = _input(factory, "mktree", "".join(f"040000 tree {tree}\t{name}\n" for name in "abcdefghij"))
    rows = [f"040000 tree {git(factory, 'rev-parse', 'HEAD:blueprints')}\tblueprints", f"040000 tree {tree}\ttemplates"]
    top = _input(factory, "mktree", "\n".join(rows) + "\n")
    git(factory, "tag", "v9.0.0", git(factory, "commit-tree", "-m", "bomb", top))
    result = cli("new", "small", "p", "--defaults", "--factory", f"file://{factory}", cwd=tmp_path)
    assert (result.code, "git printed more than 1048576 bytes" in result.err) == (2, True)


@pytest.mark.parametrize(
    "text",
    [
        "summary: !!python/object/apply:os.system ['touch pwned']\n",
        "summary: !!python/name:os.system\n",
        "summary: !custom x\n",
        "summary: !!binary aGk=\n",
        "summary: x\nsummary: y\n",
        "summary: &a [*a]\n",
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(12)),
        "summary: " + "[" * 5000 + "\n",
        "summary: x\nchanges: [{since: '0" + "a" * 60 + "!'}]\n",
    ],
    ids=lambda text: text[:30],
)
@pytest.mark.parametrize("file", ["component.yaml", "copier.yml"])
def test_yaml_runs_nothing_and_stands_for_no_more_than_it_says(text: str, file: str, source: Path) -> None:
    put(source, {f"{CORE}/{file}": text})
    assert refused(source).startswith(f"`templates/core/{file}`")
    assert not (source.parent / "pwned").exists()


def test_the_yaml_of_all_components_is_limited_as_a_whole(source: Path) -> None:
    for number in range(6):
        name = f"c{number}"
        text = f"summary: x\n# {'x' * 200_000}\n"
        put(source, {f"templates/{name}/component.yaml": text, f"templates/{name}/files/{name}": ""})
    names = ", ".join(f"c{number}" for number in range(6))
    put(source, {"blueprints/small.yaml": f"summary: x\ncomponents: [{names}]\n"})
    assert refused(source).endswith("bytes of YAML; 1048576 are the most")


@pytest.mark.parametrize(
    "line",
    [
        *(
            "_subdirectory: ..",
            "_subdirectory: ../..",
            "_external_data: {x: ../../secret.yml}",
            "_tasks: [touch pwned]",
        ),
        *("_migrations: [{version: v1, before: [touch pwned]}]", "_jinja_extensions: [os]", "_envops: {x: y}"),
        *(
            "_exclude: ['**']",
            "_preserve_symlinks: true",
            "x: !include /etc/passwd",
            "x: {type: path}",
            "x: {secret: true}",
        ),
    ],
)
def test_what_opened_other_tools_is_no_setting_here(line: str, source: Path) -> None:
    """Code, extensions, data from elsewhere, another root: each was a hole somewhere."""
    put(
        source,
        {
            f"{CORE}/copier.yml": f"_subdirectory: files\nuse_case: x\npackage: p\n{line}\n".replace(
                "_subdirectory: files\n", "" if line.startswith("_subdirectory") else "_subdirectory: files\n"
            )
        },
    )
    assert refused(source).startswith(f"`{CORE}/copier.yml`")
    assert not (source.parent / "pwned").exists()


BREAK_OUTS = [
    "{{ ('{0.__class__}' | attr('format'))(1) }}",
    "{% set f = '{0.__class__}'.format %}{{ f(1) }}",
    "{{ ['{0.__class__}'] | map('format', 1) | list }}",
    "{{ dict(f='{0.__class__}'.format).f(1) }}",
    "{{ _blueprint.summary.__class__.__mro__ }}",
    "{{ _components[0].__class__ }}",
    "{{ _contributions.__init__.__globals__ }}",
    "{{ package.__class__.__base__.__subclasses__() }}",
    "{{ (package | attr('__cla' ~ 'ss__')) }}",
    "{{ joiner.__init__.__globals__.os.system('touch pwned') }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__.os.popen('touch pwned') }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{{ self._TemplateReference__context.environment.loader }}",
    "{% import 'files/a.md.jinja' as m %}{{ m.__loader__ }}",
    "{{ caller.__globals__ }}",
]


@pytest.mark.parametrize("text", BREAK_OUTS)
@pytest.mark.parametrize("place", ["file", "path", "default", "condition"])
def test_no_template_reaches_what_is_not_plain_data(text: str, place: str, source: Path) -> None:
    expression = text.removeprefix("{{ ").removesuffix(" }}")
    if place in ("path", "condition") and "{%" in text:
        place = "file"
    condition = f"summary: x\ncontributes: {{dependencies: [{{value: a, when: {_yaml(expression)}}}]}}\n"
    files = {
        "file": {f"{FILES}/b.md.jinja": text},
        "path": {f"{FILES}/{text.replace('/', '-')}": "x"},
        "default": {f"{CORE}/copier.yml": f"_subdirectory: files\nuse_case: x\npackage: {{default: {_yaml(text)}}}\n"},
        "condition": {f"{CORE}/component.yaml": condition},
    }
    put(source, {f"{FILES}/a.md.jinja": "x", **files[place]})
    assert refused(source)
    assert not (source.parent / "pwned").exists()


@pytest.mark.parametrize(("form", "children"), [("embedded", 0), ("{}", 2), ("file://{}", 2)])
def test_what_did_not_come_with_the_tool_is_computed_in_a_child(
    form: str, children: int, factory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers and files alike."""
    seen: list[str] = []
    limited = isolate.limited

    def noted(compute: Callable[[], object], what: str) -> object:
        seen.append(what)
        return limited(compute, what)

    monkeypatch.setattr(isolate, "limited", noted)
    blueprint = "tabular-decision" if form == "embedded" else "small"
    options = ("--defaults", "--no-git", "--factory", form.format(factory))
    assert cli("new", blueprint, "p", *options, cwd=tmp_path).code == 0
    assert seen == [f"the factory `{form.format(factory)}`"] * children
