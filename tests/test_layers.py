"""A factory on top of another one: what is extended, replaced and removed, and what does not fit."""

from __future__ import annotations

import pytest

from ai_factory import catalog, documents, layers
from ai_factory.errors import AuthorError
from ai_factory.tree import File, Tree

TREE_ID = "0b0d8e1cbc9b4f5cf6bd7e6b0b9c1b6f7f6a1e5d"
HEAD = f"upstream: {{ factory: embedded, version: 0.1.0, tree: {TREE_ID} }}\n"
BELOW = {
    "upstream/templates/core/component.yaml": """\
summary: What every project has # in a word
requires: []
ownership:
  "ops/**": managed
  "docs/**": merged
contributes:
  dependencies: ["numpy>=2", { value: "polars>=1", when: big }]
  make: { run: { help: run it } }
evidences: { AUD-01: [README.md], AUD-02: [ops/a.md] }
changes: [{ since: 0.2.0, remove: [old.md] }]
""",
    "upstream/templates/core/copier.yml": """\
package:
  type: str
  default: example
  help: The name of the package
big: { type: bool, default: false, help: Is it big? }
_subdirectory: files
""",
    "upstream/templates/core/CHANGELOG.md": "# Changes\n\n## 0.2.0\n\n- Second.\n\n## 0.1.0\n\n- First.\n",
    "upstream/templates/core/README.md": "How it works.\n",
    "upstream/templates/core/files/README.md.jinja": "# {{ package }}\n",
    "upstream/templates/core/files/ops/a.md": "a\n",
    "upstream/templates/extra/component.yaml": "summary: More\n",
    "upstream/blueprints/small.yaml": """\
summary: Small
components: [core, extra]
optional: [infra]
answers: { big: true }
""",
    "upstream/blueprints/large.yaml": "summary: Large\ncomponents: [core]\n",
    "upstream/templates/infra/component.yaml": "summary: Servers\n",
    "upstream/controls/tiers.yaml": "schema: 1\n",
    "upstream/controls/facts.yaml": "schema: 1\n",
}


def tree(declared: str, files: dict[str, str]) -> Tree:
    whole = {**BELOW, "factory.yaml": HEAD + declared, "CHANGELOG.md": "ours\n", **files}
    return {path: File(text.encode()) for path, text in whole.items()}


def lower() -> dict[str, File]:
    return {path.removeprefix("upstream/"): File(text.encode()) for path, text in BELOW.items()}


def composed(declared: str, files: dict[str, str]) -> dict[str, str]:
    """The texts that differ from those of the factory below; None stands for one that is gone."""
    found = layers.compose(tree(declared, files))
    return {path: file.content.decode() for path, file in found.items() if lower().get(path) != file} | {
        path: "gone" for path in lower() if path not in found
    }


def data(text: str) -> dict[str, object]:
    found: dict[str, object] = documents.load(text.encode(), "x")
    return found


def test_without_a_declaration_all_is_as_it_lies() -> None:
    files = {path: File(text.encode()) for path, text in BELOW.items()}
    assert layers.compose(files) is files
    assert layers.compose({**files, "factory.yaml": File(b"summary: Ours\n")})["factory.yaml"]


def test_the_factory_below_is_seen_as_it_is() -> None:
    assert composed("", {}) == {}


def test_what_is_ours_is_beside_it() -> None:
    files = {"templates/house/component.yaml": "summary: Ours\n", "blueprints/own.yaml": "summary: Own\n"}
    assert composed("", files) == files


def test_a_component_is_replaced_whole() -> None:
    files = {"templates/core/component.yaml": "summary: Ours\n"}
    found = layers.compose(tree("components: { core: replace }\n", files))
    assert sorted(path for path in found if path.startswith("templates/core/")) == ["templates/core/component.yaml"]
    assert found["templates/core/component.yaml"].content == b"summary: Ours\n"


def test_a_removed_component_leaves_the_blueprints_from_below() -> None:
    assert composed("components: { extra: remove, infra: remove }\n", {}) == {
        "templates/extra/component.yaml": "gone",
        "templates/infra/component.yaml": "gone",
        "blueprints/small.yaml": "summary: Small\ncomponents: [core]\nanswers: {big: true}\n"
        "retired:\n  extra: removed in `factory.yaml`\n  infra: removed in `factory.yaml`\n",
    }


