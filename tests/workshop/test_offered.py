"""Blueprints that offer less than in the last release: what is not said is found, and what is said reaches projects."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import cli, commit, first_release, git, put

WISH = ".ai-factory/project.yaml"
FIRST = {
    "templates/core/component.yaml": "summary: Core\n",
    "templates/core/CHANGELOG.md": "## 1.0.0\n\n- The first.\n",
    "templates/core/files/core.txt": "core\n",
    "templates/extra/component.yaml": (
        'summary: More\nownership: { "docs/**": managed }\nevidences: { AUD-01: [docs/region.txt] }\n'
    ),
    "templates/extra/CHANGELOG.md": "## 1.0.0\n\n- The first.\n",
    "templates/extra/copier.yml": "region: { type: str, default: eu, choices: [eu, us], help: Where }\n",
    "templates/extra/files/docs/region.txt.jinja": "{{ region }}\n",
    "templates/nice/component.yaml": "summary: Nice to have\n",
    "templates/nice/CHANGELOG.md": "## 1.0.0\n\n- The first.\n",
    "templates/nice/files/nice.txt": "nice\n",
    "blueprints/small.yaml": "summary: Small\ncomponents: [core, extra]\noptional: [nice]\n",
}
WEAKENS = {
    "templates/core/component.yaml": "summary: Core\nchanges: [{ since: 1.1.0, weakens: [AUD-01] }]\n",
    "templates/core/CHANGELOG.md": "## Unreleased\n\n- No region.\n\n## 1.0.0\n\n- The first.\n",
}


@pytest.fixture
def factory(tmp_path: Path) -> Path:
    """A factory released as v1.0.0, and a project of it beside it that took and answered all that there is."""
    folder = first_release(tmp_path / "factory", FIRST)
    options = ("--factory", str(folder), "--version", "v1.0.0", "--defaults", "--with", "nice", "--data", "region=us")
    assert cli("new", "small", str(tmp_path / "project"), *options).code == 0
    return folder


def found(factory: Path) -> list[str]:
    """What lint says, without what mends it."""
    result = cli("factory", "lint", cwd=factory)
    return result.out.partition("\n\n")[0].splitlines() if result.code else []


def sync(factory: Path) -> Path:
    """The project, brought to the factory's newest release."""
    project = factory.parent / "project"
    result = cli("sync", "--commit", cwd=project)
    assert (result.code, result.err) == (0, "")
    return project


def test_a_blueprint_that_is_gone_is_found_until_another_one_replaces_it(factory: Path) -> None:
    (factory / "blueprints/small.yaml").rename(factory / "blueprints/tiny.yaml")
    commit(factory)
    told = "blueprints/small.yaml: FL024 the blueprint `small` of v1.0.0 is gone, and none replaces it for its projects"
    assert found(factory) == [told]
    assert cli("factory", "release", "--no-sign", cwd=factory).code == 1
    previewed = cli("factory", "preview", cwd=factory)
    assert (previewed.code, "no project would change" in previewed.out) == (1, False)
    put(factory, {"blueprints/tiny.yaml": FIRST["blueprints/small.yaml"] + "replaces: [small]\n"})
    commit(factory)
    made = cli("factory", "release", "--no-sign", "--json", cwd=factory).data
    assert (made["version"], made["blueprints"]) == ("1.1.0", ["`small` is replaced by `tiny`", "`tiny` is new"])
    assert "### Blueprints\n\n- `small` is replaced by `tiny`\n- `tiny` is new\n" in made["notes"]
    project = sync(factory)
    assert (project / "nice.txt").read_text() == "nice\n"
    assert cli("check", cwd=project).out == "1 project (v1.1.0): as the factory promised\n"
    assert cli("new", "small", "other", "--factory", str(factory), "--defaults", cwd=factory.parent).code == 0
    assert "blueprint: tiny\n" in (factory.parent / "other" / WISH).read_text()


