"""The measures of a fleet as text, JSON, CSV and Markdown: each number with the projects that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ai_factory.fleet.looking import Unread
from ai_factory.fleet.scaling import measures as of_fleet
from ai_factory.fleet.scaling.laws import Lead
from ai_factory.fleet.scaling.measured import Measured
from ai_factory.fleet.scaling.measures import BY_NAME, MEASURES, Measures
from ai_factory.fleet.scaling.samples import Sample, Value, day
from ai_factory.report.exports.sheet import table
from ai_factory.report.markdown import cell, code, literal, marked
from ai_factory.report.plain import count, plain

NONE = "none"
GROUPED = (  # what is told by quarter and by tier
    "days_to_green",
    "days_to_approval",
    "days_to_production",
    "controls_required",
    "governance_items",
    "governance_span",
    "governance_touch",
    "shared_lines",
)
NAMES = {"quarter": "quarter of the stamp", "tier": "tier"}


def number(value: float | None) -> str:
    """A number as people read it; a word for none."""
    return NONE if value is None else f"{value:,.1f}".removesuffix(".0")


# ---- text ----------------------------------------------------------------------------------------


def text(found: Measures) -> str:
    """Each measure over all projects, by quarter and by tier; reuse, changes of law; who could not be read."""
    parts = [*_columns(_heads(found), _rows(found))]
    for name, groups in _groups(found).items():
        if groups:
            parts += ["", f"by the {NAMES[name]}: median (projects)", *_columns(*_grouped(groups))]
    parts += ["", *map(plain, reuse_lines(found)), *map(plain, law_lines(found.leads))]
    parts += [f"not read: {plain(one.key)}: {plain(one.reason)}" for one in found.unread]
    return "\n".join(parts)


def _heads(found: Measures) -> list[str]:
    return ["measure", "unit", f"from of {len(found.projects)}", "median", "p90", "not measured"]


def _rows(found: Measures) -> list[list[str]]:
    whole = found.whole()
    return [[one.title, one.unit, *_numbers(whole[one.name])] for one in MEASURES]


def _numbers(one: Sample) -> list[str]:
    missing = ", ".join(f"{many} {why}" for why, many in one.missing.items())
    return [str(one.projects), number(one.median), number(one.p90), missing]


def _groups(found: Measures) -> dict[str, dict[str, dict[str, Sample]]]:
    return {"quarter": of_fleet.by_quarter(found.projects), "tier": of_fleet.by_tier(found.projects)}


def _grouped(groups: Mapping[str, Mapping[str, Sample]]) -> tuple[list[str], list[list[str]]]:
    """A column a group: the median, and from how many."""
    rows = [[BY_NAME[name].title, *(_brief(group[name]) for group in groups.values())] for name in GROUPED]
    return ["measure", *groups], rows


def _brief(one: Sample) -> str:
    return f"{number(one.median)} ({one.projects})" if one.projects else NONE


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for row in (heads, *rows):
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def reuse_lines(found: Measures) -> Iterator[str]:
    """How often components are used, in a sentence."""
    one = of_fleet.reuse(found.projects)
    projects = count(len(found.projects), "project")
    told = f"{count(one.instances, 'instance')} of {count(one.components, 'component')} in {projects}"
    yield f"reuse: rate {number(one.rate)}: {told}"


def law_lines(leads: Sequence[Lead]) -> Iterator[str]:
    """How long each change of law takes, in sentences."""
    for one in leads:
        what = count(len(one.amendment.requirements), "requirement")
        head = f"law: {one.amendment.release} of {day(one.amendment.when)} ({what}): "
        waiting = sum(one.days.missing.values())
        told = f"median {number(one.days.median)}, p90 {number(one.days.p90)} days in {one.days.projects}"
        yield head + (f"{told}; {waiting} to come" if one.days.projects or waiting else "concerns no project")


# ---- machines ------------------------------------------------------------------------------------


def data(found: Measures) -> dict[str, Any]:
    """Everything for machines: each measure with its unit, over all, by quarter and by tier, and project by project."""
    reuse = of_fleet.reuse(found.projects)
    return {
        "schema": "ai-factory/fleet-measures/1",
        "since": found.since,
        "percentiles": "nearest rank",
        "measures": {
            one.name: {"title": one.title, "unit": one.unit, **_sample(whole)}
            for one in MEASURES
            for whole in [found.whole()[one.name]]
        },
        "quarters": _groups_data(of_fleet.by_quarter(found.projects)),
        "tiers": _groups_data(of_fleet.by_tier(found.projects)),
        "reuse": {**reuse._asdict(), "rate": reuse.rate},
        "law": [_lead(one) for one in found.leads],
        "projects": [_project(one) for one in found.projects],
        "unread": [one._asdict() for one in found.unread],
    }


def _sample(one: Sample) -> dict[str, Any]:
    return {**one._asdict(), "missing": dict(one.missing)}


def _groups_data(groups: Mapping[str, Mapping[str, Sample]]) -> dict[str, Any]:
    return {name: {measure: _sample(one) for measure, one in group.items()} for name, group in groups.items()}


def _lead(one: Lead) -> dict[str, Any]:
    told = one.amendment
    days = {"days": _sample(one.days)}
    return {**told._asdict(), "when": day(told.when), "requirements": list(told.requirements), **days}


def _project(one: Measured) -> dict[str, Any]:
    values = {measure.name: measure.of(one) for measure in MEASURES}
    return {
        **_head(one),
        "measures": {name: value.number if value.number is not None else None for name, value in values.items()},
        "missing": {name: value.why for name, value in values.items() if value.number is None},
        "drift": [{**row._asdict(), "controls": list(row.controls)} for row in one.drift],
        "conflicts": one.conflicts,
    }


def _head(one: Measured) -> dict[str, str]:
    stamped = day(one.story.stamped) if one.story.stamped and not one.story.cut else ""
    rest = {"factory": one.factory, "version": one.version, "tier": one.governance.tier, "stamped": stamped}
    return {"project": one.key, "owner": one.owner, **rest}


def csv(found: Measures) -> str:
    """A row a project, a column a measure: a number, or nothing where there is none."""
    rows = [{**_head(one), **{measure.name: _cell(measure.of(one)) for measure in MEASURES}} for one in found.projects]
    columns = ["project", "owner", "factory", "version", "tier", "stamped", *BY_NAME]
    return table(columns, rows).decode()


def _cell(value: Value) -> str:
    return "" if value.number is None else number(value.number).replace(",", "")


# ---- Markdown ------------------------------------------------------------------------------------


def markdown(found: Measures) -> str:
    """The same as a page."""
    parts = ["# Measures of the fleet", "", *markdown_table(_heads(found), _rows(found))]
    for name, groups in _groups(found).items():
        if groups:
            heading = f"## By the {NAMES[name]}: median (projects)"
            parts += ["", heading, "", *markdown_table(*_grouped(groups))]
    parts += ["", *(f"- {literal(line)}" for line in (*reuse_lines(found), *law_lines(found.leads)))]
    return "\n".join([*parts, *unread_markdown(found.unread)]) + "\n"


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of texts, which are taken as they stand."""
    body = [f"| {' | '.join(cell(literal(text)) for text in row)} |" for row in (heads, *rows)]
    return [body[0], "|" + "---|" * len(heads), *body[1:]]


def unread_markdown(unread: Sequence[Unread]) -> list[str]:
    """Those that could not be read, as a list."""
    rows = [f"- {code(one.key)}: {marked(one.reason)}" for one in unread]
    return ["", "## Not read", "", *rows] if rows else []
