"""Copier is the oracle: what it renders from our components, we render, to the byte."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from ai_factory.catalog import Component
from ai_factory.errors import AuthorError, UsageError
from ai_factory.factory import open_factory
from ai_factory.project.target import Choice, Recipe, recipe, rendered, settle
from ai_factory.render import contexts_of
from ai_factory.sandbox import Templates
from ai_factory.tree import EXECUTABLE, File, Tree
from tests import golden, kit
from tests.golden import CASES

OURS = ("component.yaml", "copier.yml", "CHANGELOG.md", "README.md")  # what is not a template


def copier_tree(template: Path, data: Mapping[str, Any], scratch: Path) -> dict[str, File]:
    """What Copier renders from the template with these data, no question asked."""
    from copier import run_copy

    target = scratch / "copied"
    run_copy(str(template), target, data=dict(data), defaults=True, quiet=True, skip_tasks=True)
    return golden.read(target)


def as_copier_template(components: Sequence[Component], place: Path, presets: Mapping[str, Any]) -> Path:
    """One Copier template of these components: files side by side, questions in order, with presets as defaults."""
    tree: dict[str, File] = {}
    for component in components:
        files = {path: file for path, file in component.tree.items() if path not in OURS}
        assert not tree.keys() & files.keys(), f"`{component.name}` brings files that another one has"
        tree |= files
    questions = YAML(typ="safe").load("_subdirectory: files\n" + "\n".join(map(_questions_alone, components)))
    for key, value in presets.items():
        questions[key]["default"] = value
    golden.write(place, {**tree, "copier.yml": File(json.dumps(questions).encode())})
    return place


def _questions_alone(component: Component) -> str:
    file = component.tree.get("copier.yml")
    lines = file.content.decode().splitlines() if file else []
    assert not [line for line in lines if line.startswith("_") and line != "_subdirectory: files"]
    return "\n".join(line for line in lines if not line.startswith("_")) + "\n"


def context_of(made: Recipe, answers: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the templates of that component see."""
    contexts = contexts_of(made.blueprint, made.components, answers, Templates(lambda path: None))
    return dict(contexts[name])


def our_names(made: Recipe, answers: Mapping[str, Any]) -> dict[str, Any]:
    """`_blueprint`, `_components`, `_contributions`: what we add to every context."""
    context = context_of(made, answers, made.components[-1].name)
    return {key: value for key, value in context.items() if key.startswith("_")}


def files_of(made: Recipe, answers: Mapping[str, Any], component: str = "") -> dict[str, File]:
    """Our rendering, or one component's part of it."""
    found = rendered(made, answers).rendered
    return {
        path: file for path, file in found.tree.items() if not component or found.owned[path].component == component
    }


# ---- our own components and blueprints -----------------------------------------------------------


def _parts() -> list[tuple[str, str, str]]:
    """Each component in the first blueprint that has it: `test_blueprint` goes through all of them."""
    factory = open_factory(str(golden.ROOT))
    homes: dict[str, str] = {}
    for blueprint, _ in CASES:
        for component in recipe(factory, Choice(blueprint)).components:
            homes.setdefault(component.name, blueprint)
    return [(home, name, part) for part, home in homes.items() for blueprint, name in CASES if blueprint == home]


@pytest.fixture(scope="module")
def settled() -> dict[tuple[str, str], tuple[Recipe, dict[str, Any]]]:
    """Each golden case, with all its effective answers."""
    factory = open_factory(str(golden.ROOT))
    made = {blueprint: recipe(factory, Choice(blueprint)) for blueprint, _ in CASES}
    return {
        (blueprint, name): (made[blueprint], settle(made[blueprint], golden.answers_of(blueprint, name)))
        for blueprint, name in CASES
    }


