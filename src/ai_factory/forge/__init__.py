"""Code hosts behind one small protocol: repositories, pull requests, comments, commit statuses.

Rules of this package: it is imported by nothing below `fleet`; a host's library is imported by the one file that speaks
to that host; a token is held by its adapter alone and stands in no value, message, log or address; what a host refuses
is a `ForgeError` that says of which kind the failure is.
"""

from __future__ import annotations

from ai_factory.forge.protocol import (
    CHECKS,
    LONGEST_BODY,
    LONGEST_TITLE,
    OURS,
    STATES,
    Forge,
    Found,
    Permissions,
    Proposal,
    PullRequest,
)

__all__ = [
    "CHECKS",
    "LONGEST_BODY",
    "LONGEST_TITLE",
    "OURS",
    "STATES",
    "Forge",
    "Found",
    "Permissions",
    "Proposal",
    "PullRequest",
]
