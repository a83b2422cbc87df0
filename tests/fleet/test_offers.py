"""What teams have prepared is found: with owner, class and terms, the best first, the same way each time."""

from __future__ import annotations

from pathlib import Path

from ai_factory.fleet.governance.offers import Offer, offers, search
from ai_factory.fleet.registry import Member
from ai_factory.fleet.survey import survey
from tests.fleet.systems import DIGESTS, about, contract, evidence, system

FEATURE = {"name": "debt_to_income", "description": "debt by income", "unit": "share", "version": "2", "owner": "risk"}


def test_what_a_system_offers(project: Path, tmp_path: Path) -> None:
    """Each table of a contract, each feature of the registry, and the model, with where that stands."""
    files = {
        "contracts/a.odcs.yaml": contract("applications"),
        "governance/system.yaml": about("credit", "risk"),
        "governance/scope.yaml": {"out_of_scope": ["firms"]},
        "evidence/features.json": evidence("features", {"registry": {"features": [FEATURE, 7, {}]}}),
        "evidence/model.json": evidence("model", {"version": "r-1", "model": DIGESTS["model"]}),
        "catalog-info.yaml": {"metadata": {"tags": ["ai"]}},
    }
    place = system(tmp_path / "credit", project, files)
    (found,) = survey([Member(place)], offers)
    terms = "use: training; ground: nobody is in it; kept: 5y; limits: invented"
    those = "those of applications (contracts/a.odcs.yaml)"
    dataset = Offer(
        kind="dataset",
        name="applications",
        id="applications",
        version="1.0.0",
        system=place,
        path="contracts/a.odcs.yaml",
        owner="data-platform",
        classification="restricted",
        terms=terms,
        description="one row an application",
        tags=("synthetic", "lending", "The applications"),
        columns=("id", "income"),
    )
    feature = Offer(
        kind="feature",
        name="debt_to_income",
        id="",
        version="2",
        system=place,
        path="evidence/features.json",
        owner="risk",
        classification="",
        terms=those,
        description="debt by income; share",
    )
    model = Offer(
        kind="model",
        name="credit",
        id=DIGESTS["model"],
        version="r-1",
        system=place,
        path="evidence/model.json",
        owner="risk",
        classification="restricted",
        terms=f"not for: firms; {those}",
        description="what credit is for",
        tags=("ai",),
    )
    assert found.said is not None
    assert [one for one in found.said if one.name] == [dataset, feature, model]


def offer(kind: str, name: str, description: str = "", tags: tuple[str, ...] = ()) -> Offer:
    return Offer(kind, name, "", "", "/s", "p", "", "", "", description, tags)


LATE = offer("feature", "late_payments", "payments that came late")
TABLE = offer("dataset", "payments", "what was paid")
TAGGED = offer("model", "scorer", "estimates", ("payments",))
OTHER = offer("dataset", "customers", "people, and when they pay")


def names(query: str) -> list[str]:
    return [hit.offer.name for hit in search([OTHER, TAGGED, TABLE, LATE], query)]


def test_a_name_counts_more_than_a_tag_and_that_more_than_a_description() -> None:
    """At the same place, a whole word counts more than a beginning; then kind and name decide."""
    assert names("payments") == ["payments", "late_payments", "scorer"]
    assert names("pay") == ["payments", "late_payments", "customers", "scorer"]


def test_more_of_the_words_always_win() -> None:
    """Case and punctuation do not matter; what has none of the words is no find."""
    assert names("LATE, payments!")[0] == "late_payments"
    assert names("came payments")[0] == "late_payments"
    assert names("nothing of it has this") == []
    assert names("zebra") == []


def test_no_words_find_all() -> None:
    """By kind and name."""
    assert names("") == names("  !") == ["customers", "payments", "late_payments", "scorer"]


def test_two_letters_are_no_beginning() -> None:
    assert names("pa") == []