@pytest.mark.parametrize(("blueprint", "name", "component"), _parts())
def test_component(
    blueprint: str,
    name: str,
    component: str,
    settled: dict[tuple[str, str], tuple[Recipe, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    """Copier renders the component's own folder, as it is, to what we stamp from it."""
    made, answers = settled[blueprint, name]
    place = tmp_path / component
    golden.write(place, next(item.tree for item in made.components if item.name == component))
    if not (place / "copier.yml").exists():
        (place / "copier.yml").write_text("_subdirectory: files\n")
    theirs = copier_tree(place, context_of(made, answers, component), tmp_path)
    assert golden.differences(theirs, files_of(made, answers, component)) == ""


@pytest.mark.parametrize(("blueprint", "name"), CASES)
def test_blueprint(
    blueprint: str,
    name: str,
    settled: dict[tuple[str, str], tuple[Recipe, dict[str, Any]]],
    tmp_path: Path,
) -> None:
    """All components as one Copier template: from the answers given alone, Copier settles the rest as we do."""
    made, answers = settled[blueprint, name]
    given = {**golden.answers_of(blueprint, name), **our_names(made, answers)}
    place = as_copier_template(made.components, tmp_path / "template", made.blueprint.answers)
    (place / "files" / "answers.json.jinja").write_text(_all_answers(answers))
    theirs = copier_tree(place, given, tmp_path)
    assert json.loads(theirs.pop("answers.json").content) == answers
    assert golden.differences(theirs, files_of(made, answers)) == ""


def _all_answers(answers: Mapping[str, Any]) -> str:
    """A template that writes every answer as Copier settled it."""
    pairs = ", ".join(f'"{key}": {{{{ {key} | tojson }}}}' for key in answers)
    return "{" + pairs + "}"


# ---- the documented subset, in small synthetic templates -----------------------------------------

QUESTIONS = """\
_subdirectory: files
name: {type: str, help: 'Who?', default: Ada}
slug:
  type: str
  default: "{{ name | lower | replace(' ', '-') }}"
  validator: "{% if not slug %}is empty{% endif %}"
count: {type: int, default: 3}
ratio: {type: float, default: 0.25}
whole: {type: float, default: 2}
flag: {type: bool, default: false}
mirror: {type: bool, default: "{{ flag }}"}
short: plain text
number: 7
colour:
  type: str
  choices: [red, green, "{{ name }}"]
  default: green
size:
  type: int
  choices: {small: 1, large: 10}
  default: 10
sinks:
  type: str
  multiselect: true
  choices: [file, stdout, http]
  default: [file, http]
hidden: {type: str, default: "{{ slug }}-hidden", when: false}
asked_when: {type: str, default: only if flag, when: "{{ flag }}"}
table: {type: yaml, default: {a: [1, 2], b: null}}
document: {type: json, default: '{"x": [true, null]}'}
"""

KEYS = [line.partition(":")[0] for line in QUESTIONS.splitlines() if not line.startswith(("_", " "))]

TREE: Mapping[str, str | bytes] = {
    "answers.json.jinja": "{" + ", ".join(f'"{key}": {{{{ {key} | tojson }}}}' for key in KEYS) + "}",
    "plain.txt": "{{ name }} is not rendered here\n",
    "trailing.txt.jinja": "{{ name }}\n",
    "no-newline.txt.jinja": "{{ name }}",
    "many-newlines.txt.jinja": "{{ name }}\n\n\n",
    "empty.txt.jinja": "",
    "empty-after.txt.jinja": "{% if flag %}never{% endif %}",
    "crlf.txt.jinja": "a {{ name }}\r\nb\r\n",
    "crlf-plain.txt": "a\r\nb\r\n",
    "cr.txt.jinja": "a\rb {{ count }}\r",
    "binary.bin": b"\x00\xff{{ name }}\r\n\x00",
    "bom.txt.jinja": "\ufeff{{ name }}\n",
    "übung/{{ slug }} ñ 漢字.md.jinja": "Grüße an {{ name }}: ✓ 𝄞\n",
    "{{ slug }}/{{ colour }}-{{ size }}.txt": "path\n",
    "a.jinja/b.jinja.jinja": "{{ count }}\n",
    ".hidden/.dot.jinja": "{{ slug }}\n",
    "with space & 'quotes'.txt.jinja": "{{ ratio }} {{ whole }}\n",
    "double.jinja.txt": "{{ name }} is not rendered here either\n",
    "autoescape.html.jinja": '<a title="{{ "<&>" }}">{{ "\'" }}</a>\n',
    "blocks.txt.jinja": """\
{% set total = count + 1 -%}
{#- a comment -#}
{% for sink in sinks %}
{{ loop.index }}: {{ sink | upper }}
{%- if not loop.last %},{% endif %}
{% endfor %}
  {% if flag %}yes{% elif count > 2 %}many{% else %}no{% endif %}
{% raw %}{{ untouched }} ${{ github.ref }}{% endraw %}
{{ total }} {{ table.a | sum }} {{ document.x | tojson }} {{ none }} {{ true }} {{ ratio * 2 }} {{ 7 // 2 }}
{{ "%s and %s" | format(name, slug) }} {{ "a,b" .split(",") | join("+") }} {{ [3, 1, 2] | sort }}
{%- macro twice(text) %}{{ text }}{{ text }}{% endmacro %}
{{ twice("ab") }}
{% filter indent(4) %}
one
two
{% endfilter %}
""",
    "included.txt.jinja": "{% include 'parts/header.txt' %}body\n{% include 'parts/footer.jinja' %}",
    "imported.txt.jinja": "{% import 'parts/macros.jinja' as macros %}{{ macros.shout(name) }}\n",
    "ours.txt.jinja": """\
{{ _blueprint.name }} {{ _blueprint.summary }} {{ _blueprint.facts.genai }}
{% for item in _components %}{{ item.name }}: {{ item.summary }}
{% endfor -%}
{% for item in _contributions.dependencies %}{{ item }}
{% endfor -%}
{% for name, variable in _contributions.environment.items() %}{{ name }}={{ variable.default }}
{% endfor -%}
""",
    "bin/run.sh.jinja": "#!/bin/sh\necho {{ name }}\n",
    "bin/plain.sh": "#!/bin/sh\n",
}

BESIDE = {
    "parts/header.txt": "head of {{ name }}\n",
    "parts/footer.jinja": "{% if flag %}foot{% else %}no foot{% endif %}\n",
    "parts/macros.jinja": "{% macro shout(text) %}{{ text | upper }}!{% endmacro %}",
}

ANSWER_SETS: Mapping[str, Mapping[str, Any]] = {
    "defaults": {},
    "given": {
        "name": "Grace H.",
        "count": 11,
        "ratio": 1.5,
        "whole": 4,
        "flag": True,
        "colour": "Grace H.",
        "size": 1,
        "sinks": ["stdout"],
        "asked_when": "told",
        "table": {"a": [4], "b": "x"},
        "document": {"x": []},
    },
    "as text": {"count": "12", "ratio": "2.5", "flag": "yes", "number": "8", "size": "1", "table": "{a: [5], b: ~}"},
    "nothing chosen": {"sinks": [], "name": "x"},
}


def synthetic(folder: Path, files: Mapping[str, str | bytes], questions: str = QUESTIONS) -> Path:
    """A factory of one component and one blueprint."""
    kit.put(
        folder,
        {
            "blueprints/only.yaml": "summary: The only one\ncomponents: [part]\nfacts: {genai: false}\n",
            "templates/part/component.yaml": "summary: A part\ncontributes:\n"
            "  dependencies: ['polars>=2', 'attrs>=24']\n"
            "  environment: {PLACE: {default: '{{ name }}/var', help: where}}\n",
            "templates/part/copier.yml": questions,
            **{f"templates/part/{path}": text for path, text in BESIDE.items()},
            **{f"templates/part/files/{path}": content for path, content in files.items()},
        },
    )
    return folder


def both(folder: Path, given: Mapping[str, Any]) -> tuple[Tree, Tree]:
    """The synthetic factory rendered by Copier and by us."""
    made = recipe(open_factory(str(folder)), Choice("only"))
    answers = settle(made, given)
    theirs = copier_tree(folder / "templates/part", {**given, **our_names(made, answers)}, folder)
    return theirs, files_of(made, answers)


@pytest.mark.parametrize("name", ANSWER_SETS)
def test_documented_subset(name: str, tmp_path: Path) -> None:
    """Question types, choices, conditions, odd paths, line endings, includes, modes: all as Copier does."""
    folder = synthetic(tmp_path / "factory", TREE)
    for script in ("bin/run.sh.jinja", "bin/plain.sh"):
        (folder / "templates/part/files" / script).chmod(0o755)
    theirs, ours = both(folder, ANSWER_SETS[name])
    assert golden.differences(theirs, ours) == ""
    assert ours["bin/run.sh"].mode == ours["bin/plain.sh"].mode == EXECUTABLE
    assert len(ours) == len(TREE)


REFUSED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "a validator's sentence": (
        "a: {type: str, default: x, validator: \"{% if a == 'no' %}refused{% endif %}\"}",
        {"a": "no"},
    ),
    "no such choice": ("a: {type: str, choices: [x, y], default: x}", {"a": "z"}),
    "no such choice among several": (
        "a: {type: str, multiselect: true, choices: [x, y], default: [x]}",
        {"a": ["x", "z"]},
    ),
    "no number": ("a: {type: int, default: 1}", {"a": "many"}),
    "no answer": ("a: {type: str}", {}),
    "a default that its validator refuses": (
        'a: {type: int, default: 1, validator: "{% if a < 2 %}too small{% endif %}"}',
        {},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_both_refuse(name: str, tmp_path: Path) -> None:
    """An answer that Copier does not take is none that we take."""
    question, given = REFUSED[name]
    folder = synthetic(tmp_path / "factory", {"a.txt": "a\n"}, f"_subdirectory: files\nname: Ada\n{question}\n")
    with pytest.raises(UsageError):
        settle(recipe(open_factory(str(folder)), Choice("only")), given)
    with pytest.raises(ValueError, match=r".+"):
        copier_tree(folder / "templates/part", given, tmp_path)


NARROWER: Mapping[str, tuple[Mapping[str, str | bytes], str]] = {
    "a condition in a path": ({"{% if flag %}a{% endif %}.txt": "a\n"}, ""),
    "an undefined name": ({"a.txt.jinja": "{{ nobody }}\n"}, ""),
    "an extension": ({"a.txt": "a\n"}, "_jinja_extensions: [jinja2.ext.do]\n"),
    "a task": ({"a.txt": "a\n"}, "_tasks: [true]\n"),
    "a migration": ({"a.txt": "a\n"}, "_migrations: [true]\n"),
    "an exclusion": ({"a.txt": "a\n"}, "_exclude: [b.txt]\n"),
    "chance": ({"a.txt.jinja": "{{ [1, 2, 3] | random }}\n"}, ""),
}


@pytest.mark.parametrize("name", NARROWER)
def test_narrower_than_copier(name: str, tmp_path: Path) -> None:
    """What lies outside the subset is refused by name, never rendered in some other way."""
    files, setting = NARROWER[name]
    with pytest.raises(AuthorError, match=r"templates/part"):
        both(synthetic(tmp_path / "factory", files, QUESTIONS + setting), {})


STATED: Mapping[str, tuple[str, Mapping[str, Any], tuple[str, str]]] = {
    "yes is text in YAML 1.2": ("a: yes", {}, ("True", "yes")),
    "a leading nought means nothing in YAML 1.2": ("a: 010", {}, ("8", "10")),
    "a time is text in YAML 1.2": ("a: 1:30", {}, ("90", "1:30")),
    "a question that is not asked takes no answer": ("a: {type: str, default: x, when: false}", {"a": "y"}, ("y", "x")),
}


@pytest.mark.parametrize("name", STATED)
def test_stated_difference(name: str, tmp_path: Path) -> None:
    """Where both render, but not the same, docs/source/template-format.md says so; there are no others known."""
    question, given, (theirs, ours) = STATED[name]
    files = {"a.txt.jinja": "{{ a }}"}
    found = both(synthetic(tmp_path / "factory", files, f"_subdirectory: files\nname: Ada\n{question}\n"), given)
    assert [tree["a.txt"].content.decode() for tree in found] == [theirs, ours]


def test_stated_difference_of_links(tmp_path: Path) -> None:
    """Copier puts a file where a component has a link; we keep the link."""
    folder = synthetic(tmp_path / "factory", {"a.txt": "a\n"})
    (folder / "templates/part/files/link").symlink_to("a.txt")
    found = both(folder, {})
    assert [tree["link"] for tree in found] == [File(b"a\n"), File(b"a.txt", "120000")]


def test_a_difference_is_seen(tmp_path: Path) -> None:
    """The comparison is no rubber stamp: one changed byte, mode or path shows."""
    folder = synthetic(tmp_path / "factory", {"a.txt.jinja": "{{ name }}\n", "b.sh": "b\n"})
    theirs, ours = both(folder, {})
    changed = {
        "byte": {**ours, "a.txt": File(b"Ada\r\n")},
        "mode": {**ours, "b.sh": ours["b.sh"]._replace(mode=EXECUTABLE)},
        "path": {"a.txt": ours["a.txt"]},
    }
    assert golden.differences(theirs, ours) == ""
    assert {name: bool(golden.differences(theirs, tree)) for name, tree in changed.items()} == {
        "byte": True,
        "mode": True,
        "path": True,
    }
