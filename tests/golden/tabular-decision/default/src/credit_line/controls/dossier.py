"""Writes the documents of this system below `docs/governance/` from its own files.

Each document is a function of the files in `READS`: the same files give the same bytes. What only
people can say stands in `governance/scope.yaml` and `governance/dossier.yaml`. An empty text there,
or a decimal number or a share typed by hand, and nothing is written: `${evaluation:path}` puts a
figure of evidence there, as in the model card. Which documents are due follows from the controls in
`governance/applicability.json`; where that is missing, all are.
"""

from __future__ import annotations

import hashlib
import html
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from . import evidence
from .card import PLACEHOLDER, CardRefused, filled
from .paths import Paths
from .stages import StageFailed

FOLDER = "docs/governance"
RECORD = f"{FOLDER}/sources.json"
SYSTEM, FACTS = "governance/system.yaml", "governance/facts.yaml"
SCOPE, WORDS = "governance/scope.yaml", "governance/dossier.yaml"
RISKS, NOTICES = "governance/risk-assessment.yaml", "governance/notices.yaml"
APPLIES, RELEASED = "governance/applicability.json", "governance/released.json"
DEPENDENCIES, PACKS = "governance/dependencies.yaml", "docs/learn/packs.yaml"
MONITORING, AUDIT = "ops/monitoring.yaml", "ops/audit.yaml"
MODEL, EVALUATION = "evidence/model.json", "evidence/evaluation.json"
CONTRACTS = "contracts/*.odcs.yaml"
# Nothing that each night writes anew: documents would change with it.
READS = (
    *(SYSTEM, FACTS, SCOPE, WORDS, RISKS, NOTICES, APPLIES, RELEASED, DEPENDENCIES),
    *(PACKS, MONITORING, AUDIT, MODEL, EVALUATION, "evals/thresholds.yaml", CONTRACTS),
)
CLASSES = ("minor", "material", "substantial")
# What makes a release more than minor, whatever the register leaves out; it may name more.
CLASSED = {
    "substantial": (SYSTEM, FACTS, SCOPE),
    "material": (RISKS, CONTRACTS, "evals/thresholds.yaml", MODEL, "src/*/*.py", "src/*/*/**/*.py"),
    "minor": ("constraints.txt", "governance/*.yaml", "governance/*.md", "ops/*.yaml"),
}
# Code that the factory answers for, and registers that change with each release.
UNCLASSED = (
    "src/*/controls/**/*.py",
    "governance/approvals.yaml",
    WORDS,
    "governance/literacy.yaml",
)
EMPTY = re.compile(
    r"\b(todo|tbd|tbc|fixme|xxx+|lorem ipsum|to be (determined|defined|decided))\b"
    r"|\bfill (me |this )?in\b|\{\{|^\W*$|^(n/?a|x|y)\W*$",
    re.IGNORECASE,
)
# A share, or a number with a fraction; neither is a version such as 1.2.3, nor 5,005.
FIGURE = re.compile(
    r"\d\s*(%|\u2030|\u066a|per\s?(cent|mille)|pct)|(?<![\w.,])\d*[.,]\d+(?![\d.,]*[.,]\d)",
    re.IGNORECASE,
)
THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(,\d{3})+(?![\w,]|\.\d)")
HEAD = (
    "<!-- Written by `make documents` from the files that docs/governance/sources.json names.\n"
    "     Change those. In our own words, not reviewed by counsel, and no legal advice. -->"
)

Part = tuple[str, str]  # a heading, and the text below it


class DossierRefused(StageFailed):
    """The documents cannot be written; the message names the file and what it lacks."""


