"""Of which kind an answer is that is no success, how long to wait, and what of the host's words is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_factory.forge.answers import Answer
from ai_factory.forge.failures import refusal

NOW = 1_800_000_000.0


def told(status: int, data: Any = None, **headers: str) -> tuple[str, float]:
    """Kind and wait."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    error = refusal(Answer(status, names, json.dumps(data)), "do it", "git.example.org", NOW)
    return error.failure, error.after


SAID = {"message": "You have exceeded a secondary rate limit"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (told(403, SAID), ("transient", 60)),
        (told(403, {"message": "You have triggered an abuse detection mechanism"}), ("transient", 60)),
        (told(403, {}, retry_after="30"), ("transient", 30)),
        (told(403, {}, x_ratelimit_remaining="0", x_ratelimit_reset="1800000900"), ("transient", 900)),
        (told(403, {}, x_ratelimit_remaining="17", x_ratelimit_reset="1800000900"), ("permission", 0)),
        (told(429, {}, ratelimit_reset="1800000040"), ("transient", 40)),
        (told(429, {}, x_ratelimit_reset="1700000000"), ("transient", 60)),
        (told(429, {}, retry_after="999999999999"), ("transient", 86_400)),
        (told(429, {}, retry_after="-5"), ("transient", 60)),
        (told(429, {}, retry_after="Fri, 15 Jan 2027 08:01:00 GMT"), ("transient", 60)),
        (told(429, {}, retry_after="Fri, 15 Jan 2027 08:03:20 GMT"), ("transient", 200)),
        (told(429, {}, retry_after="soon"), ("transient", 60)),
        (told(503, {}, retry_after="5"), ("transient", 5)),
        (told(500), ("transient", 0)),
        (told(408), ("transient", 0)),
        (told(401), ("permission", 0)),
        (told(404), ("permission", 0)),
        (told(403, {"message": "Repository was archived so is read-only."}), ("policy", 0)),
        (told(423, {"message": "repo is archived"}), ("policy", 0)),
        (told(405, {"message": "Pull Request is not mergeable"}), ("policy", 0)),
        (told(405, {"message": "Base branch was modified. Review and try the merge again."}), ("conflict", 0)),
        (
            told(422, {"message": "Validation Failed", "errors": [{"message": "No commits between a and b"}]}),
            ("conflict", 0),
        ),
        (told(422, {"message": "At least 1 approving review is required"}), ("policy", 0)),
        (told(409), ("conflict", 0)),
        (told(301), ("conflict", 0)),
        (told(400, {"message": {"base": ["Source branch does not exist"]}}), ("bug", 0)),
        (told(418), ("bug", 0)),
        (told(202), ("bug", 0)),
    ],
)
def test_kind_and_wait(found: tuple[str, float], expected: tuple[str, float]) -> None:
    """A wait is a span, a date, or the end of an hour that is spent; it is never below zero nor above a day."""
    assert found == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"message": "No"}', " (422: No)"),
        ('{"message": ["a", {"base": ["b"]}], "errors": [{"message": "c"}]}', " (422: a b c)"),
        ('{"error": "invalid_token", "error_description": "It ended"}', " (422: invalid_token It ended)"),
        ('{"message": "one\\ntwo\\u001b[31m"}', " (422: one two [31m)"),
        ("<html>Bad Gateway</html>", " (422)"),
        ("[" * 100_000, " (422)"),
        ('{"message": 7}', " (422)"),
        (json.dumps({"message": "x" * 9000}), f" (422: {'x' * 300})"),
    ],
)
def test_what_the_host_said_is_one_short_line(body: str, expected: str) -> None:
    error = refusal(Answer(422, {}, body), "do it", "git.example.org", NOW)
    why = "a rule of the host or the repository forbids it"
    assert error.message == f"`git.example.org`: cannot do it: {why}{expected}"
    assert error.hint == "ask whoever owns that rule, or hold the project"
