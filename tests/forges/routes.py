"""Which function of a face answers which path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from tests.forges.double import Answer, Host, RefusalError, Request

Step = Callable[..., Answer]


def routed(
    steps: Mapping[str, Step], refusals: Mapping[str, tuple[int, Any]], host: Host, asked: Request, unknown: Answer
) -> Answer:
    """The answer of the step whose `VERB /path/{part}` fits, which gets the parts; refusals as the host tells them."""
    if not asked.who:
        return unknown
    for name, step in steps.items():
        verb, _, path = name.partition(" ")
        found = re.fullmatch(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)), asked.path)
        if verb == asked.verb and found:
            parts = {key: unquote(value) for key, value in found.groupdict().items()}
            try:
                return step(host, asked, **parts)
            except RefusalError as refusal:
                return Answer(*refusals[str(refusal)])
    return Answer(404, {"message": "404 Not Found"})
