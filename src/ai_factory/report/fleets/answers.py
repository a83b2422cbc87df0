"""Systems that could not be asked, as every report on a fleet tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ai_factory.fleet.survey import Answer, Said, unread
from ai_factory.report.plain import plain


def unread_text(answers: Sequence[Answer[Said]]) -> list[str]:
    """A line for each system that is not in the result, and why."""
    return [f"not read: {plain(one.member.key)}: {plain(one.why)} ({one.failure})" for one in unread(answers)]


def unread_data(answers: Sequence[Answer[Said]]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [{"system": one.member.key, "why": one.why, "failure": one.failure} for one in unread(answers)]
