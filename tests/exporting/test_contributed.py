"""What is gathered in Jinja is what `contributions.gather` gathers, whichever answers are given."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from ai_factory.errors import AuthorError
from ai_factory.factory import open_factory
from ai_factory.project.target import Choice, recipe, rendered, settle
from ai_factory.tree import LINK, File
from ai_factory.workshop.exporting.repository import with_all
from ai_factory.workshop.exporting.template import template
from tests import golden, kit
from tests.exporting.test_copier import stamped

SHOWN = """\
{% for item in _contributions.dependencies + _contributions.dev_dependencies + _contributions.ignore %}
{{ item }}
{%- endfor %}
{% for kind in ("environment", "services", "make", "hooks", "docs", "links") %}
{{ kind }}: {{ _contributions[kind] | list | tojson }}
{%- if _contributions[kind] is mapping %} {{ _contributions[kind].values() | list | tojson }}{% endif %}
{%- endfor %}
{% for item in _components %}
{{ item.name }}: {{ item.summary }} {{ item.produces }}
{%- endfor %}
{{ _blueprint.name }} {{ _blueprint.summary }} {{ _blueprint.facts.note }} {{ _blueprint.facts.none is none }}
{% include "beside.txt" %}"""

FACTORY = {
    "blueprints/odd.yaml": """\
summary: Odd "but" {{ valid }} — ñ
components: [core, more]
optional: [left, right]
answers: { size: "{{ name }} 2", yes_no: "no" }
facts: { note: "a {{ brace }} and \\\\ back", none: null, one: 1.5, some: [true, {a: b}] }
""",
    "templates/core/component.yaml": """\
