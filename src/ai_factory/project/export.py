"""What exports are made of: a factory's map and components, or a project as the gate found it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any, NamedTuple

from ai_factory import catalog, waivers
from ai_factory.catalog import Component
from ai_factory.check import Waiver
from ai_factory.errors import ProjectError, UnreachableError
from ai_factory.factory import EMBEDDED, Factory, Wanted, open_factory
from ai_factory.governance.applicability import Verdict
from ai_factory.governance.approvals import SIGN_OFF
from ai_factory.governance.checking import Result, Status, Subject, UnreadableError
from ai_factory.governance.reading import Map
from ai_factory.lock import WAIVERS
from ai_factory.project.facts import map_in
from ai_factory.project.gate import Gated, gate
from ai_factory.project.opening import Project, applied_factory, open_project
from ai_factory.workspace import in_project

RULE = "AF007"  # what a waiver of a control is one of
BILL = "bom/ml-bom.cdx.json"
SYSTEM = "governance/system.yaml"
SPECIFICATIONS = ("1.5", "1.6", "1.7")  # of CycloneDX, that have what is added


class Offer(NamedTuple):
    """What a factory offers at one version: its map, and components with what they are evidence for."""

    known: Map
    version: str
    components: tuple[Component, ...]


class State(NamedTuple):
    """How a project stands: its name, what the gate found, and the waivers that let a control pass, by control."""

    name: str
    gated: Gated
    waivers: Mapping[str, Waiver]

    @property
    def applying(self) -> list[Result]:
        """The controls that apply in any way, in the order of the map."""
        return [one for one in self.gated.results if one.judgement.verdict is not Verdict.NONE]

    def notes(self, control: str) -> list[str]:
        """What the gate tells of a control beside its verdict; what names none is told at the sign-off."""
        return [note for note in self.gated.warnings if control in (self._named(note) or (SIGN_OFF,))]

    def _named(self, note: str) -> list[str]:
        words = re.findall(r"[\w-]+", note)
        return [name for name in self.gated.applies.controls if name in words]


def offer(address: str, version: str = "") -> Offer:
    """What a factory offers. Raises as `open_factory` does, and AuthorError for a map or component with mistakes."""
    factory = open_factory(address, Wanted(version))
    return _offered(factory, factory.origin.version)


def offer_here(path: str) -> Offer:
    """What the factory of the project offers, as it was applied; outside of projects, what is embedded.

    Raises UnreachableError where the project's factory cannot be read here.
    """
    if not path and not in_project("."):
        return offer(EMBEDDED)
    project = open_project(path or ".")
    factory = applied_factory(project)
    if factory is None:
        message = f"the factory `{project.lock.factory.url}` cannot be read here"
        raise UnreachableError(message, "`ai-factory status --remote` fetches it")
    return _offered(factory, project.lock.factory.version)


def state(path: str, as_of: str, signers: str = "") -> State:
    """How the project at `path` stands on that day, by the signatures of `signers`. Raises as the gate does."""
    project = open_project(path or ".")
    gated = gate(project, as_of, signers)
    return State(_name(project, gated.subject), gated, dict(_waived(gated)))


def evidence(subject: Subject, result: Result) -> list[tuple[str, str]]:
    """The files that are evidence for a control, each with its digest ("" for one that is missing)."""
    found: dict[str, str] = {}
    for path in result.evidence:
        fitting = [name for name in sorted(subject.files) if "*" in path and fnmatch(name, path)]
        found |= {name: subject.digest(name) for name in fitting or [path]}
    return list(found.items())


def bill(subject: Subject) -> dict[str, Any]:
    """The bill of materials that the project's run wrote. Raises ProjectError where it is missing or is none."""
    if BILL not in subject.files:
        raise ProjectError(f"`{BILL}` is missing: there is no bill of materials to add to", "`make run` writes it")
    try:
        found = subject.json(BILL)
    except UnreadableError as error:
        raise ProjectError(f"`{BILL}` {error.gap.message}", error.gap.hint) from None
    if wrong := next(_bill_problems(found), ""):
        raise ProjectError(f"`{BILL}` {wrong}", "`make run` writes it anew")
    return found


def _offered(factory: Factory, version: str) -> Offer:
    """A factory that was applied is opened by its commit; its version is the one that the lock names."""
    components = tuple(catalog.component(one, factory.read, version) for one in factory.components())
    return Offer(map_in(factory.read(catalog.CONTROLS)), version, components)


def _name(project: Project, subject: Subject) -> str:
    """The name of the system as its record has it, else that of its package."""
    try:
        told = subject.yaml(SYSTEM).get("name")
    except UnreadableError:
        told = None
    return str(told or project.lock.answers.get("package") or "system")


def _waived(gated: Gated) -> Iterator[tuple[str, Waiver]]:
    """For each control that the gate let pass, the waiver that did it."""
    file = gated.subject.files.get(WAIVERS)
    sound = [row for row in waivers.parse(file.content) if not waivers.fault(row, gated.applies.as_of)] if file else []
    for result in gated.results:
        control = result.judgement.control.id
        if result.status is Status.WAIVED:
            yield control, next(row for row in sound if row.rule == RULE and row.control == control)


def _bill_problems(found: Mapping[str, Any]) -> Iterator[str]:
    """Why nothing can be added to a document."""
    if found.get("bomFormat") != "CycloneDX" or found.get("specVersion") not in SPECIFICATIONS:
        yield f"is no bill of CycloneDX {', '.join(SPECIFICATIONS)}"
    metadata = found.get("metadata")
    root = metadata.get("component") if isinstance(metadata, dict) else None
    if not isinstance(root, dict) or not isinstance(root.get("bom-ref"), str):
        yield "does not say which system it is of"
    for key in ("components", "dependencies"):
        if not isinstance(found.get(key), list) or not all(isinstance(row, dict) for row in found[key]):
            yield f"has no list of {key}"
