"""What our own blueprints stamp says enough of itself for a fleet: names, datasets with their terms, consumers."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_factory.fleet.governance.graph import graph
from ai_factory.fleet.governance.offers import offers
from ai_factory.fleet.governance.parts import parts
from ai_factory.fleet.registry import Member
from ai_factory.fleet.survey import survey
from tests.kit import cli

BLUEPRINTS = ("tabular-decision", "rag-assistant", "llm-agent", "forecasting", "batch-scoring")


@pytest.fixture
def members(tmp_path: Path) -> list[Member]:
    for name in BLUEPRINTS:
        assert cli("new", name, str(tmp_path / name), "--defaults").code == 0
    return [Member(str(tmp_path / name)) for name in BLUEPRINTS]


def test_each_blueprint_is_read_whole(members: list[Member]) -> None:
    """Nothing of it is odd; each has an owner, a purpose, a name of its own, and a dataset that nobody else names."""
    said = [one.said for one in survey(members, parts)]
    assert [one is not None and one.odd == () for one in said] == [True] * len(BLUEPRINTS)
    found = [one for one in said if one]
    assert all((one.owner, one.contact, one.purpose, one.names) for one in found)
    whole = graph(found)
    assert (whole.unprovided, whole.shared_names, whole.cycles) == ((), (), ())
    datasets = [thing.id for thing in whole.things.values() if thing.kind == "dataset"]
    assert len(datasets) == len(BLUEPRINTS)
    offered = [offer for one in survey(members, offers) for offer in one.said or ()]
    assert all((one.owner, one.classification, one.terms, one.version, one.description) for one in offered)
    assert {one.id for one in offered} == {name.removeprefix("dataset:") for name in datasets}