@dataclass(frozen=True)
class Sources:
    """What the files say, by path; a path that is missing says nothing.

    `files` holds the digests of the files by which a release is classed, with their class.
    """

    read: Mapping[str, Any]
    files: Mapping[str, tuple[str, str]]

    def at(self, path: str, *keys: str) -> Any:
        """The value under the keys of a file, or None."""
        value = self.read.get(path)
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def rows(self, path: str, *keys: str) -> list[Mapping[str, Any]]:
        """The mappings of a list; none where there is another thing."""
        found = self.at(path, *keys)
        return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []

    def text(self, path: str, *keys: str) -> str:
        """What people wrote there. DossierRefused: it is empty, or names an unknown figure."""
        return self.checked(path, ".".join(keys), self.at(path, *keys))

    def texts(self, path: str, *keys: str) -> str:
        """The same of a list of texts, one line each; it names at least one."""
        found = self.at(path, *keys)
        name = ".".join(keys)
        if not isinstance(found, list) or not found:
            raise DossierRefused(f"{path}: `{name}` names nothing: write it")
        return "\n".join(f"- {self.checked(path, name, line)}" for line in found)

    def table(
        self, path: str, keys: Sequence[str], names: Sequence[str], told: Sequence[str]
    ) -> str:
        """The rows of a list; the columns in `told` hold texts of people."""
        where = ".".join(keys)
        cells = [
            [
                self.checked(path, f"{where}: {name}", row.get(name)).replace("|", "\\|")
                if name in told
                else _shown(row.get(name))
                for name in names
            ]
            for row in self.rows(path, *keys)
        ]
        return _lines([name.replace("_", " ") for name in names], cells)

    def checked(self, path: str, name: str, value: object) -> str:
        """The text as a document may hold it. DossierRefused: it is empty, or figures are typed."""
        text = " ".join(value.split()) if isinstance(value, str) else ""
        if EMPTY.search(text):
            raise DossierRefused(f"{path}: `{name}` is empty or a placeholder: write it")
        if found := FIGURE.search(THOUSANDS.sub("", bare(PLACEHOLDER.sub("", text)))):
            hint = "put `${evaluation:...}` in its place, as in the model card"
            raise DossierRefused(f"{path}: `{name}` says {found[0].strip()}: {hint}")
        try:
            parts = enumerate(PLACEHOLDER.split(text))  # every second one is a placeholder
            told = [filled(one, self.evidence) if n % 2 else _inline(one) for n, one in parts]
        except CardRefused as refused:
            raise DossierRefused(f"{path}: `{name}`: {refused}") from refused
        return _lead("".join(told))

    def evidence(self, name: str) -> Mapping[str, Any]:
        """What a run found, where documents read it. CardRefused where there is none."""
        content = self.at(f"evidence/{name}.json", "content")
        if not isinstance(content, Mapping):
            raise CardRefused(f"documents read no evidence/{name}.json")
        return content

    @property
    def contracts(self) -> dict[str, Mapping[str, Any]]:
        """The data contracts by path."""
        return {
            path: value
            for path, value in self.read.items()
            if path.startswith("contracts/") and isinstance(value, Mapping)
        }

    def control(self, name: str) -> str:
        """What the map says of a control; "not assessed" where nothing was recorded."""
        controls = self.at(APPLIES, "controls")
        if not isinstance(controls, Mapping):
            return "not assessed"
        verdict = self.at(APPLIES, "controls", name, "verdict") or "does not apply"
        day = self.at(APPLIES, "controls", name, "by")
        return f"{verdict} {day}" if day else str(verdict)

    def asked(self, control: str) -> str:
        """The duties behind a control that apply: id, cite, and how far the row was checked."""
        names = self.at(APPLIES, "controls", control, "duties")
        rows = {name: self.at(APPLIES, "requirements", str(name)) or {} for name in names or ()}
        return "; ".join(
            f"{name}, {row.get('cite')} ({row.get('verified')})"
            for name, row in rows.items()
            if row.get("applies")
        )

    def duty(self, name: str) -> bool:
        """Whether a requirement applies, now or later; it may, where nothing was recorded."""
        return self.at(APPLIES, "requirements", name, "applies") is not False


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its name, what it is, and the control and duty without which it is not due."""

    name: str
    title: str
    control: str
    parts: Callable[[Sources], Iterator[Part]]
    duty: str = ""

    @property
    def path(self) -> str:
        """Where it is written."""
        return f"{FOLDER}/{self.name}.md"

    def due(self, sources: Sources) -> bool:
        """Whether this system needs it."""
        applies = sources.control(self.control) != "does not apply"
        return applies and (not self.duty or sources.duty(self.duty))


# ---- Markdown ------------------------------------------------------------------------------------


def bare(text: str) -> str:
    """A text as it reads: usual digits and signs, and entities as what they stand for."""
    return unicodedata.normalize("NFKC", html.unescape(text))


def _plain(text: str) -> str:
    """Words that Markdown takes for nothing else: no HTML, links, images, headings or lists."""
    return _lead(_inline(text))


def _lead(text: str) -> str:
    return re.sub(r"^([#>+*=~-]|\d+[.)])", r"\\\1", text)


def _inline(text: str) -> str:
    return re.sub(r"[\\\[\]]", lambda one: "\\" + one[0], text).replace("<", "&lt;")


def _shown(value: object) -> str:
    if value is None or value == [] or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return _plain(" ".join(str(value).split())).replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], none: str = "None.") -> str:
    return _lines(head, [[_shown(cell) for cell in row] for row in rows], none)


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]], none: str = "None.") -> str:
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) if rows else none


def _pairs(rows: Iterable[tuple[str, object]]) -> str:
    return _table(("", ""), rows)


def _columns(rows: Iterable[Mapping[str, Any]], *names: str, none: str = "None.") -> str:
    return _table(
        [n.replace("_", " ") for n in names], [[r.get(n) for n in names] for r in rows], none
    )


# ---- parts that several documents share ----------------------------------------------------------


def _identity(s: Sources) -> str:
    names = ("name", "purpose", "owner_team", "contact", "risk_owner", "status")
    told = [(name.replace("_", " "), s.text(SYSTEM, name)) for name in names]
    return _pairs([*told, ("inherent tier", _tier(s))])


def _tier(s: Sources) -> str:
    return str(s.at(APPLIES, "tier", "inherent") or "not assessed")


def _limits(s: Sources) -> str:
    outside, misuse = (s.texts(SCOPE, name) for name in ("out_of_scope", "foreseeable_misuse"))
    return f"Not for:\n\n{outside}\n\nForeseeable misuse:\n\n{misuse}"


def _oversight(s: Sources) -> str:
    names = ("who_overrides", "who_stops", "fallback")
    told = [(name.replace("_", " "), s.text(SCOPE, "oversight", name)) for name in names]
    return _pairs([*told, ("autonomy", s.at(FACTS, "facts", "autonomy"))])


def _results(s: Sources) -> str:
    rows = s.rows(EVALUATION, "content", "results")
    names = ("metric", "slice", "value", "low", "high", "n", "threshold", "verdict")
    return _columns(rows, *names, none="This system evaluates no model of its own.")


def _model(s: Sources) -> str:
    if MODEL not in s.read:
        return "No model is released by this project."
    facts = s.at(MODEL, "content", "facts")
    items = facts.items() if isinstance(facts, Mapping) else ()
    plain = [(str(name), value) for name, value in items if isinstance(value, str | int | float)]
    version, digest = (s.at(MODEL, "content", name) for name in ("version", "model"))
    return _pairs([("version", version), ("digest", digest), *plain])


def _risks(s: Sources) -> str:
    names = ("id", "title", "cause", "harm", "inherent", "controls", "residual", "owner")
    return s.table(RISKS, ["risks"], names, ("title", "cause", "harm"))


def _data(s: Sources) -> str:
    rows = []
    for path, contract in s.contracts.items():
        basis = _property(contract.get("customProperties"), "lawfulBasis")
        kept = _property(contract.get("slaProperties"), "retention")
        rows.append((path, contract.get("domain"), basis, kept))
    return _table(("contract", "domain", "lawful basis", "retention"), rows, "No data contract.")


def _property(rows: object, name: str) -> object:
    found = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    row = next((row for row in found if row.get("property") == name), {})
    return f"{_shown(row.get('value'))} {row.get('unit', '')}".strip()


def _watched(s: Sources) -> str:
    names = ("metric", "limit", "severity", "owner", "action", "runbook")
    return _columns(s.rows(MONITORING, "checks"), *names)


def _kept(s: Sources) -> str:
    return _columns(s.rows(AUDIT, "retention"), "record", "what", "keep_days", "reason")


def _changed(s: Sources) -> str:
    why = s.text(WORDS, "change", "why")
    return f"{s.text(WORDS, 'planned_changes')}\n\nWhy there is this release: {why}"


# ---- the documents -------------------------------------------------------------------------------


def _system_card(s: Sources) -> Iterator[Part]:
    yield "What it is", _identity(s)
    yield "Limits", _limits(s)
    yield "Human oversight", _oversight(s)
    facts = s.at(FACTS, "facts")
    told = facts.items() if isinstance(facts, Mapping) else ()
    yield "Facts", _pairs([(str(name), value) for name, value in told])
    duties = s.at(APPLIES, "requirements")
    rows = [
        (name, row.get("cite"), row.get("binding"), row.get("applies_from"), row.get("verified"))
        for name, row in (duties.items() if isinstance(duties, Mapping) else ())
        if isinstance(row, Mapping) and row.get("applies")
    ]
    head = ("duty", "cite", "binding", "applies from", "how far checked")
    yield "Duties", _table(head, rows, "Not assessed: `ai-factory assess` records them.")
    services, consumers = (s.rows(DEPENDENCIES, kind) for kind in ("services", "consumers"))
    yield "Depends on", _columns(services, "name", "purpose", "owner", "outside")
    yield "Who depends on it", _columns(consumers, "name", "purpose", "owner")


def _risk_register(s: Sources) -> Iterator[Part]:
    yield "Risks", _risks(s)
    who = _columns(s.rows(RISKS, "risks"), "id", "accepted_by", "review_by")
    yield (
        "Acceptance",
        "What remains is accepted by whoever a row names, else by whoever approves this register "
        "in `governance/approvals.yaml`: the role `risk`, or the business owner where the tier "
        f"asks for nobody else. That runs out.\n\n{who}",
    )


def _datasheet(s: Sources) -> Iterator[Part]:
    for path, contract in s.contracts.items():
        told = [(name, contract.get(name)) for name in ("name", "version", "status", "domain")]
        described = contract.get("description")
        uses = described.items() if isinstance(described, Mapping) else ()
        yield path, _pairs([*told, *((str(name), value) for name, value in uses)])
        tables = contract.get("schema")
        for table in tables if isinstance(tables, list) else ():
            columns = [one for one in table.get("properties", []) if isinstance(one, Mapping)]
            names = ("name", "logicalType", "classification", "required", "description")
            yield f"{path}: {table.get('name')}", _columns(columns, *names)
    yield "Rights", _data(s)


def _impact(s: Sources) -> Iterator[Part]:
    yield "What it is", _identity(s)
    yield "Process in which it is used", s.text(SCOPE, "use", "process")
    yield "Period and frequency", s.text(SCOPE, "use", "often")
    names = ("affects", "effect", "persons_per_year", "personal_data", "reversibility")
    facts = _pairs([(name.replace("_", " "), s.at(FACTS, "facts", name)) for name in names])
    yield "People and groups", f"{s.text(SCOPE, 'use', 'people')}\n\n{facts}"
    yield "Necessity and proportion", s.text(SCOPE, "use", "necessity")
    yield "Personal data", _data(s)
    yield "Risks of harm, and what reduces them", _risks(s)
    yield "Human oversight", _oversight(s)
    yield "When harm was done", s.text(SCOPE, "use", "harm")
    yield "Complaints", s.text(SCOPE, "use", "complaints")
    yield "Views of those whom it reaches", s.text(SCOPE, "use", "heard")
    yield (
        "Opinion of data protection",
        "The approval of the role `data protection` in `governance/approvals.yaml`, with its "
        "conditions. It covers the facts, the scope and the risks from which this is made.",
    )
    if s.duty("EUAIA-27"):
        yield "Notice to the authority", s.text(WORDS, "authority_notice")


def _technical_file(s: Sources) -> Iterator[Part]:
    yield "1 General description", f"{_identity(s)}\n\n{_limits(s)}"
    yield "2 Elements, and how it was made", f"{_model(s)}\n\n{_data(s)}\n\n{_threats(s)}"
    yield "3 Monitoring, functioning and control", f"{_oversight(s)}\n\n{_watched(s)}"
    yield "4 Why these measures of performance", f"{s.text(WORDS, 'measures')}\n\n{_results(s)}"
    yield "5 Risk management", _risks(s)
    yield "6 Changes through its life", _changed(s)
    yield "7 Standards", s.text(WORDS, "standards")
    yield "8 Declaration of conformity", s.text(WORDS, "declaration")
    yield "9 Plan for watching it in use", _watched(s)


def _instructions(s: Sources) -> Iterator[Part]:
    yield "Who provides it", _identity(s)
    yield "What it can do, and what not", f"{_limits(s)}\n\n{_results(s)}"
    yield "Changes that were planned beforehand", _changed(s)
    yield "Human oversight", _oversight(s)
    means = ("resources", "lifetime", "maintenance")
    yield "Resources, lifetime, maintenance", _pairs([(one, s.text(WORDS, one)) for one in means])
    yield "Logs", _kept(s)


def _oversight_plan(s: Sources) -> Iterator[Part]:
    yield "Who oversees it", _oversight(s)
    yield "The work that it is part of", s.text(SCOPE, "use", "process")
    yield "What an overseer must not take it for", s.texts(SCOPE, "foreseeable_misuse")
    yield "What overseers have learnt", _roles(s)


def _monitoring_plan(s: Sources) -> Iterator[Part]:
    yield "What is watched", f"Window: {_shown(s.at(MONITORING, 'window'))}\n\n{_watched(s)}"
    yield "When harm was done", s.text(SCOPE, "use", "harm")


def _retention(s: Sources) -> Iterator[Part]:
    yield "What is kept, and for how long", _kept(s)
    yield "Data", _data(s)
    names = ("record", "minimum_days", "required_days", "maximum_days", "cites", "ends", "verified")
    yield "What law and custom ask for", _columns(s.rows(APPLIES, "retention"), *names)
    yield "Holds", _columns(s.rows(AUDIT, "holds"), "subject", "reason", "until")


def _incidents(s: Sources) -> Iterator[Part]:
    yield "Who acts", f"{_oversight(s)}\n\nStep by step: `ops/runbook.md`, section Incident."
    names = ("regime", "from", "recipient", "cite", "applies_from", "verified")
    clocks = [
        [_deadlines(one), *(one.get(name) for name in names)] for one in s.rows(APPLIES, "clocks")
    ]
    head = ("deadlines", *(name.replace("_", " ") for name in names))
    none = "None is recorded: `ops/runbook.md` lists those that may run, and legal decides."
    yield "Clocks", _table(head, clocks, none)
    yield "Who is told", s.text(SCOPE, "use", "harm")


def _deadlines(clock: Mapping[str, Any]) -> str:
    given = clock.get("deadlines")
    rows = [row for row in given if isinstance(row, Mapping)] if isinstance(given, list) else []
    return "; ".join(
        f"{row.get('what')}: {row.get('within')} from {row.get('from', clock.get('from'))}"
        for row in rows
    )


def _literacy(s: Sources) -> Iterator[Part]:
    yield "What each role learns", _roles(s)
    yield "Roles that have learnt it before it is in use", s.texts(PACKS, "handover", "roles")


def _roles(s: Sources) -> str:
    roles = s.at(PACKS, "roles")
    rows = [
        (name, row.get("does"), row.get("topics"))
        for name, row in (roles.items() if isinstance(roles, Mapping) else ())
        if isinstance(row, Mapping)
    ]
    return _table(("role", "does", "topics"), rows, "No learning material is in this project.")


def _suppliers(s: Sources) -> Iterator[Part]:
    outside = [row for row in s.rows(DEPENDENCIES, "services") if row.get("outside") is True]
    yield "Whose models and services it rests on", _columns(outside, "name", "purpose", "owner")
    told = {str(row.get("name")) for row in s.rows(WORDS, "suppliers")}
    if missing := sorted({str(row.get("name")) for row in outside} - told):
        raise DossierRefused(f"{WORDS}: `suppliers` says nothing of {missing[0]}: write a row")
    names = ("name", "terms", "data", "changes", "leaving")
    yield (
        "Terms, data, notice of changes, and how to leave",
        s.table(WORDS, ["suppliers"], names, names),
    )
    yield "The version in use", _model(s)


def _end(s: Sources) -> Iterator[Part]:
    yield "Steps", "`ops/decommission.md` lists them; each is ticked in a commit of its own."
    yield (
        "Who depends on it",
        _columns(s.rows(DEPENDENCIES, "consumers"), "name", "purpose", "owner"),
    )
    yield "What goes on without it", s.text(SCOPE, "oversight", "fallback")
    yield "What is kept, and for how long", _kept(s)


def _threat_model(s: Sources) -> Iterator[Part]:
    yield "Threats", _threats(s)
    yield "Foreseeable misuse", s.texts(SCOPE, "foreseeable_misuse")


def _threats(s: Sources) -> str:
    told = ("threat", "through", "answer")
    return s.table(SCOPE, ["threats"], (*told, "tests"), told)


def _validation(s: Sources) -> Iterator[Part]:
    yield "What was looked at", s.text(WORDS, "validation", "scope")
    yield "The model", _model(s)
    yield "Results against the thresholds", _results(s)
    yield "Data", _data(s)
    rows = s.rows(WORDS, "validation", "findings")
    names = ("finding", "severity", "owner", "due", "closed")
    yield "Findings", _columns(rows, *names, none="No finding is recorded.")
    yield (
        "Conclusion",
        "The approval of the role `independent validation` in `governance/approvals.yaml`, with "
        f"its conditions. Next: {s.text(WORDS, 'validation', 'next')}",
    )


def _change(s: Sources) -> Iterator[Part]:
    declared, why = (s.text(WORDS, "change", name) for name in ("declared", "why"))
    least, rows = _classed(s)
    if declared not in CLASSES:
        raise DossierRefused(f"{WORDS}: `change.declared` is one of {', '.join(CLASSES)}")
    if CLASSES.index(declared) < CLASSES.index(least):
        named = rows[0][0] if rows else "the first release"
        raise DossierRefused(
            f"{WORDS}: `change.declared` is {declared}, and {named} makes it {least}"
        )
    text = f"Declared: {declared}. By the files that changed: at least {least}.\n\n{why}"
    yield "Class of this release", text
    none = "Nothing was released before." if RELEASED not in s.read else "None."
    yield "Files that changed since the release before", _table(("file", "class"), rows, none)
    before = [(name, s.at(RELEASED, name)) for name in ("declared", "why")]
    yield "The release before", _pairs(before) if RELEASED in s.read else none
    yield (
        "What follows",
        "Every approval whose subject changed is void, whatever the class. A substantial change is "
        "assessed anew (`ai-factory assess`); a material one is validated anew.",
    )


def _classed(s: Sources) -> tuple[str, list[tuple[str, str]]]:
    """The least class of this release, and the files that changed, the weightiest first."""
    before = s.at(RELEASED, "files")
    if not isinstance(before, Mapping):
        return "substantial", []
    gone = {path: _class_of(s.at(WORDS), str(path)) for path in before if path not in s.files}
    names = {**gone, **{path: name for path, (name, _) in s.files.items()}}
    found = [
        (path, name)
        for path, name in sorted(names.items(), key=lambda one: (-CLASSES.index(one[1]), one[0]))
        if path not in s.files or before.get(path) != s.files[path][1]
    ]
    return found[0][1] if found else "minor", found


def _class_of(words: object, path: str) -> str:
    patterns = _patterns(words)
    for name in reversed(CLASSES):
        if any(PurePosixPath(path).match(one) for one in patterns[name]):
            return name
    return "minor"


def _patterns(words: object) -> dict[str, list[str]]:
    """The patterns of each class: those that always hold, and those that the register adds."""
    found = Sources({WORDS: words}, {}).at(WORDS, "change", "classes") or {}
    if not isinstance(found, Mapping) or found.keys() - set(CLASSES):
        raise DossierRefused(f"{WORDS}: `change.classes` has patterns for {', '.join(CLASSES)}")
    for name, listed in found.items():
        if not isinstance(listed, list) or not all(_is_pattern(one) for one in listed):
            raise DossierRefused(
                f"{WORDS}: `change.classes.{name}` is no list of paths in the project"
            )
    return {name: [*CLASSED[name], *(found.get(name) or [])] for name in CLASSES}


def _is_pattern(one: object) -> bool:
    parts = PurePosixPath(one).parts if isinstance(one, str) else ()
    return bool(parts) and parts[0] != "/" and ".." not in parts


def _told(s: Sources) -> Iterator[Part]:
    names = ("who", "channel", "language", "text")
    yield "What people are told, and where", s.table(SCOPE, ["told"], names, names)
    outcomes = s.at(NOTICES, "outcomes")
    words = "`governance/notices.yaml` holds the notices of these outcomes: "
    if isinstance(outcomes, Mapping):
        yield "Adverse decisions", words + ", ".join(sorted(map(str, outcomes)))


DOCUMENTS = (
    Document("system-card", "System card", "GOV-01", _system_card),
    Document("risk-register", "Risk register", "GOV-04", _risk_register),
    Document("impact-assessment", "Impact assessment on people", "GOV-05", _impact),
    Document("literacy-list", "Who learns what", "GOV-07", _literacy),
    Document("datasheet", "Datasheet", "DATA-01", _datasheet),
    Document("technical-file", "Technical file", "MOD-01", _technical_file, "EUAIA-11"),
    Document("validation-report", "Validation report", "MOD-06", _validation),
    Document("supplier-file", "Supplier file", "MOD-07", _suppliers),
    Document("change-record", "Change record", "MOD-09", _change),
    Document("threat-model", "Threat model", "SEC-02", _threat_model),
    Document("oversight-plan", "Oversight plan", "HUM-01", _oversight_plan),
    Document("notices", "What people are told", "TRA-01", _told),
    Document("instructions-for-use", "Instructions for use", "TRA-03", _instructions),
    Document("retention-schedule", "Retention schedule", "AUD-03", _retention),
    Document("monitoring-plan", "Monitoring plan", "MON-01", _monitoring_plan),
    Document("incident-plan", "Incident plan", "INC-01", _incidents),
    Document("decommission-plan", "Decommission plan", "RES-01", _end),
)


def texts(paths: Paths) -> dict[str, str]:
    """Every document that is due, by path, as the files have it now. Raises DossierRefused."""
    try:
        sources = Sources(_read(paths), _files(paths))
        due = [one for one in DOCUMENTS if one.due(sources)]
        found = {one.path: _text(one, sources) for one in due}
        return found | {f"{FOLDER}/README.md": _index(sources)}
    except (AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        raise DossierRefused(
            f"{FOLDER}: a register has another form than is known: {error}"
        ) from error


def write(paths: Paths) -> list[str]:
    """Write them, and drop those that it wrote and are no longer due; the paths.

    Raises DossierRefused. A file that it has not written, or that somebody changed since, stays.
    """
    found = texts(paths)
    _refuse_link(paths)
    for path, digest in _written(paths).items():
        old = paths.root / path
        if path not in found and old.is_file() and evidence.digest(old) == digest:
            old.unlink()
    for path, text in found.items():
        evidence.replace(paths.root / path, text)
    record = {
        "schema": "documents/1",
        "inputs": {path: evidence.digest(paths.root / path) for path in _inputs(paths)},
        "documents": {path: _sha(text) for path, text in found.items()},
    }
    evidence.replace(paths.root / RECORD, _json(record))
    return sorted(found)


def differences(paths: Paths) -> list[tuple[str, str]]:
    """What is wrong with the documents that lie there: path and reason. Raises DossierRefused."""
    wanted = {path: text.encode() for path, text in texts(paths).items()}
    _refuse_link(paths)
    files = [file for file in (paths.root / FOLDER).glob("*.md") if file.is_file()]
    there = {file.relative_to(paths.root).as_posix(): file.read_bytes() for file in files}
    missing = [(path, "it is due, and not there") for path in wanted.keys() - there.keys()]
    others = [(path, "it is none that is due: move it") for path in there.keys() - wanted.keys()]
    changed = [
        (path, "it is not what its sources say")
        for path in wanted.keys() & there.keys()
        if wanted[path] != there[path]
    ]
    return sorted(missing + others + changed)


def remember(paths: Paths) -> None:
    """Write down what is released, by which the next release is classed. Raises DossierRefused."""
    words = _parsed(paths.root / WORDS, WORDS)
    change = Sources({WORDS: words}, {})
    told = {name: change.at(WORDS, "change", name) for name in ("declared", "why")}
    files = {path: digest for path, (_, digest) in _files(paths).items()}
    evidence.replace(paths.root / RELEASED, _json({"schema": "released/1", **told, "files": files}))


def _refuse_link(paths: Paths) -> None:
    for folder in (paths.docs, paths.root / FOLDER):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            name = folder.relative_to(paths.root).as_posix()
            raise DossierRefused(
                f"{name}: it is no folder of its own: documents are written nowhere else"
            )


def _written(paths: Paths) -> dict[str, str]:
    """The documents that were written the last time, with their digests."""
    try:
        told = json.loads((paths.root / RECORD).read_text("utf-8"))["documents"]
        return {
            str(path): str(digest)
            for path, digest in told.items()
            if Path(path).parent == Path(FOLDER)
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _text(document: Document, sources: Sources) -> str:
    parts = []
    for title, text in document.parts(sources):
        if not text.strip():
            raise DossierRefused(f"{document.path}: nothing is said under `{title}`")
        parts.append(f"## {title}\n\n{text.strip()}")
    name = _shown(sources.at(SYSTEM, "name"))
    status = f"Control {document.control}: {sources.control(document.control)}."
    if duties := sources.asked(document.control):
        status += f" Asked for by {duties}."
    return "\n\n".join([f"# {document.title}: {name}", HEAD, status, *parts]) + "\n"


def _index(sources: Sources) -> str:
    rows = [
        (
            f"[{one.title}]({one.name}.md)" if one.due(sources) else one.title,
            one.control,
            _why(one, sources),
        )
        for one in DOCUMENTS
    ]
    table = _table(("document", "control", "due"), rows)
    return f"# Documents: {_shown(sources.at(SYSTEM, 'name'))}\n\n{HEAD}\n\n{table}\n"


def _why(document: Document, sources: Sources) -> str:
    if document.due(sources):
        return sources.control(document.control)
    return f"no: {document.duty or document.control} does not apply"


def _read(paths: Paths) -> dict[str, Any]:
    read = {path: _parsed(paths.root / path, path) for path in _inputs(paths)}
    for needed in (SYSTEM, FACTS, SCOPE, WORDS, RISKS):
        if not isinstance(read.get(needed), Mapping):
            raise DossierRefused(f"{needed}: it is missing, or no mapping of names to values")
    return read


def _inputs(paths: Paths) -> list[str]:
    found = {file for pattern in READS for file in paths.root.glob(pattern) if file.is_file()}
    return sorted(file.relative_to(paths.root).as_posix() for file in found)


def _files(paths: Paths) -> dict[str, tuple[str, str]]:
    """Each file by which a release is classed, with its class and digest."""
    words = _parsed(paths.root / WORDS, WORDS)
    every = [one for listed in _patterns(words).values() for one in listed]
    left = {file for pattern in UNCLASSED for file in paths.root.glob(pattern)}
    found = {file for pattern in every for file in paths.root.glob(pattern) if file.is_file()}
    names = {file.relative_to(paths.root).as_posix(): file for file in sorted(found - left)}
    return {name: (_class_of(words, name), evidence.digest(file)) for name, file in names.items()}


def _parsed(file: Path, name: str) -> Any:
    """A document; DossierRefused names the line that is wrong."""
    try:
        text = file.read_text("utf-8")
        return json.loads(text) if name.endswith(".json") else _yaml(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DossierRefused(f"{name}{line}: {error.problem or error.context}") from error
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as error:
        raise DossierRefused(f"{name}: {' '.join(str(error).split())}") from error


def _yaml(text: str) -> Any:
    """Read by libyaml, which is ten times as fast; the other parser says better what is wrong."""
    if yaml.__with_libyaml__:
        with suppress(yaml.YAMLError):
            return yaml.load(text, Loader=yaml.CSafeLoader)
    return yaml.safe_load(text)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def _sha(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def main() -> int:
    """Exit code 0: written; 1: refused, with the file and what it lacks."""
    try:
        written = write(Paths.here())
    except (DossierRefused, OSError) as refused:
        print(f"no documents: {refused}", file=sys.stderr)
        return 1
    print(f"wrote {len(written)} documents to {FOLDER}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
