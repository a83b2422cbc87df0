"""The formats: our small checker and the jsonschema library say the same of every document."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from ai_factory import formats
from ai_factory.formats import Problem

WHEN = {"value": "polars", "when": "x"}
HEAD = {"schema": 1, "as_of": "2026-11-26"}
INSTRUMENT = {"title": "t", "binding": True, "status": "s", "supersedes": ["a"], "verified": "recall", "note": "n"}
REQUIREMENT = {
    "instrument": "EU",
    "cite": "c",
    "topic": "t",
    "when": "eu",
    "applies_from": "2026-01-01",
    "verified": "secondary",
}
CONTROL = {
    "id": "GOV-01",
    "title": "t",
    "intent": "i",
    "tier_floor": "low",
    "lifecycle": ["design"],
    "owner": "risk",
    "only_if": {"a": True},
    "refs": ["EU-1"],
    "nist": ["GOVERN 1.1"],
    "nist600": ["2.1"],
    "iso": ["A.2.2"],
    "policies": ["P 1"],
    "evidence": [{"kind": "record", "name": "n", "format": "f"}],
    "verify": {"by": "machine_and_person", "rule": "r", "today": "presence"},
}
ROW = {"requirement": "EU-1", "when": "eu", "cite": "c", "jurisdiction": "EU", "verified": "recall", "note": "n"}
KEPT = {**ROW, "records": ["logs"], "least": "25 months", "most": "purpose", "from": "f"}
CLOCK = {
    **ROW,
    "regime": "r",
    "starts": "s",
    "deadlines": [{"what": "w", "within": "72 hours", "from": "f"}, {"what": "w", "within": "without delay"}],
    "recipient": "r",
    "ask": "legal",
}
VALID: Mapping[str, Any] = {
    "component": {
        "summary": "s",
        "requires": ["base", "a-1"],
        "ownership": {"src/**": "managed", "ops/*": "seeded", "x": "merged"},
        "contributes": {
            "dependencies": ["polars>=1", WHEN],
            "dev_dependencies": [WHEN, "pytest"],
            "environment": {
                "A": {"help": "h", "default": 1, "secret": True, "when": "x"},
                "B": {"help": "h", "default": "d"},
            },
            "services": {"db": {"image": "x", "ports": [1]}},
            "hooks": [{"id": "h", "entry": "e", "more": [1]}],
            "make": {"run": {"help": "h", "needs": ["a"], "recipe": ["x", "y"]}, "z": {"help": "h", "recipe": "x"}},
            "docs": [{"title": "t", "path": "p"}],
            "ignore": ["x", WHEN],
            "links": [{"title": "t", "url": "u", "when": "x"}],
        },
        "evidences": {"AUD-01": ["a"], "GOV-12b": ["b", "c/*"]},
        "produces": ["evidence/x.json"],
        "changes": [
            {"since": "0.4.0", "rename": {"a": "b"}},
            {"since": "v1.0.0-rc1", "answer": {"rename": {"a": "b"}, "map": {"x": []}, "remove": ["c"]}},
            {"since": "2", "remove": ["x"], "manual": "m", "impact": "reapprove", "weakens": ["AUD-01"]},
        ],
    },
    "component-extension": {
        "requires": ["base"],
        "ownership": {"src/**": "managed"},
        "contributes": {"ignore": ["x"]},
        "evidences": {"AUD-01": ["a"]},
        "without": {
            "files": ["a.md"],
            "questions": ["q"],
            "contributes": {"dependencies": ["numpy"], "make": ["run"]},
            "evidences": ["AUD-02"],
        },
    },
    "blueprint-extension": {
        "summary": "s",
        "components": [],
        "optional": ["infra"],
        "answers": {"use_case": 1},
        "facts": {"genai": False},
        "without": ["ci-gitlab"],
    },
    "factory": {
        "summary": "s",
        "upstream": {"factory": "embedded", "version": "0.1.0", "tree": "0" * 40},
        "components": {"audit": "extend", "x": "replace", "y": "remove"},
        "blueprints": {"small": "extend"},
        "controls": {"tiers.yaml": "replace", "clocks.yaml": "remove"},
    },
    "blueprint": {
        "summary": "s",
        "components": ["base"],
        "optional": ["infra"],
        "answers": {"use_case": 1, "b": [None]},
        "facts": {"genai": False},
        "test": "make test",
        "retired": {"lineage": "nobody reads it"},
        "replaces": ["old"],
    },
    "questions": {
        "_subdirectory": "files",
        "_templates_suffix": ".jinja",
        "_min_copier_version": "9",
        "short": "text",
        "number": 1.5,
        "none": None,
        "yes": True,
        "long": {
            "type": "str",
            "help": "h",
            "default": {"a": 1},
            "choices": {"A": "a"},
            "multiselect": True,
            "when": "x",
        },
        "other": {
            "type": "int",
            "choices": [1, 2],
            "when": False,
            "validator": "",
            "placeholder": "p",
            "multiline": True,
        },
    },
    "project": {
        "factory": "embedded",
        "version": "<2",
        "hold": {"until": "2027-03-01", "reason": "audit"},
        "blueprint": "tabular-decision",
        "with": ["infra"],
        "without": ["ci-github"],
        "answers": {"package": "p"},
    },
    "lock": {
        "schema": 1,
        "factory": {"kind": "git", "url": "u", "version": "v1", "commit": "", "tree": "0" * 40},
        "engine": "0.1.0",
        "answers": {"a": [1, {"b": None}]},
        "components": {"core": "1.0.0"},
        "base_file": "e" * 64,
        "folders": ["src"],
        "paths": {
            "p": {
                "component": "c",
                "ownership": "managed",
                "mode": "100755",
                "base": "a" * 40,
                "base_version": "v1",
                "controls": ["AUD-01"],
                "state": "open",
                "theirs": "b" * 40,
            },
            "q": {"component": "c", "ownership": "produced", "mode": "100644", "controls": []},
        },
    },
    "waivers": [
        {"rule": "AF002", "path": "p", "reason": "r", "owner": "o", "approver": "a", "until": "2027-01-01"},
        {"rule": "AF007", "control": "AUD-01", "reason": "r", "owner": "o", "approver": "a", "until": "2024-02-29"},
    ],
    "fleet": {
        "factories": [{"url": "https://git.example.org/factory.git", "signers": "signers"}, {"url": "embedded"}],
        "forges": [
            {"host": "git.example.org", "kind": "gitlab", "api": "https://git.example.org/api/v4", "token": "TOKEN"},
            {"host": "github.com", "kind": "github", "minute": 40, "hour": 200},
        ],
        "rings": [{"name": "canary", "merged": 1, "failing": 0.1, "days": 2}, {"name": "rest"}],
        "quiet": [{"days": ["fri"], "from": "18:00", "to": "08:00", "zone": "Europe/Berlin"}],
        "projects": [
            {
                "url": "https://git.example.org/risk/limits.git",
                "path": "services/limits",
                "branch": "main",
                "owner": "risk",
                "ring": "canary",
                "labels": {"tier": "high", "wave": 2, "live": True},
                "hold": {"until": "2027-03-01", "reason": "audit freeze"},
            }
        ],
        "include": ["teams/risk.yaml"],
    },
    "fleet-part": {"projects": [{"url": "/srv/git/limits.git"}]},
    "incident": {
        "schema": 1,
        "title": "t",
        "severity": "high",
        "what": {"kind": "component", "name": "n", "version": "<2"},
        "found": "2026-11-26T10:00+01:00",
        "zone": "Europe/Berlin",
        "freeze": f"sha256:{'0' * 64}",
        "log": [
            {"at": "2026-11-26T09:00:00Z", "by": "b", "did": "opened"},
            {
                "at": "2026-11-26T09:00:00+00:00",
                "by": "b",
                "did": "told",
                "systems": ["/srv/a"],
                "clock": "EU-GDPR",
                "what": "notice",
                "when": "2026-11-26T10:00Z",
                "note": "",
            },
        ],
    },
    "freeze": {
        "schema": "ai-factory/freeze/1",
        "clocks": {
            "EU-GDPR": {
                **dict.fromkeys(("id", "regime", "recipient", "cite", "verified", "ask", "note"), "x"),
                "deadlines": [{"what": "notice", "within": "72 hours", "from": "awareness"}],
            }
        },
        "systems": [
            {
                **dict.fromkeys(("key", "name", "owner", "contact", "purpose", "tier", "commit", "factory"), "x"),
                "model": "r-1",
                "model_digest": "",
                "runbook": "runbooks/a.md",
                "way": [{"source": "a", "target": "b", "where": "f", "words": "w"}],
                "clocks": [{"clock": "EU-GDPR", "law": True, "applies_from": "2018-05-25", "because": ["b"]}],
                "clocks_unknown": "",
                "files": {"evidence/bom.json": f"sha256:{'0' * 64}"},
                "approvals": [{"role": "risk"}],
                "checkpoint_keys": ["k"],
                "bundle": {"file": "a.bundle", "digest": f"sha256:{'0' * 64}"},
            }
        ],
        "unread": [{"system": "s", "why": "w", "failure": "transient"}],
    },
    "facts": {
        **HEAD,
        "facts": {
            "effect": {"type": "ordered", "help": "h", "values": ["a", "b"]},
            "count": {"type": "int", "help": "h", "unused": "u"},
        },
        "contradictions": [{"when": {"effect": "a"}, "says": "s"}, {"when": "name", "says": "s"}],
    },
    "assessment": {
        **HEAD,
        "questions": [
            {"sets": ["a"], "ask": "q", "why": "w", "when": "x", "words": {"v": "w"}},
            {"sets": ["a", "b"], "ask": "q", "why": "w", "choices": [{"say": "s", "a": True}]},
        ],
        "screen": [{"use": "u", "cite": "c", "since": "2025-02-02", "verified": "recall"}],
    },
    "system-facts": {
        "schema": 1,
        "facts": {"a": None, "b": ["x"], "c": 1},
        "screen": {"answered_by": "a@x", "reviewed_by": None, "answers": {"u": False, "v": None}},
    },
    "conditions": {**HEAD, "conditions": {"a": {"b": "c"}, "d": {"ref": "a"}}},
    "instruments": {
        **HEAD,
        "instruments": {"EU-1": INSTRUMENT},
        "verification_levels": {"recall": "w"},
        "date_notes": ["n"],
    },
    "requirements": {**HEAD, "requirements": {"EU-1.a": REQUIREMENT, "EU-2": {**REQUIREMENT, "applies_from": None}}},
    "controls": {**HEAD, "tiers": ["low"], "controls": [CONTROL]},
    "tiers": {
        **HEAD,
        "tiers": {"low": {"from": 0, "roles": ["r"]}, "high": {"from": 1.5, "roles": []}},
        "points": {"a": 1, "b": {"x": 2}},
        "floors": [{"tier": "high", "when": {"a": "b"}, "reason": "r"}],
    },
    "retention": {
        **HEAD,
        "records": {"logs": {"words": "w", "rules": {"what": "events", "types": ["a"]}}, "papers": {"words": "w"}},
        "retention": {"EU-1.logs": KEPT, "EU-2": {**KEPT, "most": "3 years"}},
    },
    "clocks": {**HEAD, "clocks": {"EU-A": CLOCK, "UK": {**CLOCK, "verified": "unknown"}}},
    "releases": {"yanked": {"0.3.1": "it loses events"}, "security": {"v1.0.0rc1": "CVE-0000-0"}},
    "baseline": {
        "schema": "ai-factory/baseline/1",
        "findings": [{"fingerprint": "0" * 64, "project": "", "rule": "AF002", "path": "a"}],
    },
    "overlay": {
        **HEAD,
        "retention": {"F-3": KEPT},
        "clocks": {"F-4": CLOCK},
        "conditions": {"a": {"b": "c"}},
        "instruments": {"F-1": INSTRUMENT},
        "requirements": {"F-2": REQUIREMENT},
        "controls": [CONTROL],
        "floors": {"GOV-01": "low"},
        "binding": ["NIST"],
        "policies": {"GOV-01": ["P 1"]},
        "remove": [{"requirement": "NIST-1", "reason": "r", "approved_by": "a"}],
    },
}
OTHERS: tuple[object, ...] = (
    "",
    "x",
    "X y",
    0,
    1,
    -1.5,
    True,
    False,
    None,
    [],
    {},
    [""],
    [1],
    {"x": 1},
    {"a-1": ""},
    "AF02",
    "2026-13-45",
    "2026-1-1",
)


VALIDATORS = {
    name: Draft202012Validator(schema, format_checker=FormatChecker(["date"]))
    for name, schema in formats.FORMATS.items()
}


def agrees(name: str, data: object) -> bool:
    """Whether both checkers call the document valid, or both do not; True is valid."""
    ours = not list(formats.problems(data, formats.FORMATS[name]))
    theirs = VALIDATORS[name].is_valid(data)
    assert ours == theirs, data
    return ours


def places(data: object, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield from places(value, (*place, key))


def changed(data: object, place: tuple[Any, ...], value: object) -> object:
    if not place:
        return value
    result: Any = copy.deepcopy(data)
    node = result
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return result


def without(data: object, place: tuple[Any, ...]) -> object:
    result: Any = copy.deepcopy(data)
    node = result
    for key in place[:-1]:
        node = node[key]
    del node[place[-1]]
    return result


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_format_is_a_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(formats.FORMATS[name])


@pytest.mark.parametrize("name", formats.FORMATS)
def test_a_document_with_everything_in_it_is_valid(name: str) -> None:
    assert agrees(name, VALID[name])


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_single_mistake_is_judged_as_the_library_does(name: str) -> None:
    """Each value in turn is replaced, each key removed, and one that is unknown added to each mapping."""
    data = VALID[name]
    found = [agrees(name, changed(data, place, other)) for place in places(data) for other in OTHERS]
    found += [agrees(name, without(data, place)) for place in places(data) if place]
    found += [
        agrees(name, changed(data, (*place, "un known"), 1))
        for place in places(data)
        if isinstance(at(data, place), dict)
    ]
    assert {True, False} == set(found)


def at(data: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        data = data[key]
    return data


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["", "a", "AUD-01", "x\n", "files", ".jinja", "str"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "type", "help", "value"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.sampled_from(list(formats.FORMATS)), st.data())
@settings(max_examples=150, deadline=None)
def test_any_two_mistakes_are_judged_as_the_library_does(name: str, data: st.DataObject) -> None:
    document: Any = VALID[name]
    for _ in range(2):
        document = changed(document, data.draw(st.sampled_from(list(places(document)))), data.draw(plain))
    agrees(name, document)


@pytest.mark.parametrize("value", [True, False, 0, 1, 1.5, "1", None, [], {}])
@pytest.mark.parametrize("kind", ["string", "number", "boolean", "array", "object", "null", ["number", "null"]])
def test_a_truth_is_no_number(value: object, kind: Any) -> None:
    valid = Draft202012Validator({"type": kind}).is_valid(value)
    assert (not list(formats.problems(value, {"type": kind}))) == valid


@given(st.dates() | st.text("0123456789-", max_size=11).map(str))
def test_a_date_is_a_day_that_there_is(day: dt.date | str) -> None:
    schema = {"type": "string", "format": "date"}
    try:
        known = dt.date.fromisoformat(str(day)).isoformat() == str(day)
    except ValueError:
        known = False
    assert (not list(formats.problems(str(day), schema))) == known


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("blueprint", [], Problem((), "must be a mapping, not a list")),
        ("blueprint", {"summary": "s"}, Problem((), "`components` is missing")),
        ("blueprint", {"summary": "", "components": ["a"]}, Problem(("summary",), "must not be empty")),
        ("blueprint", {"summary": "s", "components": []}, Problem(("components",), "must not be empty")),
        ("blueprint", {"summary": 1, "components": ["a"]}, Problem(("summary",), "must be text, not a number")),
        ("blueprint", {"summary": True, "components": ["a"]}, Problem(("summary",), "must be text, not true or false")),
        (
            "blueprint",
            {"summary": "s", "components": ["A"]},
            Problem(("components", 0), "'A' does not match ^[a-z][a-z0-9-]*$"),
        ),
        (
            "blueprint",
            {"summary": "s", "components": ["a"], "answers": {"1": 2}},
            Problem(("answers", "1"), "the key '1' does not match ^[a-zA-Z][a-zA-Z0-9_]*$"),
        ),
        (
            "blueprint",
            {"summary": "s", "components": ["a"], "more": 1},
            Problem(
                ("more",),
                "the key `more` is unknown; known here: summary, components, optional, answers, facts, test, retired, "
                "replaces",
            ),
        ),
        (
            "component",
            {"summary": "s", "ownership": {"a": "mine"}},
            Problem(("ownership", "a"), "'mine' is not one of managed, merged, seeded"),
        ),
        (
            "component",
            {"summary": "s", "contributes": {"dependencies": [{"value": "x", "if": "y"}]}},
            Problem(("contributes", "dependencies", 0, "if"), "the key `if` is unknown; known here: value, when"),
        ),
        (
            "component",
            {"summary": "s", "contributes": {"makes": {}}},
            Problem(
                ("contributes", "makes"),
                "the key `makes` is unknown; known here: dependencies, dev_dependencies, environment, services, hooks, "
                "make, docs, ignore, links",
            ),
        ),
        (
            "component",
            {"summary": "s", "evidences": {2: []}},
            Problem(("evidences",), "the key 2 must be text: put it in quotes"),
        ),
        (
            "questions",
            {"_tasks": ["rm"]},
            Problem(
                ("_tasks",),
                "the key `_tasks` is unknown; known here: _subdirectory, _templates_suffix, _min_copier_version",
            ),
        ),
        ("questions", {"_subdirectory": "x"}, Problem(("_subdirectory",), "must be 'files'")),
        (
            "project",
            {"factory": "f", "blueprint": "b", "hold": {"until": "2026-13-45", "reason": "r"}},
            Problem(("hold", "until"), "'2026-13-45' is not a date like 2027-03-31"),
        ),
    ],
)
def test_a_problem_says_where_and_what(name: str, data: object, problem: Problem) -> None:
    found = list(formats.problems(data, formats.FORMATS[name]))
    assert problem in found
    assert len(found) <= 2
