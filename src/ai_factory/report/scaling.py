"""The sponsor's one page: does each further system cost less? As Markdown, or one HTML file that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from ai_factory.fleet.scaling import measures as of_fleet
from ai_factory.fleet.scaling.decisions import Decision, decisions
from ai_factory.fleet.scaling.measures import BY_NAME, Measures, Point
from ai_factory.report.markdown import literal, marked
from ai_factory.report.measures import law_lines, markdown_table, number, reuse_lines
from ai_factory.report.pictures import Bar, Dot, bars, curve
from ai_factory.report.plain import count, plain

ROWS = 6  # of one table or picture: it is one page
NAMED = 3  # projects that a decision names
LONGEST = 40  # characters of a name
SCALES = ("days_to_production", "governance_touch")  # what must not grow with each further system
EFFORTS = {  # of a tier's governance, in few words
    "controls_required": "controls required",
    "governance_items": "items of people",
    "governance_touch": "days of work",
}
TITLE = "Does it scale?"


class Section(NamedTuple):
    """A heading, what is to be read off, a table (`shown` beside the picture at once), and a picture (SVG; or none)."""

    title: str
    says: tuple[str, ...]
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    picture: str = ""
    shown: bool = False


class Page(NamedTuple):
    """The page: on which day, of what, what needs a decision (with what shows more), and the sections."""

    title: str
    says: str
    decisions: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def page(found: Measures, proposals: int, today: str) -> Page:
    """The page of a fleet on a day (ISO date)."""
    return Page(TITLE, _head(found, today), tuple(map(_decision, decisions(found, proposals))), tuple(_sections(found)))


def _head(found: Measures, today: str) -> str:
    since = f" stamped since {found.since}" if found.since else ""
    unread = f"; {len(found.unread)} could not be read" if found.unread else ""
    return f"{count(len(found.projects), 'system')}{since}, read on {today}{unread}."


def _decision(one: Decision) -> tuple[str, str]:
    """What is to be decided with the first projects that it is of, and the hint."""
    if not one.projects:
        return one.what, one.hint
    more = f" and {len(one.projects) - NAMED} more" if len(one.projects) > NAMED else ""
    named = f"{', '.join(_short(key) for key in one.projects[:NAMED])}{more}"
    return f"{count(len(one.projects), 'system')}: {one.what} ({named})", one.hint


def _short(key: str) -> str:
    """A project's name as far as there is room: the end tells it apart."""
    return key if len(key) <= LONGEST else f"…{key[-LONGEST + 1 :]}"


def _sections(found: Measures) -> Iterator[Section]:
    for name in SCALES:
        yield _curve(found, name)
    yield _adoption(found)
    yield _tiers(found)
    yield _reuse(found)
    yield _drift(found)


def _curve(found: Measures, name: str) -> Section:
    """A measure, system after system, and by the quarter in which they were stamped."""
    measure, points = BY_NAME[name], of_fleet.curve(found.projects, name)
    groups = of_fleet.by_quarter(found.projects)
    rows = ((key, *_brief(group[name].projects, group[name].median, group[name].p90)) for key, group in groups.items())
    title = f"{measure.title[0].upper()}{measure.title[1:]}, system after system"
    dots = [Dot(point.number, point.value.number) for point in points]
    heads = ("stamped in", "systems", "median", "p90")
    return Section(title, (_trend(points, measure.unit),), heads, tuple(rows)[-ROWS:], curve(title, dots, measure.unit))


def _brief(projects: int, median: float | None, p90: float | None) -> tuple[str, str, str]:
    return str(projects), number(median), number(p90)


def _trend(points: Sequence[Point], unit: str) -> str:
    found, known = of_fleet.trend(points), sum(point.value.number is not None for point in points)
    if found is None:
        return f"Known of {known} of {len(points)} systems: too few for a trend."
    first, last = found.first, found.last
    begin, end = number(first.value.number), number(last.value.number)
    ends = f"{begin} {unit} in system {first.number}, {end} in system {last.number}"
    halves = f"median of the earlier half {number(found.earlier)}, of the later {number(found.later)}"
    return f"{ends}; {halves}; known of {known} of {len(points)} systems."


