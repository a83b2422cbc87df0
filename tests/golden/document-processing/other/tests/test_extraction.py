"""Both extractors read by words and places; what is learned holds no word of any document."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from paper_desk import data, layouts
from paper_desk.confidence import (
    Signs,
    calibration_error,
    confidences,
    fitted,
    rows,
)
from paper_desk.controls import packages
from paper_desk.controls.documents.page import Page, Word
from paper_desk.controls.paths import Paths
from paper_desk.extraction import Rules
from paper_desk.fields import (
    ACCOUNT,
    AMOUNT,
    CLAIM,
    CURRENCY,
    DATE,
    IDENTIFIER,
    INVOICE,
    TEXT,
)
from paper_desk.segments import (
    Candidate,
    Segment,
    candidates,
    column,
    kind_of,
    segments,
    unevenness,
)
from paper_desk.trained import PageClasses, Trained, features


def page(*placed: tuple[str, float, float], height: float = 10) -> Page:
    """A page of words at places (left, top), five points a letter."""
    words = [Word(text, x, y, x + 5 * len(text), y + height) for text, x, y in placed]
    return Page(595, 842, 0, 0, tuple(words))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("EUR", CURRENCY),
        ("12.03.2025", DATE),
        ("12 Mar 2025", DATE),
        ("1.234,50", AMOUNT),
        ("XZ34 1888 3321 8657 7821 49", ACCOUNT),
        ("QM-87972", IDENTIFIER),
        ("VT447809153", IDENTIFIER),
        ("Invoice no:", TEXT),
        ("12 Larch Row, Tillbrook", TEXT),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    """By how it is written alone."""
    assert kind_of(text) == kind


def test_words_become_phrases_by_line_and_gap() -> None:
    """Also where a scan's line is uneven."""
    one = page(("Total", 50, 100), ("due", 79, 101.5), ("12.00", 300, 99))
    assert [segment.text for segment in segments([one])] == ["Total due", "12.00"]
    assert unevenness([one]) == pytest.approx(2.5)
    assert unevenness([page(("a", 0, 0))]) == 0.0


def test_a_candidate_knows_its_neighbours() -> None:
    """The phrase to its left, or the one above."""
    one = page(("Due:", 50, 100), ("12.00", 120, 100), ("Number", 300, 86), ("AB-1234", 300, 100))
    found = {c.text: c for c in candidates(segments([one]))}
    assert (found["12.00"].left, found["12.00"].above) == ("Due:", "")
    assert (found["AB-1234"].left, found["AB-1234"].above) == ("12.00", "Number")


def test_the_lines_of_a_total_stand_above_it_in_its_column() -> None:
    """Not those of another column, and not beyond a gap."""
    amounts = [("5.00", 475, 100), ("1.00", 475, 160), ("2.00", 475, 176), ("9.00", 300, 176)]
    found = candidates(segments([page(*amounts, ("3.00", 475, 194))]))
    total = next(c.segment for c in found if c.text == "3.00")
    assert column(total, found) == ["1.00", "2.00"]


def test_rules_take_the_value_beside_or_below_a_known_word() -> None:
    """Of two the answer is less sure; an unknown word gives nothing."""
    one = page(
        ("Due", 50, 100),
        ("date:", 67, 100),
        ("01.02.2025", 150, 100),
        ("Issued", 300, 86),
        ("31.01.2025", 300, 100),
        ("Settlement", 50, 200),
        ("12.00", 150, 200),
    )
    read = Rules().read(INVOICE, candidates(segments([one])))
    assert (read["due_date"].text, read["issue_date"].text) == ("01.02.2025", "31.01.2025")
    assert read["due_date"].score > read["issue_date"].score
    assert "gross_total" not in read


@pytest.mark.parametrize("style", ["plain", "grid", "freight", "ledger", "cloud"])
def test_rules_know_the_words_of_known_senders(style: str) -> None:
    """Every field of every known layout is named by a word that the rules know."""
    from paper_desk.extraction import PATTERNS

    for name, word in layouts.STYLES[style].words.items():
        plain = re.sub(r"[^a-z ]", "", word.lower()).strip()
        assert PATTERNS[name].fullmatch(plain), (name, word)