def test_a_component_is_retired(factory: Path) -> None:
    """From its blueprint, with why; its projects forget its files, its answers, and that they took it."""
    git(factory, "rm", "-rq", "templates/extra", "templates/nice")
    put(factory, {"blueprints/small.yaml": "summary: Small\ncomponents: [core]\n"})
    commit(factory)
    assert found(factory) == [
        "blueprints/small.yaml:2: FL021 AUD-01 has no evidence in `small` without `extra`, and no change declares it",
        "blueprints/small.yaml:2: FL024 `small` has no component `extra` any more, as in v1.0.0, and does not say why",
        "blueprints/small.yaml:2: FL024 `small` has no component `nice` any more, as in v1.0.0, and does not say why",
    ]
    retired = "retired: { extra: nobody reads it, nice: it was not }\n"
    put(factory, {"blueprints/small.yaml": f"summary: Small\ncomponents: [core]\n{retired}", **WEAKENS})
    commit(factory)
    made = cli("factory", "release", "--no-sign", "--json", cwd=factory).data
    assert (made["removed"], made["blueprints"]) == (
        ["extra", "nice"],
        ["`small`: without `extra` (nobody reads it); without `nice` (it was not)"],
    )
    plan = cli("sync", "--plan", cwd=factory.parent / "project").out
    assert "core 1.1.0 weakens AUD-01" in plan
    project = sync(factory)
    assert (project / "docs/region.txt").read_text() == "us\n"
    assert "region" not in (project / WISH).read_text()
    assert cli("check", cwd=project).out == "1 project (v1.1.0): as the factory promised\n"


def test_a_component_that_the_factory_below_has_let_go_unsaid(factory: Path) -> None:
    """The one on top says why, and is released."""
    assert cli("factory", "new", "own", "--factory", str(factory), cwd=factory.parent).code == 0
    own = factory.parent / "own"
    assert cli("factory", "release", "--no-sign", cwd=own).code == 0
    git(factory, "rm", "-rq", "templates/nice")
    put(factory, {"blueprints/small.yaml": "summary: Small\ncomponents: [core, extra]\n"})
    commit(factory)
    git(factory, "tag", "v1.1.0")
    assert cli("factory", "update", cwd=own).code == 0
    assert found(own) == [
        "blueprints/small.yaml: FL024 `small` has no component `nice` any more, as in v0.1.0, and does not say why"
    ]
    put(own, {"factory.yaml": (own / "factory.yaml").read_text() + "blueprints: { small: extend }\n"})
    put(own, {"blueprints/small.yaml": "retired: { nice: it was not }\n"})
    commit(own)
    made = cli("factory", "release", "--no-sign", "--json", cwd=own)
    assert (made.code, made.data["removed"], made.data["blueprints"]) == (
        0,
        ["nice"],
        ["`small`: without `nice` (it was not)"],
    )


def test_a_component_removed_by_declaration_is_let_go(factory: Path) -> None:
    """Of a factory on top of another one: the blueprints say so; the weaker control is found."""
    assert cli("factory", "new", "own", "--factory", str(factory), cwd=factory.parent).code == 0
    own = factory.parent / "own"
    assert cli("factory", "release", "--no-sign", cwd=own).code == 0
    put(own, {"factory.yaml": (own / "factory.yaml").read_text() + "components: { extra: remove, nice: remove }\n"})
    assert found(own) == [
        "blueprints/small.yaml: FL021 AUD-01 has no evidence in `small` without `extra`, and no change declares it"
    ]


def test_a_blueprint_from_below_that_loses_something_says_so(factory: Path) -> None:
    """Whether the one on top leaves a component out, or removes the blueprint."""
    assert cli("factory", "new", "own", "--factory", str(factory), cwd=factory.parent).code == 0
    own = factory.parent / "own"
    assert cli("factory", "release", "--no-sign", cwd=own).code == 0
    declared = (own / "factory.yaml").read_text()
    put(own, {"factory.yaml": f"{declared}blueprints: {{ small: remove }}\n"})
    assert [line.split()[1] for line in found(own)][:1] == ["FL024"]
    put(own, {"factory.yaml": f"{declared}blueprints: {{ small: extend }}\n"})
    put(own, {"blueprints/small.yaml": "without: [nice]\n"})
    told = "FL024 `small` has no component `nice` any more, as in v0.1.0, and does not say why"
    assert told in [line.partition(": ")[2] for line in found(own)]
    put(own, {"blueprints/small.yaml": "without: [nice]\nretired: { nice: it was not }\n"})
    assert [line for line in found(own) if "FL024" in line] == []
