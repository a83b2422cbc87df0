"""Pictures as SVG that stands in a page: bars, and a curve; drawn here, in the colours of the page, without any code.

Rules of this module: whatever is shown is escaped; a picture has a title and says in words what it shows, for those who
do not see it; nothing in it is fetched, and it has no style of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from ai_factory.report.plain import plain

WIDTH = 340
ROW = 20  # of one bar
NAMES = 150  # where bars begin: the space of their labels
LONGEST = 24  # characters of a label
HEIGHT, LEFT, TOP, BOTTOM = 150, 34, 16, 22  # of a curve, and its margins
MANY = 40  # points beyond which they are drawn small


class Bar(NamedTuple):
    """A label and how much it stands for."""

    label: str
    number: float


class Dot(NamedTuple):
    """A place from the left, and how high it is; None where that is not known."""

    place: int
    number: float | None


def bars(title: str, rows: Sequence[Bar]) -> str:
    """A bar a row, each with its number; empty without rows."""
    if not rows:
        return ""
    top = max(row.number for row in rows) or 1
    space = WIDTH - NAMES - 40
    drawn = "".join(_bar(number * ROW, row, space * row.number / top) for number, row in enumerate(rows))
    says = "; ".join(f"{row.label}: {number(row.number)}" for row in rows)
    return _picture(title, says, ROW * len(rows) + 4, drawn)


def _bar(top: int, row: Bar, width: float) -> str:
    label = row.label if len(row.label) <= LONGEST else f"{row.label[: LONGEST - 1]}…"
    middle = top + ROW * 0.7
    return (
        f'<text class="label" x="{NAMES - 8}" y="{middle:.1f}" text-anchor="end">{_text(label)}</text>'
        f'<rect class="bar" x="{NAMES}" y="{top + 3}" width="{max(width, 1):.1f}" height="{ROW - 6}" rx="2"/>'
        f'<text class="label" x="{NAMES + max(width, 1) + 6:.1f}" y="{middle:.1f}">{number(row.number)}</text>'
    )


def curve(title: str, dots: Sequence[Dot], unit: str) -> str:
    """A curve from the left to the right, from zero up; what is not known leaves no dot. Empty without any."""
    known = [(dot.place, dot.number) for dot in dots if dot.number is not None]
    if not known:
        return ""
    last, top = max(dot.place for dot in dots), max(height for _, height in known) or 1
    places = [(_across(place, last), _up(height, top)) for place, height in known]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    radius = 3 if len(places) <= MANY else 1.5
    drawn = "".join(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>' for x, y in places)
    says = f"{unit}, {'; '.join(f'{place}: {number(height)}' for place, height in known)}"
    path = f'<polyline class="line" points="{line}"/>'
    return _picture(title, says, HEIGHT, f"{_axes(last, top, unit)}{path}{drawn}")


def _across(place: int, last: int) -> float:
    return LEFT + (WIDTH - LEFT - 10) * ((place - 1) / (last - 1) if last > 1 else 0.5)


def _up(height: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - height / top)


def _axes(last: int, top: float, unit: str) -> str:
    floor = HEIGHT - BOTTOM
    return (
        f'<path class="axis" d="M{LEFT} {TOP}V{floor}H{WIDTH - 10}"/>'
        f'<text class="label" x="{LEFT - 4}" y="{TOP + 4}" text-anchor="end">{number(top)}</text>'
        f'<text class="label" x="{LEFT - 4}" y="{floor}" text-anchor="end">0</text>'
        f'<text class="label" x="{LEFT}" y="{TOP - 6}">{_text(unit)}</text>'
        f'<text class="label" x="{_across(1, last):.1f}" y="{HEIGHT - 6}" text-anchor="middle">1</text>'
        + (f'<text class="label" x="{WIDTH - 10}" y="{HEIGHT - 6}" text-anchor="end">{last}</text>' if last > 1 else "")
    )


def _picture(title: str, says: str, height: int, drawn: str) -> str:
    head = f"<title>{_text(title)}</title><desc>{_text(says)}</desc>"
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{head}{drawn}</svg>'


def _text(text: str) -> str:
    return escape(plain(text))


def number(value: float) -> str:
    """A number as people read it."""
    return f"{value:,.1f}".removesuffix(".0")