def test_the_trained_extractor_learns_from_words_and_places() -> None:
    """It finds a value beside a word that no rule knows."""
    bags, labels = [], []
    for number in range(40):
        one = page(
            ("Owed", 50, 200), (f"{number}.00", 150, 200), ("Old", 50, 300), ("7.00", 150, 300)
        )
        found = candidates(segments([one]))
        bags += features(found)
        labels += ["gross_total" if c.left == "Owed" else "none" for c in found]
    new = candidates(segments([page(("Owed", 50, 210), ("99.00", 150, 210))]))
    read = Trained.fitted(bags, labels).read(INVOICE, new)
    assert read["gross_total"].text == "99.00" and read["gross_total"].score > 0.5
    assert Trained.fitted(bags, labels).read(CLAIM, new) == {}
    assert Trained.fitted(bags, labels).read(CLAIM, []) == {}


def test_pages_are_told_apart_and_new_words_are_noticed() -> None:
    """By words alone."""
    bills = [page(("invoice", 0, 0), ("total", 0, 20), (f"{n}.00", 0, 40)) for n in range(9)]
    letters = [page(("dear", 0, 0), ("kind", 0, 20), ("regards", 0, 40)) for _ in range(9)]
    classes = PageClasses.trained([*bills, *letters], ["invoice"] * 9 + ["other"] * 9)
    ((name, score),) = classes.classify([page(("total", 0, 0), ("invoice", 0, 20))])
    assert name == "invoice" and score > 0.7
    assert classes.unknown(bills[0]) == 0.0
    assert classes.unknown(page(("settlement", 0, 0), ("total", 0, 20))) == 0.5
    assert classes.unknown(page(("12.00", 0, 0))) == 0.0


def test_a_package_holds_no_word_of_any_document(built: Paths) -> None:
    """Neither a name nor a heading can be read from it."""
    content = b"".join(path.read_bytes() for path in Path(built.models).rglob("model.skops"))
    names = [*data.FAMILY, *data.STREETS, "Invoice date", "Quillmar"]
    assert content and not [name for name in names if name.encode() in content]
    assert packages.load(built).estimator["pages"].classes_.tolist() == [
        "claim",
        "invoice",
        "other",
        "terms",
    ]


def test_confidence_falls_where_signs_are_bad() -> None:
    """It is learned: on uneven pages one value in three was wrong."""
    rng = np.random.default_rng(1)
    uneven = rng.random(600) * 2
    correct = rng.random(600) < np.where(uneven > 1, 0.66, 0.99)
    model = fitted([[2.0, 1.0, 1.0, 1.0, 1.0, 0.0, u, 0.0] for u in uneven], correct.tolist())
    signs = {
        name: [2.0, 1.0, 1.0, 1.0, 1.0, 0.0, u, 0.0] for name, u in (("even", 0.0), ("not", 2.0))
    }
    sure = confidences(model, signs)
    assert sure["even"] > 0.9 > 0.8 > sure["not"]


def test_signs_tell_agreement_and_checks() -> None:
    """A second opinion that differs, and a check that fails, count against a value."""
    signs = Signs(
        {}, {"vendor_id": "VT000000018"}, {"vendor_id": "VT1"}, ["sum: net_total"], 0.1, 0.2
    )
    found = rows(INVOICE, signs)
    assert found["vendor_id"][2:] == [1.0, -1.0, 1.0, 1.0, 0.1, 0.2]
    assert found["net_total"][5] == -1.0 and found["purchase_order"][2:6] == [0.0, 0.0, 0.0, 0.0]


def test_the_calibration_error_counts_what_was_promised() -> None:
    """Ninety percent sure and nine in ten right is none; all right is a tenth."""
    assert calibration_error([0.9] * 100, [n % 10 > 0 for n in range(100)]) == pytest.approx(
        0, abs=1e-9
    )
    assert calibration_error([0.9] * 100, [True] * 100) == pytest.approx(0.1)
    assert calibration_error([], []) == 0.0


def test_a_text_candidate_shows_its_shape_only() -> None:
    """The name of a claimant is no feature."""
    segment = Segment("Orsa Wexling", 0, 50, 100, 110, 110)
    (bag,) = features([Candidate(TEXT, segment, "Policyholder", "")])
    assert not [one for one in bag if "orsa" in one.lower()]
    assert any("shape=Aa Aa" in one for one in bag)
