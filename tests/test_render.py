"""Blueprint and answers to files: who owns what, which paths are wholly managed, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ai_factory import render
from ai_factory.catalog import Blueprint, Component
from ai_factory.errors import AuthorError
from ai_factory.render import Owned
from ai_factory.tree import EXECUTABLE, LINK, File
from tests.kit import component, files, refusal

BLUEPRINT = Blueprint("small", "A small one", ("core",), (), {}, {"genai": False})
HEAD = "summary: The core\n"


def core(contents: dict[str, str | bytes], head: str = HEAD, name: str = "core") -> Component:
    """A component with these files below `files/`."""
    asked = "package: p\nn: 1\n" if name == "core" else ""
    own = {"component.yaml": head, "copier.yml": asked}
    return component(name, {**own, **{f"files/{path}": content for path, content in contents.items()}})


def rendered(*components: Component, **answers: Any) -> render.Rendered:
    return render.render(BLUEPRINT, components, {"package": "pkg", "n": 2, **answers})


def refused(*components: Component, **answers: Any) -> str:
    error = refusal(lambda: rendered(*components, **answers))
    assert type(error) is AuthorError
    return error.message


def test_files_are_rendered_or_copied_and_paths_hold_answers() -> None:
    found = rendered(
        core(
            {
                "src/{{ package }}/a.py.jinja": "{{ package }}: {{ n + 1 }}\n",
                "{{ package }}.md": "{{ not rendered }}\r\n",
                "raw.bin": b"\0\xff",
                "x.jinja.jinja": "{{ n }}",
            }
        )
    )
    assert found.tree == files(
        {"pkg.md": "{{ not rendered }}\r\n", "raw.bin": b"\0\xff", "src/pkg/a.py": "pkg: 3\n", "x.jinja": "2"}
    )
    assert list(found.tree) == sorted(found.tree)


def test_modes_and_links_are_kept() -> None:
    made = core({"run.jinja": "{{ n }}"})
    tree = {**made.tree, "files/run.jinja": File(b"{{ n }}", EXECUTABLE), "files/to": File(b"run", LINK)}
    assert rendered(with_tree(made, tree)).tree == {"run": File(b"2", EXECUTABLE), "to": File(b"run", LINK)}


def with_tree(made: Component, tree: dict[str, File]) -> Component:
    return made._replace(tree=tree)


HEAD_OF_OWNED = (
    HEAD
    + """\
ownership:
  "src/{{ package }}/**": managed
  "src/*/main.py": seeded
  "ops/*.md": managed
evidences:
  GOV-08: ["ops/**"]
  AUD-01: ["src/**/a.py", ops/x.md]
  AUD-02: [evidence/run.json]
