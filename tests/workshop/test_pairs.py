"""Every two values that can meet do so, in few rows, the same on each run."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ai_factory.workshop.pairs import Factor, pairs_in, rows


def test_rows_of_a_few_factors() -> None:
    """The usual values come first; a factor that needs another one is only where that has its second value."""
    factors = [Factor("+b", (False, True)), Factor("a", "xyz"), Factor("c", (1, 2), ("+b",))]
    assert rows(factors) == [
        {"+b": False, "a": "x"},
        {"+b": False, "a": "y"},
        {"+b": False, "a": "z"},
        {"+b": True, "a": "x", "c": 1},
        {"+b": True, "a": "y", "c": 2},
        {"+b": True, "a": "z", "c": 1},
        {"+b": True, "a": "x", "c": 2},
        {"+b": True, "a": "y", "c": 1},
        {"+b": True, "a": "z", "c": 2},
    ]


def test_nothing_varies() -> None:
    assert rows([]) == [{}]
    assert rows([Factor("a", (1,))]) == [{"a": 1}]


@st.composite
def several(draw: st.DrawFn) -> list[Factor]:
    sizes = draw(st.lists(st.integers(1, 4), max_size=7))
    flags = [f"f{number}" for number, size in enumerate(sizes) if size > 1]
    return [
        Factor(f"f{number}", range(size), tuple(draw(st.sets(st.sampled_from(flags[:2]), max_size=1))))
        if number > 4 and flags
        else Factor(f"f{number}", range(size))
        for number, size in enumerate(sizes)
    ]


def _has(row: dict[str, Any], pair: dict[str, Any]) -> bool:
    return pair.items() <= row.items()


@settings(deadline=None)
@given(several())
def test_every_pair_is_there(factors: list[Factor]) -> None:
    found = rows(factors)
    assert found == rows(factors)
    assert [pair for pair in pairs_in(factors) if not any(_has(row, {**pair[0], **pair[1]}) for row in found)] == []
    needs = {one.name: one.needs for one in factors}
    assert all(row[other] == 1 for row in found for name in row for other in needs[name])


def test_few_rows_suffice() -> None:
    """Thirteen factors of three values can be combined in 1,594,323 ways; some twenty show every pair."""
    assert len(rows([Factor(f"f{number}", range(3)) for number in range(13)])) <= 24
