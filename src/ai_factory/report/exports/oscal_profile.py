"""The controls that a project has to meet now, as an OSCAL profile of the catalogue."""

from __future__ import annotations

import hashlib

from ai_factory.errors import ProjectError
from ai_factory.governance.applicability import Verdict
from ai_factory.governance.regulation import Regulation
from ai_factory.project.export import State
from ai_factory.report.exports import oscal, oscal_catalog
from ai_factory.report.exports.oscal import Node

SAYS = (
    f"The controls that are required of this system on that day. The catalogue is `{oscal.CATALOG}` beside it, as "
    "`ai-factory export oscal-catalog` writes it for the same project."
)


def document(found: State) -> bytes:
    """The profile. Raises ProjectError where nothing is required: a profile selects something."""
    applies = found.gated.applies
    wanted = [name for name, one in applies.controls.items() if one.verdict is Verdict.REQUIRED]
    if not wanted:
        raise ProjectError(
            "no control is required of this system now, and a profile selects at least one",
            "`ai-factory export csv` lists what is recommended",
        )
    told = [oscal.prop("tier", applies.tier), oscal.prop("as-of", applies.as_of)]
    source = catalog(found.gated.subject.known.regulation)
    more = {"props": told, "links": [oscal.link(source)]}
    body = {
        "metadata": oscal.metadata(f"Required of {found.name}", applies.as_of, applies.as_of, SAYS, **more),
        "imports": [{"href": oscal.CATALOG, "include-controls": [{"with-ids": wanted}]}],
        "merge": {"as-is": True},
        "back-matter": {"resources": [source]},
    }
    return oscal.written("profile", body)


def catalog(regulation: Regulation) -> Node:
    """The catalogue as a resource, with the digest of its bytes."""
    digest = hashlib.sha256(oscal_catalog.document(regulation)).hexdigest()
    link = {
        "href": oscal.CATALOG,
        "media-type": oscal.JSON_TYPE,
        "hashes": [{"algorithm": "SHA-256", "value": digest}],
    }
    return {"uuid": oscal.identifier("catalog", regulation.as_of), "title": "The catalogue", "rlinks": [link]}