def _adoption(found: Measures) -> Section:
    """How many releases the systems lack."""
    lacking = Counter(_lacks(one.behind.number) for one in found.projects)
    order = [_lacks(some) for some in (0, 1, 2, 3, None)]
    rows = [Bar(name, lacking[name]) for name in order if lacking[name]]
    known = sum(one.behind.number is not None for one in found.projects)
    says = f"{lacking[order[0]]} of {known} systems of a known release have the newest within their bound."
    return _barred("Adoption of the newest release", says, ("release", "systems"), rows)


def _lacks(number: float | None) -> str:
    if number is None:
        return "not known"
    if not number:
        return "the newest"
    return f"{int(number)} behind" if number < 3 else "3 or more behind"


def _tiers(found: Measures) -> Section:
    """How many there are of each tier, and the medians of what its governance takes."""
    groups = of_fleet.by_tier(found.projects)
    tiers = Counter(one.governance.tier or of_fleet.UNKNOWN for one in found.projects)
    known = len(found.projects) - tiers[of_fleet.UNKNOWN]
    says = f"A tier is on record for {known} of {count(len(found.projects), 'system')}. Medians of each:"
    rows = (
        (tier, str(tiers[tier]), *(number(group[name].median) for name in EFFORTS)) for tier, group in groups.items()
    )
    picture = bars("Systems by tier", [Bar(tier, tiers[tier]) for tier in groups])
    heads = ("tier", "systems", *EFFORTS.values())
    return Section("Systems by tier, and their governance", (says,), heads, tuple(rows), picture, shown=True)


def _reuse(found: Measures) -> Section:
    share = found.whole()["shared_lines"]
    lines = f"Code still as it was stamped: median {number(share.median)} %, of {count(share.projects, 'system')}."
    laws = list(law_lines(found.leads))[:NAMED]
    return Section("Reuse, and changes of law", (*_sentences(reuse_lines(found)), lines, *_sentences(laws)))


def _sentences(lines: Sequence[str] | Iterator[str]) -> list[str]:
    return [f"{line[0].upper()}{line[1:]}." for line in lines]


def _drift(found: Measures) -> Section:
    weakened = of_fleet.drift_by_control(found.projects)
    rows = [Bar(name, many) for name, many in weakened.items()]
    drifted = sum(bool(one.drifted) for one in found.projects)
    says = f"{drifted} of {count(len(found.projects), 'system')} have a managed file that drifted."
    return _barred("Drift by control", says, ("control", "systems"), rows[:ROWS])


def _barred(title: str, says: str, heads: tuple[str, str], rows: Sequence[Bar]) -> Section:
    table = tuple((row.label, number(row.number)) for row in rows)
    return Section(title, (says,), heads, table, bars(title, rows))


# ---- forms ---------------------------------------------------------------------------------------


def data(found: Page) -> dict[str, Any]:
    """The page for machines, without its pictures."""
    sections = [
        {"title": one.title, "says": list(one.says), "heads": list(one.heads), "rows": [list(row) for row in one.rows]}
        for one in found.sections
    ]
    told = [{"what": what, "hint": hint} for what, hint in found.decisions]
    head = {"schema": "ai-factory/fleet-report/1", "title": found.title, "says": found.says}
    return {**head, "decisions": told, "sections": sections}


def markdown(found: Page) -> str:
    """The page in Markdown: a table in place of each picture."""
    parts = [f"# {literal(found.title)}", "", literal(found.says), "", "## What needs a decision", ""]
    parts += [f"- {literal(what)}; {marked(hint)}" for what, hint in found.decisions] or ["Nothing."]
    for one in found.sections:
        parts += ["", f"## {literal(one.title)}", ""]
        parts.append("\n\n".join(map(literal, one.says)))
        parts += ["", *markdown_table(one.heads, one.rows)] if one.rows else []
    return "\n".join(parts).rstrip("\n") + "\n"


def html(found: Page) -> str:
    """The page as one file: nothing is fetched, no code runs, whatever strangers named stands there as text."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"plain": plain, "drawn": Markup}
    style = _beside("scaling.css")
    seal = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = environment.from_string(_beside("scaling.html.jinja"))
    return template.render(page=found, style=style, seal=seal)


def _beside(name: str) -> str:
    return files("ai_factory.report").joinpath(name).read_text("utf-8")