produces: ["evidence/run.json", "{{ package }}.log"]
"""
)


def test_the_last_rule_that_matches_decides_who_owns_a_path() -> None:
    found = rendered(
        core(
            {"src/{{ package }}/a.py": "", "src/{{ package }}/main.py": "", "ops/x.md": "", "ops/y/z.md": ""},
            HEAD_OF_OWNED,
        )
    )
    source = "templates/core/files/"
    assert found.owned == {
        "evidence/run.json": Owned("core", "produced", ("AUD-02",), ""),
        "ops/x.md": Owned("core", "managed", ("AUD-01", "GOV-08"), f"{source}ops/x.md"),
        "ops/y/z.md": Owned("core", "merged", ("GOV-08",), f"{source}ops/y/z.md"),
        "pkg.log": Owned("core", "produced", (), ""),
        "src/pkg/a.py": Owned("core", "managed", ("AUD-01",), source + "src/{{ package }}/a.py"),
        "src/pkg/main.py": Owned("core", "seeded", (), source + "src/{{ package }}/main.py"),
    }


@pytest.mark.parametrize(
    ("rules", "folders"),
    [
        ('{"a/**": managed}', ("a",)),
        ('{"a/**": managed, "b/c/**": managed}', ("a", "b/c")),
        ('{"a/**": managed, "a/x": seeded}', ()),
        ('{"a/**": managed, "b/c/**": merged}', ("a",)),
        ('{"a/*": managed}', ()),
        ('{"**": merged, "b/**": managed}', ("b",)),
        ('{"*/c/**": managed}', ()),
        ('{"{{ folder }}/**": managed}', ("a",)),
        ('{"a/**": managed, "**/x": seeded}', ()),
        ('{"a/**": managed, "*/x": merged}', ()),
        ('{"a/**": managed, "*.md": seeded}', ("a",)),
        ('{"b/c/**": managed, "b/*": seeded}', ("b/c",)),
        ('{"b/**": managed, "b/*/d": seeded}', ()),
        ('{"a/x": seeded, "a/**": managed}', ("a",)),
    ],
)
def test_a_folder_is_promised_whole_when_no_rule_breaks_it_open(rules: str, folders: tuple[str, ...]) -> None:
    made = core({"a/x": "", "b/c/d": "", "b/n": "", "n.md": ""}, f"{HEAD}ownership: {rules}\n")
    asked = component("core", {"component.yaml": f"{HEAD}ownership: {rules}\n", "copier.yml": "folder: a\n"})
    found = rendered(with_tree(asked, dict(made.tree)), folder="a")
    assert found.folders == folders


@pytest.mark.parametrize(
    ("glob", "path", "named"),
    [
        *(
            ("a", "a", True),
            ("a", "ab", False),
            ("a", "x/a", False),
            ("*", "a", True),
            ("*", "a/b", False),
            ("*", "", True),
        ),
        *(("**", "a/b/c", True), ("a/**", "a/b/c", True), ("a/**", "a", False), ("a/**", "ab/c", False)),
        *(
            ("**/a", "a", True),
            ("**/a", "x/y/a", True),
            ("**/a", "xa", False),
            ("a/**/b", "a/b", True),
            ("a/**/b", "a/x/b", True),
        ),
        *(
            ("?.py", "a.py", True),
            ("?.py", "/.py", False),
            ("a.py", "axpy", False),
            ("a[1]", "a[1]", True),
            ("a[1]", "a1", False),
        ),
        *(("*.md", "a\nb.md", True), ("a+", "a+", True)),
    ],
)
def test_a_glob_names_a_path(glob: str, path: str, named: bool) -> None:
    assert render.matches(glob, path) is named


def test_a_template_sees_its_answers_the_blueprint_and_what_others_contribute() -> None:
    names = "{{ _components | map(attribute='name') | list }}"
    text = f"{{{{ _blueprint.name }}}} {{{{ _blueprint.facts }}}} {names} {{{{ _contributions.ignore }}}}"
    other = core({}, "summary: Other\nrequires: [core]\ncontributes: {ignore: ['{{ package }}']}\n", "other")
    assert rendered(core({"a.jinja": text}), other).tree == files(
        {"a": "small {'genai': False} ['core', 'other'] ['pkg']"}
    )


def test_a_component_does_not_see_answers_of_those_it_does_not_require() -> None:
    assert refused(core({}), core({"a.jinja": "\n{{ package }}"}, "summary: s\n", "other")) == (
        "`templates/other/files/a.jinja` line 2: 'package' is undefined: a component sees its own answers and those of "
        "the components it requires"
    )


def test_the_same_input_gives_the_same_bytes() -> None:
    made = core({f"{name}.jinja": "{{ package }}" for name in "dcba"})
    assert repr(rendered(made)) == repr(rendered(made))


OUTSIDE = "points outside its folder or into git's own"
FILE = "templates/core/files"


@pytest.mark.parametrize(
    ("contents", "answers", "message"),
    [
        ({"{% if n %}a{% endif %}": ""}, {}, f"`{FILE}/{{% if n %}}a{{% endif %}}`: a path holds no condition"),
        ({"{{ package }}": ""}, {"package": "../x"}, f"`{FILE}/{{{{ package }}}}`: the path '../x' {OUTSIDE}"),
        ({"a/{{ package }}": ""}, {"package": ""}, f"`{FILE}/a/{{{{ package }}}}`: the path 'a/' {OUTSIDE}"),
        ({"{{ package }}/x": ""}, {"package": ".git"}, f"`{FILE}/{{{{ package }}}}/x`: the path '.git/x' {OUTSIDE}"),
        (
            {"{{ package }}": ""},
            {"package": "a/b"},
            f"`{FILE}/{{{{ package }}}}`: the path `a/b` is not a template's to write",
        ),
        (
            {".ai-factory/lock.json": ""},
            {},
            f"`{FILE}/.ai-factory/lock.json`: the path `.ai-factory/lock.json` is not a template's to write",
        ),
        ({"theirs/x": ""}, {}, f"`{FILE}/theirs/x`: the path `theirs/x` is not a template's to write"),
        ({"a": "", "a.jinja": ""}, {}, f"`{FILE}/a` and `{FILE}/a.jinja` both give `a`"),
        ({"a.jinja": b"\xff"}, {}, f"`{FILE}/a.jinja` is rendered, but it is not UTF-8 text"),
        (
            {"a.jinja": "{{ package }}"},
            {"package": "\ud800"},
            f"`{FILE}/a.jinja` renders to text that UTF-8 cannot hold",
        ),
        (
            {"{{ package }}": ""},
            {"package": "\ud800"},
            f"`{FILE}/{{{{ package }}}}`: the path '\\ud800' is one that UTF-8 cannot hold",
        ),
        ({"a.jinja": "x\n{{ 1 / 0 }}"}, {}, f"`{FILE}/a.jinja` line 2: division by zero"),
        ({"A": "", "a": ""}, {}, "the blueprint cannot be stamped: `A` and `a` differ only in case"),
        (
            {"{{ package }}": "", "pkg/x": ""},
            {},
            "the blueprint cannot be stamped: `pkg` is a file, and `pkg/x` needs it to be a folder",
        ),
        (
            {".gitignore": "*.log\n!b.log\n", "a.log": "", "b.log": ""},
            {},
            "`a.log` of `core` is ignored by the blueprint's own `.gitignore` of `core`",
        ),
        (
            {"x/.gitignore": "/y\n", "y": "", "x/y": ""},
            {},
            "`x/y` of `core` is ignored by the blueprint's own `x/.gitignore` of `core`",
        ),
    ],
)
def test_what_cannot_be_stamped_is_refused_with_its_template(contents: Any, answers: Any, message: str) -> None:
    assert refused(core(contents), **answers) == message


def test_a_link_out_of_the_project_is_refused() -> None:
    made = core({"a": ""})
    assert refused(with_tree(made, {**made.tree, "files/x": File(b"../../etc", LINK)})) == (
        "the blueprint cannot be stamped: the link `x` points outside its folder, to '../../etc'"
    )


@pytest.mark.parametrize("produces", ["", "produces: [a]\n"])
def test_two_owners_of_one_path_are_refused_with_both_names(produces: str) -> None:
    other = core({} if produces else {"a": ""}, f"summary: s\n{produces}", "other")
    assert refused(core({"a": ""}), other) == "the components `core` and `other` both own `a`"


def test_a_component_that_produces_what_it_stamps_is_refused() -> None:
    assert refused(core({"a": ""}, HEAD + "produces: [a]\n")) == "the component `core` gives `a` twice"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../x", "the path '../x' points outside its folder or into git's own"),
        ("/etc/passwd", "the path '/etc/passwd' points outside its folder or into git's own"),
        (".git/x", "the path '.git/x' points outside its folder or into git's own"),
        (".AI-Factory/lock.json", "the path `.AI-Factory/lock.json` is not a template's to write"),
    ],
)
def test_a_produced_path_stays_in_the_project(path: str, reason: str) -> None:
    assert refused(core({}, f"{HEAD}produces: [{path}]\n")) == f"`templates/core/component.yaml`: {reason}"


def test_a_rule_that_matches_nothing_is_refused() -> None:
    assert refused(core({"a": ""}, HEAD + 'ownership: {"b*": managed}\n')) == (
        "`templates/core/component.yaml`: ownership `b*` matches no file"
    )


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "FILE_LIMIT", 2)
    assert refused(core({"a": "", "b": "", "c": ""})) == "the blueprint stamps 3 files; 2 are the most"
