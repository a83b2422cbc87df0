"""Confirmations: somebody of the role looks at updates that do not void an approval; until then the gate says so."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from ai_factory.governance import impact
from ai_factory.governance.approvals import (
    REGISTER,
    Approval,
    Confirmation,
    Register,
    Situation,
    involved,
    reasons,
    required,
    roles_of,
    updates,
    word,
)
from ai_factory.governance.checking import Gap
from ai_factory.governance.impact import Effect
from ai_factory.people import person


def unconfirmed(found: Register, one: Approval, now: Situation) -> list[Effect]:
    """The updates since an approval, or since its confirmation, at which nobody of the role has looked."""
    whole = {effect.component: effect for effect in updates(one, now)}
    if one.confirmed is None or against(found, one, one.confirmed, now):
        return list(whole.values())
    since = impact.effects(one.confirmed.components, now.components, now.changes)
    # what went back behind the confirmation has come forward from the approval, or is where that left it
    return [
        effect if effect.impact == impact.REVIEW else whole[effect.component]
        for effect in since
        if effect.component in whole
    ]


def against(found: Register, one: Approval, confirmed: Confirmation, now: Situation) -> list[str]:
    """Why a confirmation of an approval does not count."""
    told = [*involved(confirmed.by, one.author, now), *([confirmed.unsigned] if confirmed.unsigned else [])]
    told += [f"{confirmed.by} stands for the {role}" for role in sorted(_other_roles(found, one, confirmed))]
    early = (dt.date.fromisoformat(confirmed.on) - dt.date.fromisoformat(now.today)).days > 1
    return [*told, *([f"it was given on {confirmed.on}, which is to come"] if early else [])]


def _other_roles(found: Register, one: Approval, confirmed: Confirmation) -> set[str]:
    """The other roles in which the person has approved or confirmed: each role is another person."""
    who = person(confirmed.by)
    also = {other.role for other in found.approvals if other.confirmed and person(other.confirmed.by) == who}
    return (also | roles_of(found.approvals).get(who, set())) - {one.role}


def confirmations(found: Register, now: Situation) -> Iterator[Gap]:
    """The roles whose approval holds and waits for a light confirmation: nothing is void, and a person should look."""
    for role in required(found, now.roles):
        held = [one for one in found.approvals if one.role == role and not list(reasons(one, now))]
        waiting = [_waiting(found, one, now) for one in held]
        if held and all(waiting):
            message = f"approval of the {role} waits for a confirmation: {waiting[-1]}"
            yield Gap(REGISTER, message, how_to_confirm(role))


def _waiting(found: Register, one: Approval, now: Situation) -> str:
    """What an approval waits for, and why the confirmation that it has does not count; empty where it does not wait."""
    said = [effect.words for effect in unconfirmed(found, one, now)]
    odd = against(found, one, one.confirmed, now) if said and one.confirmed else []
    return "; ".join([*said, *(f"not confirmed: {reason}" for reason in odd[:1])])


def how_to_confirm(role: str) -> str:
    """The command that confirms an approval of that role."""
    return f"`ai-factory approve {word(role)} --confirm --approver …`"
