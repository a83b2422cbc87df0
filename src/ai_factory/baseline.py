"""What is known to differ: findings that a repository began with, written down so that only new ones fail."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from ai_factory import catalog, formats
from ai_factory.check import Finding
from ai_factory.errors import ProjectError, UsageError

RULES = ("AF002", "AF003", "AF004", "AF011")  # what a file can be born with; the rest is no matter of a baseline

LIMIT = 8 * 1024 * 1024  # bytes: some thirty thousand findings


class Known(NamedTuple):
    """One finding of a baseline: its fingerprint, the folder of its project, and for people rule and path."""

    fingerprint: str
    project: str
    rule: str
    path: str


def parse(content: bytes, where: str) -> list[Known]:
    """Read a baseline. Raises UsageError with file and line."""
    if len(content) > LIMIT:
        raise UsageError(f"`{where}` is larger than {LIMIT} bytes")
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"`{where}` line {getattr(error, 'lineno', 1)} is not JSON") from None
    catalog.validate(data, formats.BASELINE, content, where, UsageError)
    return [Known(**row) for row in data["findings"]]


def write(rows: Sequence[Known]) -> str:
    """The baseline, sorted, one finding a line. Raises ProjectError for more than can be read again."""
    lines = ",\n".join(f"    {json.dumps(row._asdict(), sort_keys=True)}" for row in sorted(rows, key=_order))
    body = f"[\n{lines}\n  ]" if lines else "[]"
    text = f'{{\n  "schema": "{formats.BASELINE_SCHEMA}",\n  "findings": {body}\n}}'
    if len(text) >= LIMIT:
        raise ProjectError(
            f"{len(rows)} findings are more than a baseline of {LIMIT} bytes holds",
            "mend some first, or write one for each project",
        )
    return text


def is_ours(text: str) -> bool:
    """Whether a text is an earlier baseline."""
    return re.match(rf'\{{\s*"schema": "{formats.BASELINE_SCHEMA}",\s*"findings": \[', text) is not None


def _order(row: Known) -> tuple[str, str, str]:
    return row.path, row.rule, row.fingerprint


def lowered(finding: Finding) -> Finding:
    """The finding as one that is known: a note that does not fail. What a baseline cannot hold stays as it is."""
    if finding.rule not in RULES or finding.level == "undetermined":
        return finding
    return finding._replace(message=f"{finding.message}, as the baseline knows", weight="note")
