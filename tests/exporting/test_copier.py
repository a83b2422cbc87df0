"""An exported blueprint: plain Copier renders from it what we stamp, and updates from one release to the next."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ai_factory import catalog
from ai_factory.factory import open_factory
from ai_factory.project.target import Choice, recipe, rendered, settle
from ai_factory.tree import File
from ai_factory.workshop.exporting.questionnaire import taking
from ai_factory.workshop.exporting.template import template
from tests import golden, pairwise

ANSWERS_FILE = ".copier-answers.yml"


def stamped(place: Path, data: Mapping[str, Any], target: Path) -> dict[str, File]:
    """What `copier copy` makes of a template, without its own file of answers."""
    from copier import run_copy

    run_copy(str(place), target, data=dict(data), defaults=True, quiet=True)
    tree = golden.read(target)
    assert tree.pop(ANSWERS_FILE)
    return tree


def ours(blueprint: str, with_: tuple[str, ...], data: Mapping[str, Any]) -> dict[str, File]:
    """What we stamp."""
    made = recipe(open_factory(str(golden.ROOT)), Choice(blueprint, with_))
    return dict(rendered(made, settle(made, data)).rendered.tree)


def in_order(blueprint: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Several answers to one question in the order of its choices, in which Copier puts them."""
    asked = catalog.all_questions(recipe(open_factory(str(golden.ROOT)), Choice(blueprint)).components)
    orders = {one.key: list(one.choices) for one in asked if one.multiselect}
    return {key: sorted(value, key=orders[key].index) if key in orders else value for key, value in data.items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every blueprint of ours, exported."""
    folder = tmp_path_factory.mktemp("exported")
    factory = open_factory(str(golden.ROOT))
    for name in golden.BLUEPRINTS:
        optional = catalog.blueprint(name, factory.read).optional
        golden.write(folder / name, template(recipe(factory, Choice(name, optional)), {}))
    return folder


def test_the_template_asks_for_no_trust(exported: Path) -> None:
    for place in exported.glob("*/copier.yml"):
        text = place.read_text()
        assert not [word for word in ("_tasks", "_migrations", "_jinja_extensions") if word in text]


def _cases() -> list[tuple[str, str]]:
    return [(name, case) for name in golden.BLUEPRINTS for case in ("defaults", "all optional", "pair 0", "pair 1")]


@pytest.mark.parametrize(("blueprint", "case"), _cases())
def test_copier_stamps_what_we_stamp(blueprint: str, case: str, exported: Path, tmp_path: Path) -> None:
    """To the byte and the mode: with defaults, with every optional component, and with other answers."""
    optional = catalog.blueprint(blueprint, open_factory(str(golden.ROOT)).read)
    with_ = optional.optional if case != "defaults" else ()
    data = in_order(blueprint, pairwise.rows(blueprint)[int(case[5:])]) if case.startswith("pair") else {}
    taken = {question: name in with_ for name, question in taking(optional).items()}
    theirs = stamped(exported / blueprint, {**data, **taken}, tmp_path / "project")
    assert golden.differences(ours(blueprint, with_, data), theirs) == ""
