"""Documents for other tools: each format by its name, and the function that makes its bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ai_factory.project.export import Offer, State
from ai_factory.report.exports import (
    controls_csv,
    iso_42001,
    ml_bom,
    nist_ai_rmf,
    oscal_catalog,
    oscal_components,
    oscal_profile,
    oscal_results,
)

OF_FACTORY: Mapping[str, Callable[[Offer], bytes]] = {
    "oscal-catalog": lambda item: oscal_catalog.document(item.known.regulation),
    "oscal-component-definition": oscal_components.document,
}
OF_PROJECT: Mapping[str, Callable[[State], bytes]] = {
    "oscal-profile": oscal_profile.document,
    "oscal-assessment-results": oscal_results.document,
    "cyclonedx-ml-bom": ml_bom.document,
    "csv": controls_csv.document,
    "iso-42001-soa": iso_42001.document,
    "nist-ai-rmf": nist_ai_rmf.document,
}