def test_a_blueprint_is_removed_and_a_document_of_controls_replaced() -> None:
    files = {"controls/tiers.yaml": "schema: 1\ntiers: {}\n", "controls/overlay.yaml": "schema: 1\n"}
    assert composed("blueprints: { large: remove }\ncontrols: { tiers.yaml: replace }\n", files) == {
        "blueprints/large.yaml": "gone",
        **files,
    }


def test_a_component_is_extended() -> None:
    files = {
        "templates/core/component.yaml": """\
requires: [extra]
ownership: { "docs/**": managed }
contributes:
  dependencies: ["numpy>=2.1"]
  make: { stop: { help: stop it } }
evidences: { AUD-01: [CALL.md], AUD-03: [CALL.md] }
produces: [evidence/x.json]
changes: [{ since: 0.2.0.post1, remove: [b.md] }]
without: { files: [ops/a.md], evidences: [AUD-02], contributes: { dependencies: [polars] } }
""",
        "templates/core/copier.yml": "big: true\nregion: { type: str, default: eu, help: Where }\n"
        "package: { help: Its name }\n",
        "templates/core/CHANGELOG.md": "# Ours\n\n## Unreleased\n\n- Next.\n\n## 0.2.0.post1\n\n- Ours.\n",
        "templates/core/files/CALL.md": "call\n",
        "templates/core/files/README.md.jinja": "# Our {{ package }}\n",
    }
    found = composed("components: { core: extend }\n", files)
    manifest, asked = found.pop("templates/core/component.yaml"), found.pop("templates/core/copier.yml")
    assert found == {
        "templates/core/CHANGELOG.md": "# Ours\n\n## Unreleased\n\n- Next.\n\n## 0.2.0.post1\n\n- Ours.\n\n"
        "## 0.2.0\n\n- Second.\n\n## 0.1.0\n\n- First.\n\n",
        "templates/core/files/CALL.md": "call\n",
        "templates/core/files/README.md.jinja": "# Our {{ package }}\n",
        "templates/core/files/ops/a.md": "gone",
    }
    assert manifest.startswith("summary: What every project has # in a word\n")
    assert data(manifest) == {
        "summary": "What every project has",
        "requires": ["extra"],
        "ownership": {"ops/**": "managed", "docs/**": "managed"},
        "contributes": {
            "dependencies": ["numpy>=2.1"],
            "make": {"run": {"help": "run it"}, "stop": {"help": "stop it"}},
        },
        "evidences": {"AUD-01": ["README.md", "CALL.md"], "AUD-03": ["CALL.md"]},
        "changes": [{"since": "0.2.0", "remove": ["old.md"]}, {"since": "0.2.0.post1", "remove": ["b.md"]}],
        "produces": ["evidence/x.json"],
    }
    assert data(asked) == {
        "package": {"type": "str", "default": "example", "help": "Its name"},
        "big": {"type": "bool", "default": True, "help": "Is it big?"},
        "_subdirectory": "files",
        "region": {"type": "str", "default": "eu", "help": "Where"},
    }
    read = catalog.component(
        "core", lambda folder: _below(layers.compose(tree("components: { core: extend }\n", files)), folder), "9"
    )
    assert read.version == "0.2.0.post1"


def _below(files: Tree, folder: str) -> dict[str, File]:
    return {path.removeprefix(f"{folder}/"): file for path, file in files.items() if path.startswith(f"{folder}/")}


def test_a_blueprint_is_extended() -> None:
    files = {
        "blueprints/small.yaml": "components: [infra]\nwithout: [extra]\nanswers: { package: ours }\n"
        "facts: { sector: banking }\ntest: make check\nretired: { extra: nobody needs it }\nreplaces: [tiny]\n",
    }
    assert data(composed("blueprints: { small: extend }\n", files)["blueprints/small.yaml"]) == {
        "summary": "Small",
        "components": ["core", "infra"],
        "answers": {"big": True, "package": "ours"},
        "facts": {"sector": "banking"},
        "test": "make check",
        "retired": {"extra": "nobody needs it"},
        "replaces": ["tiny"],
    }