summary: The core
ownership: { "{{name}}/*.txt": seeded, "{{ name }}/b*": merged, "with space#!/[x].md": seeded }
contributes:
  dependencies: ["polars>=1", { value: "attrs>=2", when: flag }, "Zope>=1", { value: "polars<9", when: "flag" }]
  dev_dependencies: [{ value: "pytest>=8", when: "name == 'x y'" }, { value: "pytest<10", when: "'{{ yes_no }}'" }]
  ignore: ["a/", { value: "{{ name }}/", when: "not flag" }, "a/", "x y/", { value: b, when: "{{ flag }}" }]
  environment:
    ONE: { default: "{{ name }} %} {{ '{' }}", help: "quote \\" and \\\\ and \\n line" }
    TWO: { default: 2, help: two, secret: true, when: "flag or name == 'z'" }
  services: { db: { image: "x:{{ size }}", ports: [1, "2:{{ size }}"], deep: { a: null, b: [true] } } }
  make: { go-on: { help: "{{ name }}", needs: [a], recipe: ["echo {{ name }}", "echo '{%'", "echo $$x"] } }
  hooks: [{ id: "h-{{ name }}", entry: e }, { id: h-x y, entry: e }, { id: other, entry: "{# no #}e" }]
  docs: [{ title: "T {{ name }}", path: a.md }, { title: "T {{ name }}", path: a.md }]
  links: [{ title: L, url: "https://e.org/{{ name }}", when: "yes_no" }]
produces: [evidence/x.json]
""".replace("\"echo '{%'\", ", "").replace("{# no #}", ""),
    "templates/core/copier.yml": """\
_subdirectory: files
name: { type: str, default: x y, help: "A: name" }
size: { type: str, default: "1" }
flag: { type: bool, default: false }
yes_no: { type: str, default: "yes", choices: ["yes", "no"] }
table: { type: yaml, default: { on: [1, null], "no": 010 } }
hidden: { type: str, default: "{{ name }}", when: false }
asked: { type: str, default: x, when: "flag and name" }
""",
    "templates/core/beside.txt": "{{ name }} {{ table }} {{ hidden }} {{ asked }}\n",
    "templates/core/files/shown.txt.jinja": SHOWN,
    "templates/core/files/{{ name }}/a.txt.jinja": "\n  {{ _components | length }}\n",
    "templates/core/files/{{ name }}/b.txt": "b\n",
    "templates/core/files/with space#!/[x].md": "x\n",
    "templates/more/component.yaml": """\
summary: More
requires: [core]
contributes: { dependencies: ["polars>=2,<8", "zope>=1"], ignore: [last], docs: [{ title: More, path: more.md }] }
""".replace('"zope>=1"', '"zope2>=1"'),
    "templates/more/files/more.md": "more\n",
    "templates/left/component.yaml": """\
summary: "Left {{ not rendered }} | <b>\\n::error::x"
requires: [core]
contributes:
  dependencies: [{ value: "polars>=3", when: "left_size > 2" }, { value: "polars<1", when: "left_size > 5" }, "left>=1"]
  make: { x: { help: x, recipe: y } }
""",
    "templates/left/copier.yml": """\
_subdirectory: files
left_size: 3
left_if: { type: str, default: a, when: '{{ flag }}' }
""",
    "templates/left/files/left.md.jinja": "{{ left_size }} {{ left_if }}\n",
    "templates/left/files/more/left.md": "left\n",
    "templates/right/component.yaml": "summary: Right\nrequires: [core, left]\n",
    "templates/right/files/.right/{{ name }}.md.jinja": "{{ left_size }} {{ _contributions.dependencies }}\n",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A factory of odd contributions, and its export beside it."""
    folder = tmp_path_factory.mktemp("odd")
    kit.put(folder / "factory", FACTORY)
    golden.write(folder / "export", template(with_all("odd", open_factory(str(folder / "factory"))), {}))
    return folder


@pytest.mark.parametrize(
    ("with_", "flag", "name", "size"),
    [
        *product([(), ("left",), ("left", "right")], [True, False], ["x y"], [3]),
        (("left",), True, "z", 1),
        ((), False, "other", 1),
    ],
)
def test_copier_gathers_what_we_gather(
    with_: tuple[str, ...], flag: bool, name: str, size: int, place: Path, tmp_path: Path
) -> None:
    """Conditions, templates in values, bounds that meet, equal keys, names that quote and break: the same files."""
    data: dict[str, Any] = {"flag": flag, "name": name}
    made = recipe(open_factory(str(place / "factory")), Choice("odd", with_))
    sized = {"left_size": size} if "left" in with_ else {}
    ours = rendered(made, settle(made, {**data, **sized})).rendered.tree
    taken = {f"with_{one}": True for one in with_}
    theirs = stamped(place / "export", {**data, **sized, **taken}, tmp_path / "project")
    assert golden.differences(ours, theirs) == ""


def test_seeded_paths_are_spelled_as_git_ignores_them(place: Path) -> None:
    text = (place / "export" / "copier.yml").read_text()
    assert '_skip_if_exists: ["/with\\\\ space\\\\#\\\\!/\\\\[x\\\\].md", "/{{ name }}/a.txt"]\n' in text


MORE = "templates/more/component.yaml"
BOUND = "`polars>={{ size }}`"
REFUSED = {
    "an answer in a bound": (
        "templates/more/component.yaml",
        'summary: s\nrequires: [core]\ncontributes: { dependencies: ["polars>={{ size }}"] }\n',
        f"`{MORE}: contributes.dependencies`: {BOUND} holds an answer, so it cannot be joined beforehand",
    ),
    "bounds that never meet": (
        "templates/more/component.yaml",
        'summary: s\nrequires: [core]\ncontributes: { dependencies: ["polars<1"] }\n',
        "no version of `polars` meets both `polars>=1` (core) and `polars<1` (more)",
    ),
    "a question of the same name": (
        "templates/more/copier.yml",
        "with_left: true\n",
        "`templates/more/copier.yml` asks `with_left`, which here takes `left`",
    ),
    "a condition in a path": (
        "templates/more/files/{% if flag %}a{% endif %}.md",
        "x\n",
        "`templates/more/files/{% if flag %}a{% endif %}.md`: a path holds no condition",
    ),
    "paths that differ in case": (
        "templates/more/files/MORE.md",
        "x\n",
        "the blueprint cannot be exported: `files/MORE.md` and `files/more.md` differ only in case",
    ),
    "two partials of one name": (
        "templates/more/beside.txt",
        "x\n",
        "two components bring `beside.txt`, which lies once in a Copier template",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_plain_copier_cannot_tell_is_refused(case: str, tmp_path: Path) -> None:
    path, text, message = REFUSED[case]
    kit.put(tmp_path, {**FACTORY, path: text})
    with pytest.raises(AuthorError) as error:
        template(with_all("odd", open_factory(str(tmp_path))), {})
    assert error.value.message == message


def test_the_page_says_in_text_what_strangers_say(place: Path) -> None:
    rows = [line for line in (place / "export" / "README.md").read_text().splitlines() if line.startswith("| `")]
    assert rows == [
        r"| `with_left` | Left {{ not rendered }} \| \<b\> ::error::x |",
        "| `with_right` | Right |",
    ]


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    """A link is exported as one, and where it would leave a project it is refused."""
    kit.put(tmp_path, FACTORY)
    (tmp_path / "templates/more/files/inside.md").symlink_to("more.md")
    tree = template(with_all("odd", open_factory(str(tmp_path))), {})
    assert tree["files/inside.md"] == File(b"more.md", LINK)
    (tmp_path / "templates/more/files/deep").mkdir()
    (tmp_path / "templates/more/files/deep/out.md").symlink_to("../../out.md")
    with pytest.raises(AuthorError) as error:
        template(with_all("odd", open_factory(str(tmp_path))), {})
    told = "the link `deep/out.md` points outside its folder, to '../../out.md'"
    assert error.value.message == f"the blueprint cannot be exported: {told}"
