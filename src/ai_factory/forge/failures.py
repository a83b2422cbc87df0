"""Of which kind an unwelcome answer is, and how long to wait before another try."""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime
from typing import Any

from ai_factory.errors import ForgeError
from ai_factory.forge.answers import Answer

LONGEST_WAIT = 86_400  # seconds: what a host may ask for; more is no answer to believe
PAUSE = 60  # seconds to wait where a limit is reached and the host does not say for how long
_LIMIT = re.compile(r"rate limit|abuse detection", re.IGNORECASE)
_ARCHIVED = re.compile(r"archived|read.only", re.IGNORECASE)
_MOVED_ON = re.compile(r"already exists|no commits between|branch was modified|has changed|out of date", re.IGNORECASE)
_WHY = {  # what one status means everywhere: the kind of failure, and why
    400: ("bug", "the host does not understand the request"),
    401: ("permission", "the host does not know the token, or it lacks a right"),
    403: ("permission", "the token lacks a right"),
    404: ("permission", "it is not there, or the token may not see it"),
    405: ("policy", "a rule of the repository forbids it"),
    406: ("conflict", "it cannot be merged as it stands"),
    409: ("conflict", "somebody else has moved on"),
    410: ("policy", "it is switched off there"),
    413: ("policy", "it is too large for the host"),
    422: ("policy", "a rule of the host or the repository forbids it"),
    423: ("policy", "it is locked"),
    451: ("policy", "the host may not show it"),
}
_HINTS = {
    "permission": "give the token the rights that `docs/how-to/connect-a-forge.md` names for that kind of host",
    "transient": "run it again later: what is done already is not done twice",
    "conflict": "plan again: the repository is no longer as it was planned for",
    "policy": "ask whoever owns that rule, or hold the project",
    "bug": "is it the address of that kind of host's API?",
}


def refusal(answer: Answer, doing: str, host: str, now: float) -> ForgeError:
    """The error for an answer that is no success; `now` is Unix time, which some hosts count the wait from."""
    said = reason(answer.text)
    if waits := _wait(answer, said, now):
        return failed(host, doing, "transient", f"a limit is reached (wait {waits:.0f} s)", said, waits)
    kind, why = _kind(answer.status, said)
    return failed(host, doing, kind, why, said, _asked_wait(answer, now) if kind == "transient" else 0, answer.status)


def failed(host: str, doing: str, kind: str, why: str, said: str = "", after: float = 0, status: int = 0) -> ForgeError:
    """The error in one sentence: who could not do what, why, and what the host said."""
    heard = f" ({status or ''}{': ' if status and said else ''}{said})" if status or said else ""
    return ForgeError(f"`{host}`: cannot {doing}: {why}{heard}", kind, _HINTS[kind], after)


def reason(body: str) -> str:
    """What the host said in an error, in one short line without a control character; empty where it said nothing."""
    try:
        data = json.loads(body[:100_000])
    except (ValueError, RecursionError):
        return ""
    words = " ".join(_words(data))
    return "".join(char if char.isprintable() else " " for char in words)[:300].strip()


def _words(data: Any) -> list[str]:
    """The sentences in an error, wherever this host keeps them."""
    if isinstance(data, str):
        return [data]
    if isinstance(data, list):
        return [word for item in data[:10] for word in _words(item)]
    if isinstance(data, dict):
        named = [data[key] for key in ("message", "error", "error_description", "errors") if key in data]
        return [word for item in (named or [*data.values()][:10]) for word in _words(item)]
    return []


def _kind(status: int, said: str) -> tuple[str, str]:
    if 300 <= status < 400:
        return "conflict", "it has moved to another address, which gets no token"
    if status >= 500 or status == 408:
        return "transient", "the host is in trouble"
    if status in (403, 423) and _ARCHIVED.search(said):
        return "policy", "the repository is archived"
    if status in (405, 422) and _MOVED_ON.search(said):
        return "conflict", "somebody else has moved on"
    return _WHY.get(status, ("bug", "nobody expected that answer"))


def _wait(answer: Answer, said: str, now: float) -> float:
    """How long a limit of the host asks us to wait; 0 where the answer is not about a limit."""
    limited = answer.status == 429 or (
        answer.status == 403 and ("retry-after" in answer.headers or _spent(answer) or _LIMIT.search(said) is not None)
    )
    return (_asked_wait(answer, now) or PAUSE) if limited else 0


def _spent(answer: Answer) -> bool:
    return answer.headers.get("x-ratelimit-remaining") == "0"


def _asked_wait(answer: Answer, now: float) -> float:
    """The seconds that the host names, as a span, a date, or the time at which its count begins anew; else 0."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked:
        return _bounded(float(asked) if asked.isascii() and asked.isdigit() else _until(asked) - now)
    ends = answer.headers.get("x-ratelimit-reset") or answer.headers.get("ratelimit-reset") or ""
    spent = answer.status == 429 or _spent(answer)
    return _bounded(float(ends) - now) if spent and ends.isascii() and ends.isdigit() else 0


def _until(date: str) -> float:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return 0


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0), LONGEST_WAIT)
