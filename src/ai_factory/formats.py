"""The shape of every file that people or other tools write for us or read from us, as JSON Schema literals.

One truth, three uses: `problems` checks data at the edge, `docs/reference/schemas/` is generated from it,
and editors complete with it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Schema = Mapping[str, Any]

END = r"$(?!\n)"  # of a text: Python's `$` alone would let a line break follow, that of JSON Schema does not

TEXT: Schema = {"type": "string"}
WORDS: Schema = {"type": "string", "minLength": 1}
TEXTS: Schema = {"type": "array", "items": WORDS}
NAME: Schema = {"type": "string", "pattern": r"^[a-z][a-z0-9-]*" + END}
NAMES: Schema = {"type": "array", "items": NAME}
VERSION: Schema = {"type": "string", "pattern": r"^v?[0-9][a-z0-9]{0,17}([._-][a-z0-9]{1,18}){0,9}" + END}
CONTROL: Schema = {"type": "string", "pattern": r"^[A-Z]+-[0-9]+[a-z]?" + END}
ANSWERS: Schema = {"type": "object", "propertyNames": {"pattern": r"^[a-zA-Z][a-zA-Z0-9_]*" + END}}


def _object(properties: Mapping[str, Schema], required: tuple[str, ...] = (), **more: Any) -> Schema:
    body = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**body, "required": list(required)} if required else body


def _map(values: Schema, **more: Any) -> Schema:
    return {"type": "object", "additionalProperties": values, **more}


def _when(schema: Schema) -> Schema:
    """A contributed item may stand under a condition: `{value: …, when: EXPRESSION}`."""
    return {"anyOf": [schema, _object({"value": schema, "when": WORDS}, ("value", "when"))]}


_CONTRIBUTES = _object(
    {
        "dependencies": {"type": "array", "items": _when(WORDS)},
        "dev_dependencies": {"type": "array", "items": _when(WORDS)},
        "environment": _map(
            _object(
                {
                    "default": {"type": ["string", "number", "boolean"]},
                    "help": WORDS,
                    "secret": {"type": "boolean"},
                    "when": WORDS,
                },
                ("help",),
            )
        ),
        "services": _map({"type": "object"}),
        "hooks": {"type": "array", "items": {"type": "object", "required": ["id"]}},
        "make": _map(
            _object(
                {"help": WORDS, "needs": TEXTS, "recipe": {"anyOf": [WORDS, TEXTS]}, "when": WORDS},
                ("help",),
            )
        ),
        "docs": {
            "type": "array",
            "items": _object({"title": WORDS, "path": WORDS, "when": WORDS}, ("title", "path")),
        },
        "ignore": {"type": "array", "items": _when(WORDS)},
        "links": {
            "type": "array",
            "items": _object({"title": WORDS, "url": WORDS, "when": WORDS}, ("title", "url")),
        },
    }
)

IMPACTS = ("none", "review", "reapprove")  # what a change means for a project's approval
_TABLE: Schema = {"type": "object"}  # old value → new value
_OTHER_ANSWERS = {"split": _map(_map(ANSWERS)), "remove": TEXTS}  # answer → old value → new answers

_KEY = r'(?:[^."\s]+|"[^"]+")'
PLACE: Schema = {"type": "string", "pattern": rf"^{_KEY}(?:\.{_KEY})*$"}  # of an entry: its keys, a dot between them

_CHANGE = _object(
    {
        "since": VERSION,
        "rename": _map(WORDS),
        "remove": TEXTS,
        "move_keys": _map(_map(PLACE, propertyNames=PLACE)),
        "answer": {
            "anyOf": [
                # with `rename`, `map` is for the renamed answers; without, it names each answer first
                _object({"rename": _map(WORDS), "map": _TABLE, **_OTHER_ANSWERS}, ("rename",)),
                _object({"map": _map(_TABLE), **_OTHER_ANSWERS}),
            ]
        },
        "manual": WORDS,
        "impact": {"enum": list(IMPACTS)},
        "weakens": {"type": "array", "items": CONTROL},
    },
    ("since",),
)

COMPONENT = _object(
    {
        "summary": WORDS,
        "requires": NAMES,
        "ownership": _map({"enum": ["managed", "merged", "seeded"]}),
        "contributes": _CONTRIBUTES,
        "evidences": _map(TEXTS, propertyNames=CONTROL),
        "produces": TEXTS,
        "changes": {"type": "array", "items": _CHANGE},
    },
    ("summary",),
    title="component.yaml: what a component owns, adds to other files, and is evidence for",
)

BLUEPRINT = _object(
    {
        "summary": WORDS,
        "components": {**NAMES, "minItems": 1},
        "optional": NAMES,
        "answers": ANSWERS,
        "facts": {"type": "object"},
        "test": WORDS,
        "retired": _map(WORDS, propertyNames=NAME),
        "replaces": NAMES,
    },
    ("summary", "components"),
    title="blueprints/<name>.yaml: a use case, as an ordered list of components",
)

_WITHOUT = _object(
    {
        "files": TEXTS,
        "questions": TEXTS,
        "contributes": _object(dict.fromkeys(_CONTRIBUTES["properties"], TEXTS)),
        "evidences": {"type": "array", "items": CONTROL},
    }
)
EXTENSION = _object(
    {**COMPONENT["properties"], "without": _WITHOUT},
    title="component.yaml of an extension: what a factory changes of a component that it stands on",
)
BLUEPRINT_EXTENSION = _object(
    {**BLUEPRINT["properties"], "components": NAMES, "without": NAMES},
    title="blueprints/<name>.yaml of an extension: what a factory changes of a blueprint that it stands on",
)
_CHANGED = {"enum": ["extend", "replace", "remove"]}
FACTORY = _object(
    {
        "summary": WORDS,
        "upstream": _object(
            {"factory": WORDS, "version": WORDS, "tree": {"type": "string", "pattern": "^[0-9a-f]{40}" + END}},
            ("factory", "version", "tree"),
        ),
        "components": _map(_CHANGED),
        "blueprints": _map(_CHANGED),
        "controls": _map({"enum": ["replace", "remove"]}),
    },
    title="factory.yaml: the factory that a factory stands on, and what it changes of it",
)

QUESTION = _object(
    {
        "type": {"enum": ["str", "int", "float", "bool", "yaml", "json"]},
        "help": TEXT,
        "default": {},
        "choices": {"type": ["array", "object"]},
        "multiselect": {"type": "boolean"},
        "validator": TEXT,
        "when": {"type": ["boolean", "string"]},
        "placeholder": TEXT,
        "multiline": {"type": "boolean"},
    }
)

COPIER_SETTINGS: Schema = {
    "_subdirectory": {"const": "files"},
    "_templates_suffix": {"const": ".jinja"},
    "_min_copier_version": TEXT,
}

QUESTIONS: Schema = {
    "type": "object",
    "title": "copier.yml: the questions of a component, in the subset of Copier's format that has no code",
    "properties": COPIER_SETTINGS,
    "patternProperties": {"^[a-zA-Z]": {"anyOf": [QUESTION, {"type": ["string", "number", "boolean", "null"]}]}},
    "additionalProperties": False,
}

PROJECT = _object(
    {
        "factory": WORDS,
        "version": {"type": "string"},
        "hold": _object({"until": {"type": "string", "format": "date"}, "reason": WORDS}, ("until", "reason")),
        "blueprint": NAME,
        "with": NAMES,
        "without": NAMES,
        "answers": ANSWERS,
    },
    ("factory", "blueprint"),
    title=".ai-factory/project.yaml: what a project wants; people edit it",
)

_ENTRY = _object(
    {
        "component": WORDS,
        "ownership": {"enum": ["managed", "merged", "seeded", "produced"]},
        "mode": {"enum": ["100644", "100755", "120000"]},
        "base": {"type": "string", "pattern": "^([0-9a-f]{40})?" + END},
        "base_version": TEXT,
        "controls": TEXTS,
        "state": {"enum": ["open", "declined", "local"]},
        "theirs": {"type": "string", "pattern": "^([0-9a-f]{40})?" + END},
        "theirs_version": TEXT,
    },
    ("component", "ownership", "mode", "controls"),
)

LOCK = _object(
    {
        "schema": {"const": 1},
        "factory": _object(
            {
                "kind": {"enum": ["embedded", "folder", "git"]},
                "url": TEXT,
                "version": TEXT,
                "commit": {"type": "string", "pattern": "^([0-9a-f]{40}|[0-9a-f]{64})?" + END},
                "tree": {"type": "string", "pattern": "^([0-9a-f]{40})?" + END},
            },
            ("kind", "url", "version", "commit", "tree"),
        ),
        "engine": WORDS,
        "answers": ANSWERS,
        "components": _map(WORDS),
        "base_file": {"type": "string", "pattern": "^[0-9a-f]{64}" + END},
        "project_file": {"type": "string", "pattern": "^[0-9a-f]{64}" + END},
        "folders": TEXTS,
        "paths": _map(_ENTRY),
    },
    ("schema", "factory", "engine", "answers", "components", "base_file", "paths"),
    title=".ai-factory/lock.json: what was applied to a project; the tool writes it",
)

WAIVERS: Schema = {
    "type": "array",
    "title": ".ai-factory/waivers.yaml: deviations that somebody answers for, until a date",
    "items": _object(
        {
            "rule": {"type": "string", "pattern": "^AF[0-9]{3}" + END},
            "path": WORDS,
            "control": CONTROL,
            "reason": WORDS,
            "owner": WORDS,
            "approver": WORDS,
            "until": {"type": "string", "format": "date"},
        },
        ("rule", "reason", "owner", "approver", "until"),
    ),
}

DATE: Schema = {"type": "string", "format": "date"}
ID: Schema = {"type": "string", "pattern": r"^[A-Z][A-Z0-9]*([.-][A-Za-z0-9]+)*" + END}
FACT: Schema = {"type": "string", "pattern": r"^[a-z][a-z0-9_]*" + END}
CONDITION: Schema = {"type": ["string", "object"]}  # a name, or a tree of one key; the map's own reader looks into it
_TIER: Schema = {"enum": ["low", "medium", "high", "critical"]}
_VERIFIED: Schema = {"enum": ["corroborated", "secondary", "recall"]}


def _page(name: str, rows: Schema, title: str, **more: Schema) -> Schema:
    """A document of the map: its version, the day it was written, and its rows."""
    head = {"schema": {"const": 1}, "as_of": DATE}
    return _object({**head, name: rows, **more}, ("schema", "as_of", name, *more), title=title)


FACTS = _page(
    "facts",
    _map(
        _object(
            {
                "type": {"enum": ["set", "enum", "ordered", "bool", "int"]},
                "help": WORDS,
                "values": TEXTS,
                "unused": WORDS,
            },
            ("type", "help"),
        ),
        propertyNames=FACT,
    ),
    "controls/facts.yaml: the typed answers about a system",
    contradictions={"type": "array", "items": _object({"when": CONDITION, "says": WORDS}, ("when", "says"))},
)

ASSESSMENT = _page(
    "questions",
    {
        "type": "array",
        "items": _object(
            {
                "sets": {"type": "array", "minItems": 1, "items": FACT},
                "ask": WORDS,
                "why": WORDS,
                "when": CONDITION,
                "words": _map(WORDS),
                "choices": {"type": "array", "items": {"type": "object", "required": ["say"]}},
            },
            ("sets", "ask", "why"),
        ),
    },
    "controls/assessment.yaml: what a person is asked about a system, and the screen before all",
    screen={
        "type": "array",
        "items": _object(
            {"use": WORDS, "cite": WORDS, "since": DATE, "verified": _VERIFIED}, ("use", "cite", "since", "verified")
        ),
    },
)

SYSTEM_FACTS = _object(
    {
        "schema": {"const": 1},
        "facts": {"type": "object", "propertyNames": FACT},
        "screen": _object(
            {
                "answered_by": {"type": ["string", "null"]},
                "reviewed_by": {"type": ["string", "null"]},
                "answers": _map({"type": ["boolean", "null"]}),
            },
        ),
    },
    ("schema", "facts"),
    title="governance/facts.yaml: what is true of one system, and what it was screened for",
)

CONDITIONS = _page(
    "conditions", _map(CONDITION, propertyNames=FACT), "controls/conditions.yaml: named tests over the facts"
)

INSTRUMENTS = _page(
    "instruments",
    _map(
        _object(
            {
                "title": WORDS,
                "binding": {"type": "boolean"},
                "status": WORDS,
                "supersedes": TEXTS,
                "verified": _VERIFIED,
                "note": WORDS,
            },
            ("title", "binding", "status", "verified"),
        ),
        propertyNames=ID,
    ),
    "controls/instruments.yaml: laws, guidelines and standards",
    verification_levels=_map(WORDS),
    date_notes=TEXTS,
)

REQUIREMENTS = _page(
    "requirements",
    _map(
        _object(
            {
                "instrument": ID,
                "cite": WORDS,
                "topic": WORDS,
                "when": CONDITION,
                "applies_from": {"anyOf": [DATE, {"type": "null"}]},
                "verified": _VERIFIED,
            },
            ("instrument", "cite", "topic", "when", "applies_from", "verified"),
        ),
        propertyNames=ID,
    ),
    "controls/requirements.yaml: one row for each duty",
)

_CONTROL: Schema = _object(
    {
        "id": CONTROL,
        "title": WORDS,
        "intent": WORDS,
        "tier_floor": _TIER,
        "lifecycle": TEXTS,
        "owner": FACT,
        "only_if": CONDITION,
        "refs": {"type": "array", "items": ID},
        "nist": TEXTS,
        "nist600": TEXTS,
        "iso": TEXTS,
        "policies": TEXTS,
        "evidence": {
            "type": "array",
            "minItems": 1,
            "items": _object({"kind": WORDS, "name": WORDS, "format": WORDS}, ("kind", "name")),
        },
        "verify": _object(
            {"by": {"enum": ["machine", "machine_and_person"]}, "rule": WORDS, "today": {"enum": ["presence"]}},
            ("by", "rule"),
        ),
    },
    ("id", "title", "intent", "tier_floor", "lifecycle", "owner", "refs", "evidence", "verify"),
)

CONTROLS = _page(
    "controls",
    {"type": "array", "items": _CONTROL},
    "controls/controls.yaml: what a governed system does about its duties",
    tiers={"type": "array", "items": _TIER},
)

TIERS = _page(
    "tiers",
    _map(_object({"from": {"type": "number"}, "roles": TEXTS}, ("from", "roles")), propertyNames=FACT),
    "controls/tiers.yaml: the points and floors from which an inherent tier is computed",
    points=_map({"type": ["number", "object"]}, propertyNames=FACT),
    floors={
        "type": "array",
        "items": _object({"tier": _TIER, "when": CONDITION, "reason": WORDS}, ("tier", "when", "reason")),
    },
)

_TIME = r"[1-9][0-9]{0,3} (?:hour|day|month|year)s?"
_SCHEDULED: Mapping[str, Schema] = {  # what every row of a schedule may say
    "requirement": ID,
    "when": CONDITION,
    "cite": WORDS,
    "jurisdiction": WORDS,
    "verified": _VERIFIED,
    "note": WORDS,
}

RETENTION = _page(
    "retention",
    _map(
        _object(
            {
                **_SCHEDULED,
                "records": {"type": "array", "minItems": 1, "items": WORDS},
                "least": {"type": "string", "pattern": f"^{_TIME}{END}"},
                "most": {"type": "string", "pattern": f"^(?:purpose|{_TIME}){END}"},
                "from": WORDS,
            },
            ("records", "from", "cite", "jurisdiction", "verified"),
        ),
        propertyNames=ID,
    ),
    "controls/retention.yaml: which records are kept for how long",
    records=_map(
        _object(
            {
                "words": WORDS,
                "rules": _object({"what": {"enum": ["events", "payloads", "files"]}, "types": TEXTS}, ("what",)),
            },
            ("words",),
        )
    ),
)

CLOCKS = _page(
    "clocks",
    _map(
        _object(
            {
                **_SCHEDULED,
                "regime": WORDS,
                "starts": WORDS,
                "deadlines": {
                    "type": "array",
                    "items": _object(
                        {
                            "what": WORDS,
                            "within": {"type": "string", "pattern": f"^(?:without delay|{_TIME}){END}"},
                            "from": WORDS,
                        },
                        ("what", "within"),
                    ),
                },
                "recipient": WORDS,
                "ask": {"const": "legal"},
                "verified": {"enum": [*_VERIFIED["enum"], "unknown"]},
            },
            ("regime", "deadlines", "jurisdiction", "verified"),
        ),
        propertyNames=ID,
    ),
    "controls/clocks.yaml: who has to be told of an incident, and by when",
)

OVERLAY = _object(
    {
        "schema": {"const": 1},
        "as_of": DATE,
        "conditions": CONDITIONS["properties"]["conditions"],
        "instruments": INSTRUMENTS["properties"]["instruments"],
        "requirements": REQUIREMENTS["properties"]["requirements"],
        "controls": {"type": "array", "items": _CONTROL},
        "retention": RETENTION["properties"]["retention"],
        "clocks": CLOCKS["properties"]["clocks"],
        "floors": _map(_TIER, propertyNames=CONTROL),
        "binding": {"type": "array", "items": ID},
        "policies": _map(TEXTS, propertyNames=CONTROL),
        "remove": {
            "type": "array",
            "items": _object(
                {"requirement": ID, "reason": WORDS, "approved_by": WORDS}, ("requirement", "reason", "approved_by")
            ),
        },
    },
    ("schema", "as_of"),
    title="controls/overlay.yaml: what a firm asks for on top of the map",
)

_REASONS: Schema = _map(WORDS, propertyNames=VERSION)
RELEASES = _object(
    {"yanked": _REASONS, "security": _REASONS},
    title="releases.yaml: the versions that a factory has taken back, or knows to be unsafe, and why",
)

BASELINE_SCHEMA = "ai-factory/baseline/1"
BASELINE = _object(
    {
        "schema": {"const": BASELINE_SCHEMA},
        "findings": {
            "type": "array",
            "items": _object(
                {
                    "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{64}" + END},
                    "project": TEXT,
                    "rule": {"type": "string", "pattern": "^AF[0-9]{3}" + END},
                    "path": WORDS,
                },
                ("fingerprint", "project", "rule", "path"),
            ),
        },
    },
    ("schema", "findings"),
    title="a baseline: what is known to differ in a repository; `check --write-baseline` writes it",
)

_CLOCK: Schema = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]" + END}
_SHARE: Schema = {"type": "number"}
_HOLD: Schema = _object({"until": DATE, "reason": WORDS}, ("until", "reason"))
MEMBERS: Schema = {
    "type": "array",
    "items": _object(
        {
            "url": WORDS,
            "path": TEXT,
            "branch": TEXT,
            "owner": TEXT,
            "ring": NAME,
            "labels": _map({"type": ["string", "number", "boolean"]}, propertyNames=NAME),
            "hold": _HOLD,
        },
        ("url",),
    ),
}
FLEET = _object(
    {
        "factories": {
            "type": "array",
            "items": _object({"url": WORDS, "signers": WORDS, "trust": {"type": "boolean"}}, ("url",)),
        },
        "forges": {
            "type": "array",
            "items": _object(
                {
                    "host": WORDS,
                    "kind": {"enum": ["github", "gitlab", "gitea"]},
                    "api": WORDS,
                    "token": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*" + END},
                    "minute": {"type": "number"},
                    "hour": {"type": "number"},
                },
                ("host", "kind"),
            ),
        },
        "rings": {
            "type": "array",
            "items": _object(
                {"name": NAME, "merged": _SHARE, "failing": _SHARE, "days": {"type": "number"}}, ("name",)
            ),
        },
        "quiet": {
            "type": "array",
            "items": _object(
                {
                    "days": {
                        "type": "array",
                        "items": {"enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]},
                        "minItems": 1,
                    },
                    "from": _CLOCK,
                    "to": _CLOCK,
                    "zone": WORDS,
                },
                ("from", "to"),
            ),
        },
        "projects": MEMBERS,
        "include": TEXTS,
    },
    title="fleet.yaml: the repositories of a fleet, and what may be brought to them",
)
FLEET_PART = _object(
    {"projects": MEMBERS},
    ("projects",),
    title="a file that fleet.yaml includes: some of its projects, such as a team's",
)

MOMENT: Schema = {  # in time, with its distance from UTC
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?(Z|[+-][0-9]{2}:[0-9]{2})" + END,
}
DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}" + END}
SEVERITIES = ("low", "medium", "high", "critical")
DEEDS = ("opened", "noted", "began", "told", "set aside", "closed", "opened again")
INCIDENT = _object(
    {
        "schema": {"const": 1},
        "title": WORDS,
        "severity": {"enum": list(SEVERITIES)},
        "what": _object(
            {"kind": {"enum": ["component", "dataset", "model"]}, "name": WORDS, "version": TEXT}, ("kind", "name")
        ),
        "found": MOMENT,
        "zone": WORDS,
        "freeze": DIGEST,
        "log": {
            "type": "array",
            "minItems": 1,
            "items": _object(
                {
                    "at": MOMENT,
                    "by": WORDS,
                    "did": {"enum": list(DEEDS)},
                    "systems": TEXTS,
                    "clock": WORDS,
                    "what": WORDS,
                    "when": MOMENT,
                    "note": TEXT,
                },
                ("at", "by", "did"),
            ),
        },
    },
    ("schema", "title", "severity", "what", "found", "freeze", "log"),
    title="incidents/ID/incident.yaml: an incident over several systems, and its log, which only grows",
)
_DEADLINE = _object({"what": WORDS, "within": TEXT, "from": TEXT}, ("what", "within", "from"))
_STARTED = _object(
    {"clock": WORDS, "law": {"type": "boolean"}, "applies_from": TEXT, "because": TEXTS},
    ("clock", "law", "applies_from", "because"),
)
_CLOCK_FIELDS = ("id", "regime", "recipient", "cite", "verified", "ask", "note")
_TEXT_FIELDS = ("key", "name", "owner", "contact", "purpose", "tier", "commit", "factory", "model", "model_digest")
FREEZE = _object(
    {
        "schema": {"const": "ai-factory/freeze/1"},
        "clocks": _map(
            _object(
                {
                    **dict.fromkeys(_CLOCK_FIELDS, TEXT),
                    "deadlines": {"type": "array", "items": _DEADLINE},
                },
                (*_CLOCK_FIELDS, "deadlines"),
            )
        ),
        "systems": {
            "type": "array",
            "items": _object(
                {
                    **dict.fromkeys(_TEXT_FIELDS, TEXT),
                    "runbook": WORDS,
                    "way": {
                        "type": "array",
                        "items": _object(dict.fromkeys(("source", "target", "where", "words"), TEXT)),
                    },
                    "clocks": {"type": "array", "items": _STARTED},
                    "clocks_unknown": TEXT,
                    "files": _map(DIGEST),
                    "approvals": {"type": "array", "items": _map(TEXT)},
                    "checkpoint_keys": TEXTS,
                    "bundle": _object({"file": WORDS, "digest": DIGEST}),
                },
                (*_TEXT_FIELDS, "runbook", "way", "clocks", "clocks_unknown", "files", "approvals", "checkpoint_keys"),
            ),
        },
        "unread": {"type": "array", "items": _object({"system": TEXT, "why": TEXT, "failure": TEXT})},
    },
    ("schema", "clocks", "systems", "unread"),
    title="incidents/ID/freeze.json: the systems that an incident reaches, as they were when it was opened",
)

FORMATS: Mapping[str, Schema] = {
    "component": COMPONENT,
    "component-extension": EXTENSION,
    "blueprint": BLUEPRINT,
    "blueprint-extension": BLUEPRINT_EXTENSION,
    "factory": FACTORY,
    "questions": QUESTIONS,
    "project": PROJECT,
    "lock": LOCK,
    "waivers": WAIVERS,
    "facts": FACTS,
    "assessment": ASSESSMENT,
    "system-facts": SYSTEM_FACTS,
    "conditions": CONDITIONS,
    "instruments": INSTRUMENTS,
    "requirements": REQUIREMENTS,
    "controls": CONTROLS,
    "tiers": TIERS,
    "retention": RETENTION,
    "clocks": CLOCKS,
    "overlay": OVERLAY,
    "releases": RELEASES,
    "baseline": BASELINE,
    "fleet": FLEET,
    "fleet-part": FLEET_PART,
    "incident": INCIDENT,
    "freeze": FREEZE,
}


class Problem(NamedTuple):
    """What is wrong with a value, and the keys that lead to it."""

    place: tuple[str | int, ...]
    message: str


def problems(data: object, schema: Schema, place: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """Everything in which `data` differs from `schema`: the part of JSON Schema that this module uses."""
    if "anyOf" in schema:
        yield from _any_of(data, schema["anyOf"], place)
        return
    if "const" in schema and (data != schema["const"] or isinstance(data, bool)):
        yield Problem(place, f"must be {schema['const']!r}")
    if "enum" in schema and data not in schema["enum"]:
        yield Problem(place, f"{data!r} is not one of {', '.join(map(str, schema['enum']))}")
    if not _has_type(data, schema.get("type")):
        yield Problem(place, f"must be {_type_words(schema['type'])}, not {_type_of(data)}")
    elif isinstance(data, str):
        yield from _text_problems(data, schema, place)
    elif isinstance(data, list):
        yield from _list_problems(data, schema, place)
    elif isinstance(data, dict):
        yield from _object_problems(data, schema, place)


def _any_of(data: object, choices: list[Schema], place: tuple[str | int, ...]) -> Iterator[Problem]:
    found = [list(problems(data, choice, place)) for choice in choices]
    if all(found):
        # the choice that got furthest into the data says best what was meant
        yield from max(found, key=lambda some: max(len(problem.place) for problem in some))


def _text_problems(data: str, schema: Schema, place: tuple[str | int, ...]) -> Iterator[Problem]:
    if len(data) < schema.get("minLength", 0):
        yield Problem(place, "must not be empty")
    if "pattern" in schema and not re.search(schema["pattern"], data):
        yield Problem(place, f"{data!r} does not match {schema['pattern'].removesuffix(END[1:])}")
    if schema.get("format") == "date" and not _is_date(data):
        yield Problem(place, f"{data!r} is not a date like 2027-03-31")


def _is_date(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _list_problems(data: list[object], schema: Schema, place: tuple[str | int, ...]) -> Iterator[Problem]:
    if len(data) < schema.get("minItems", 0):
        yield Problem(place, "must not be empty")
    for number, item in enumerate(data):
        yield from problems(item, schema.get("items", {}), (*place, number))


def _object_problems(data: Mapping[object, object], schema: Schema, place: tuple[str | int, ...]) -> Iterator[Problem]:
    for key in schema.get("required", ()):
        if key not in data:
            yield Problem(place, f"`{key}` is missing")
    for key, value in data.items():
        if not isinstance(key, str):
            yield Problem(place, f"the key {key!r} must be text: put it in quotes")
            continue
        names = schema.get("propertyNames", {})
        if any(True for _ in problems(key, {"type": "string", **names})):
            yield Problem((*place, key), f"the key {key!r} does not match {names['pattern'].removesuffix(END[1:])}")
        yield from _member_problems(key, value, schema, (*place, key))


def _member_problems(key: str, value: object, schema: Schema, place: tuple[str | int, ...]) -> Iterator[Problem]:
    known = schema.get("properties", {})
    patterns = [inner for pattern, inner in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
    other = schema.get("additionalProperties", True)
    if key in known:
        yield from problems(value, known[key], place)
    elif patterns:
        yield from problems(value, patterns[0], place)
    elif other is False:
        allowed = ", ".join(known) or "nothing"
        yield Problem(place, f"the key `{key}` is unknown; known here: {allowed}")
    elif isinstance(other, dict):
        yield from problems(value, other, place)


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_WORDS = {"string": "text", "number": "a number", "boolean": "true or false", "array": "a list"}


def _has_type(data: object, wanted: str | list[str] | None) -> bool:
    if wanted is None:
        return True
    names = [wanted] if isinstance(wanted, str) else wanted
    if isinstance(data, bool):
        return "boolean" in names
    return any(isinstance(data, _TYPES[name]) for name in names)


def _type_words(wanted: str | list[str]) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    return " or ".join(_WORDS.get(name, "a mapping" if name == "object" else "empty") for name in names)


def _type_of(data: object) -> str:
    for name, types in _TYPES.items():
        if isinstance(data, types) and (name == "boolean" or not isinstance(data, bool)):
            return _type_words(name)
    return type(data).__name__
