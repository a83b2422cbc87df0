"""What a host answered, read into values: nothing is believed that has not the right type, form and size."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ai_factory.errors import ForgeError

DONE = (200, 201, 204)  # what a success is; 202 would be a promise, which none of the requests that we make is given
LARGEST = 20_000_000  # bytes of one answer: a page of a hundred repositories with all their fields has some 600,000
LONGEST = 100_000  # characters of one text: hosts keep bodies below 65,536 (GitHub) and 1,048,576 (GitLab)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Answer(NamedTuple):
    """One answer as it came; the names of the headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def has_more(self) -> bool:
        """Whether the host says that a further page follows; its address is not believed, and not followed."""
        return 'rel="next"' in self.headers.get("link", "")


Row = Mapping[str, Any]


def nonsense(what: str) -> ForgeError:
    """The error for an answer that we do not understand."""
    return ForgeError(f"the host's answer {what}", "bug", "is it the address of that kind of host's API?")


def content(answer: Answer) -> Any:
    """The answer as plain data. Raises ForgeError where it is no JSON."""
    if len(answer.text) > LARGEST:
        raise nonsense(f"has more than {LARGEST:,} bytes")
    try:
        return json.loads(answer.text)
    except (ValueError, RecursionError):
        raise nonsense("is no JSON") from None


def row(data: Any) -> Row:
    """The data as one record."""
    if not isinstance(data, dict):
        raise nonsense("is no record")
    return data


def rows(data: Any) -> list[Row]:
    """The data as a list of records."""
    if not isinstance(data, list):
        raise nonsense("is no list")
    return [row(item) for item in data]


def inner(data: Row, key: str) -> Row:
    """A record within a record; an empty one where it is not given, as for a deleted user."""
    found = data.get(key)
    return {} if found is None else row(found)


def text(data: Row, key: str) -> str:
    """A text, cut at the longest that we keep; empty where it is not given."""
    found = data.get(key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise nonsense(f"has no text as `{key}`")
    return found[:LONGEST]


def texts(data: Row, key: str) -> tuple[str, ...]:
    """A few short texts."""
    found = data.get(key) or []
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise nonsense(f"has no list of texts as `{key}`")
    return tuple(item[:200] for item in found[:100])


def number(data: Row, key: str) -> int:
    """A count or an id: zero or more."""
    found = data.get(key)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 2**63:
        raise nonsense(f"has no number as `{key}`")
    return found


def flag(data: Row, key: str) -> bool:
    """Yes or no; no where it is not given."""
    found = data.get(key)
    if found is not None and not isinstance(found, bool):
        raise nonsense(f"has neither yes nor no as `{key}`")
    return bool(found)


def one_of(data: Row, key: str, known: Mapping[str, str]) -> str:
    """What a word of the host means, of those that are known."""
    found = data.get(key)
    if not isinstance(found, str) or found not in known:
        raise nonsense(f"has an unknown word as `{key}`")
    return known[found]


def commit(data: Row, key: str) -> str:
    """The id of a commit; empty where it is not given, as for a branch that is gone."""
    found = text(data, key)
    if found and not _COMMIT.fullmatch(found):
        raise nonsense(f"has no commit as `{key}`")
    return found


def moment(data: Row, key: str) -> float:
    """A time as seconds since 1970; 0 where it is not given."""
    found = text(data, key)
    if not found:
        return 0
    try:
        read = datetime.fromisoformat(found)
        return max((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp(), 0)
    except (ValueError, OverflowError):
        raise nonsense(f"has no time as `{key}`") from None


def address(data: Row, key: str) -> str:
    """A web address without a password, which a person may follow and git may clone from."""
    found = text(data, key)
    if not is_address(found):
        raise nonsense(f"has no web address as `{key}`")
    return found


def is_address(url: str) -> bool:
    """Whether it is an http or https address, with a host, without a password, and with nothing that ends a line."""
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and "@" not in parts.netloc and (parts.port or 1) > 0
    except ValueError:
        return False
    clean = url.isascii() and url.isprintable() and not re.search(r"[\s\"'<>\\]", url)
    return parts.scheme in ("http", "https") and named and clean and len(url) <= 2000
