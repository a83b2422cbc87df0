"""A factory's components as an OSCAL component definition: which controls each has files for, at which version."""

from __future__ import annotations

from collections.abc import Sequence

from ai_factory.catalog import Component
from ai_factory.project.export import Offer
from ai_factory.report.exports import oscal
from ai_factory.report.exports.oscal import Node

SAYS = (
    "What each component of the factory brings as evidence for which control. That a file is there does not say that "
    f"the control is met. The controls stand in `{oscal.CATALOG}` beside it."
)


def document(offered: Offer) -> bytes:
    """The component definition of a factory at one version."""
    head = oscal.metadata("Components of the factory", offered.known.regulation.as_of, offered.version, SAYS)
    known = offered.known.regulation.controls
    body = {"metadata": head, "components": [_component(one, list(known)) for one in offered.components]}
    return oscal.written("component-definition", body)


def _component(one: Component, known: Sequence[str]) -> Node:
    other = sorted(one.evidences.keys() - set(known))
    made = {
        "uuid": oscal.identifier("component", one.name),
        "type": "software",
        "title": one.name,
        "description": oscal.prose(one.summary),
        "props": [{"name": "version", "value": oscal.word(one.version)}],
        "control-implementations": _implementations(one, [name for name in known if name in one.evidences]),
        "remarks": f"It names controls that the map does not have: {oscal.prose(', '.join(other))}" if other else "",
    }
    return oscal.filled(made)


def _implementations(one: Component, controls: Sequence[str]) -> list[Node]:
    """One set, of the controls in the order of the map; none of a component that is evidence for nothing."""
    if not controls:
        return []
    return [
        {
            "uuid": oscal.identifier("implementation", one.name),
            "source": oscal.CATALOG,
            "description": "Files of the component that are evidence for controls.",
            "implemented-requirements": [_requirement(one, control) for control in controls],
        }
    ]


def _requirement(one: Component, control: str) -> Node:
    files = one.evidences[control]
    return {
        "uuid": oscal.identifier("implementation", one.name, control),
        "control-id": control,
        "description": f"Evidence for it: {oscal.prose(', '.join(files))}",
        "props": oscal.props("file", files),
    }