CORE = "templates/core/component.yaml"
MISFITS = {
    "unknown": (
        "components: { cor: extend }\n",
        {},
        "`factory.yaml` line 2: there is no component `cor` to extend; did you mean `core`?",
    ),
    "nothing there": ("components: { core: extend }\n", {}, "`factory.yaml` line 2: nothing is there to extend `core`"),
    "removed and there": (
        "components: { core: remove }\n",
        {CORE: ""},
        f"`factory.yaml` line 2: `core` is removed, and `{CORE}` is there",
    ),
    "undeclared": (
        "",
        {CORE: ""},
        f"`{CORE}`: the factory below has a component `core` too, and nothing says which counts",
    ),
    "undeclared document": (
        "",
        {"controls/tiers.yaml": ""},
        "`controls/tiers.yaml`: the factory below has a document `tiers.yaml` too, and nothing says which counts",
    ),
    "a word that is none": (
        "components: { core: patch }\n",
        {},
        "`factory.yaml` line 2: components.core: 'patch' is not one of extend, replace, remove",
    ),
    "no such file": (
        "components: { core: extend }\n",
        {CORE: "without:\n  files: [ops/b.md]\n"},
        f"`{CORE}` line 2: there is no `ops/b.md` below; did you mean `ops/a.md`?",
    ),
    "no such question": (
        "components: { core: extend }\n",
        {CORE: "without: { questions: [bug] }\n"},
        f"`{CORE}` line 1: there is no `bug` below; did you mean `big`?",
    ),
    "no such evidence": (
        "components: { core: extend }\n",
        {CORE: "without: { evidences: [GOV-01] }\n"},
        f"`{CORE}` line 1: there is no `GOV-01` below; known are AUD-01, AUD-02",
    ),
    "no such contribution": (
        "components: { core: extend }\n",
        {CORE: "without: { contributes: { make: [go] } }\n"},
        f"`{CORE}` line 1: there is no `go` below; known are run",
    ),
    "no such component": (
        "blueprints: { small: extend }\n",
        {"blueprints/small.yaml": "without: [cor]\n"},
        "`blueprints/small.yaml` line 1: there is no `cor` below; did you mean `core`?",
    ),
    "a version of the one below": (
        "components: { core: extend }\n",
        {CORE: "", "templates/core/CHANGELOG.md": "## 0.3.0\n"},
        "`templates/core/CHANGELOG.md`: 0.3.0 is a version of the component below",
    ),
    "questions that are a list": (
        "components: { core: extend }\n",
        {CORE: "", "templates/core/copier.yml": "- a\n"},
        "`templates/core/copier.yml` line 1: questions are a mapping of key to question",
    ),
    "an unknown key": (
        "components: { core: extend }\n",
        {CORE: "requires: []\nwihtout: {}\n"},
        (
            f"`{CORE}` line 2: wihtout: the key `wihtout` is unknown; known here: summary, requires, ownership, "
            "contributes, evidences, produces, changes, without"
        ),
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_does_not_fit_is_told_where_it_stands(name: str) -> None:
    declared, files, message = MISFITS[name]
    with pytest.raises(AuthorError) as caught:
        layers.compose(tree(declared, files))
    assert caught.value.message == message


def test_nothing_is_changed_of_no_factory() -> None:
    with pytest.raises(AuthorError) as caught:
        layers.compose({"factory.yaml": File(b"summary: Ours\ncomponents: { core: extend }\n")})
    assert caught.value.message == "`factory.yaml` line 2: there is no factory below to extend `core` of"


def test_much_yaml_is_not_joined() -> None:
    many = {f"templates/core/{number}.yaml": "#" * 250_000 for number in range(5)}
    with pytest.raises(AuthorError, match="1048576 are the most"):
        layers.compose(tree("components: { core: extend }\n", {CORE: "", **many}))


def test_a_line_of_a_joined_file_is_led_back() -> None:
    files = {CORE: "evidences: { AUD-03: [CALL.md] }\n"}
    whole = tree("components: { core: extend }\n", files)
    joined = layers.compose(whole)
    lines = joined[CORE].content.decode().splitlines()
    rows = {key: next(number for number, line in enumerate(lines, 1) if key in line) for key in ("numpy", "AUD-03")}
    assert layers.line_in(whole, CORE, rows["numpy"], joined) == (f"upstream/{CORE}", 7)
    assert layers.line_in(whole, CORE, rows["AUD-03"], joined) == (CORE, 1)
    assert layers.line_in(whole, "templates/extra/component.yaml", 1, joined) == (
        "upstream/templates/extra/component.yaml",
        1,
    )
    assert layers.line_in(whole, "blueprints/none.yaml", 3, joined) == ("blueprints/none.yaml", 3)
