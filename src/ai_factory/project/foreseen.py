"""What a sync would mean for the approvals of a project: void, or waiting for a confirmation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ai_factory import cache
from ai_factory.catalog import Component
from ai_factory.errors import FactoryError
from ai_factory.governance import approvals, impact
from ai_factory.governance.approvals import REGISTER, Approval, Register
from ai_factory.governance.impact import Effect
from ai_factory.project.opening import Project


class Foreseen(NamedTuple):
    """An approval that will not be as it was: its role, what the updates ask for, and why."""

    role: str
    impact: str
    why: str


def foreseen(project: Project, components: Sequence[Component]) -> tuple[Foreseen, ...]:
    """What these components, in place of those of the lock, ask of the approvals that tell of which versions they are.

    A register that cannot be read is for the gate to tell.
    """
    now = {component.name: component.version for component in components}
    declared = {component.name: component.changes for component in components}
    effects = impact.effects(project.lock.components, now, declared)
    found = _register(project).approvals if effects else ()
    given = [one for one in found if one.decision == approvals.APPROVED and one.components is not None]
    rows = [(one.role, _asked(one, effects, now)) for one in given]
    return tuple(_foreseen(role, asked) for role, asked in rows if asked)


def _asked(one: Approval, effects: Sequence[Effect], now: impact.Versions) -> list[Effect]:
    """Without components that come to where they were when it was given."""
    before = one.components or {}
    return [effect for effect in effects if before.get(effect.component) != now[effect.component]]


def _foreseen(role: str, asked: Sequence[Effect]) -> Foreseen:
    """The updates of the heaviest impact decide, and are the reason."""
    heaviest = impact.REAPPROVE if any(one.impact == impact.REAPPROVE for one in asked) else impact.REVIEW
    return Foreseen(role, heaviest, "; ".join(one.words for one in asked if one.impact == heaviest))


def _register(project: Project) -> Register:
    file = project.folder.read(REGISTER)
    try:
        document = cache.document(file.content, REGISTER) if file else {}
    except FactoryError:
        document = {}
    return approvals.register(document if isinstance(document, dict) else {})
