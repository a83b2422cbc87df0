"""What all OSCAL documents share: ids that follow from content, dates that follow from data, text that stays text.

OSCAL 1.2.1, JSON: https://pages.nist.gov/OSCAL-Reference/models/v1.2.1/. Titles and prose are Markdown there.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ai_factory.report.assessments import UNREVIEWED
from ai_factory.report.plain import plain

VERSION = "1.2.1"
OURS = "urn:ai-factory:oscal"  # the namespace of properties that OSCAL does not name
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, OURS)
CATALOG = "oscal-catalog.json"  # where other documents look for the catalogue: beside them
ACTIVE = re.compile(r"[\\`*\[\]<{&]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")  # begins markup, or a parameter of OSCAL
JSON_TYPE = "application/json"

Node = dict[str, Any]


def identifier(*words: str) -> str:
    """The UUID of what these words name: the same for ever."""
    return str(uuid.uuid5(NAMESPACE, json.dumps(words)))


def objective(control: str) -> str:
    """The id of what is looked at for a control."""
    return f"{control}_obj"


def prose(text: str) -> str:
    """Text that Markdown takes as it stands: one line, no markup, no HTML, no parameter."""
    return ACTIVE.sub(r"\\\g<0>", word(text))


def word(text: str) -> str:
    """Text as the value of a property, never empty."""
    return plain(text).strip() or "none"


def address(path: str) -> str:
    """A path as a reference, relative to the root of the project."""
    return "./" + quote(path, errors="surrogateescape")


def prop(name: str, value: str, **more: str) -> Node:
    """A property in our namespace."""
    return {"name": name, "ns": OURS, "value": word(value), **more}


def props(name: str, values: Sequence[str]) -> list[Node]:
    """A property of several values."""
    return [prop(name, value) for value in values]


def link(resource: Node) -> Node:
    """A reference to a resource of the same document."""
    return {"href": f"#{resource['uuid']}", "rel": "reference"}


def moment(date: str) -> str:
    """The first moment of a day."""
    return f"{date}T00:00:00Z"


def last_moment(date: str) -> str:
    """The last moment of a day."""
    return f"{date}T23:59:59Z"


def filled(node: Node) -> Node:
    """The node without what is empty, for which OSCAL has no place."""
    return {name: value for name, value in node.items() if value not in ([], "", None)}


def metadata(title: str, date: str, version: str, says: str, **more: Any) -> Node:
    """The head of a document; `says` is what it is and is not, in a sentence or two."""
    head = {
        "title": prose(title),
        "last-modified": moment(date),
        "version": word(version),
        "oscal-version": VERSION,
        **more,
        "remarks": f"{says} About law and standards: {UNREVIEWED}. It is evidence for a judgement, and none itself.",
    }
    return filled(head)


def written(kind: str, body: Mapping[str, Any]) -> bytes:
    """A document of that kind; its UUID changes with its content, and with nothing else."""
    content = filled(dict(body))
    return as_bytes({kind: {"uuid": identifier(kind, json.dumps(content, sort_keys=True)), **content}})


def as_bytes(data: Any) -> bytes:
    """JSON in ASCII: what strangers named moves no cursor, whoever prints it."""
    return (json.dumps(data, indent=2) + "\n").encode()
