"""Makes a feed up: replace `lines` by a function that reads what your system reports.

The generator plants what real feeds bring: repeats, lines that are broken, and a last month in
which the system decides otherwise and people overrule it more often. It describes nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

ORIGIN = "synthetic"
SEED, DECISIONS, MONTHS = 5, 1800, 6
FIRST = datetime(2025, 7, 1, 8, tzinfo=UTC)
# The day on which it is read. Reports that are newer than it are aged by the clock.
READ_AT = datetime(2025, 12, 29, 8, tzinfo=UTC)
BROKEN = ('{"id": "D-1", "kind":', "[]", '{"id": "D-2"}')


def lines(seed: int = SEED) -> Iterator[str]:
    """The feed of six months, always the same for one seed."""
    rng = np.random.default_rng(seed)
    month = np.sort(rng.integers(0, MONTHS, DECISIONS))
    made: list[str] = []
    for number, index in enumerate(month.tolist()):
        made += _case(rng, number, index)
    made += [made[place] for place in rng.choice(len(made), 25, replace=False)]
    for line in BROKEN:
        made.insert(int(rng.integers(0, len(made))), line)
    yield from made


def _case(rng: np.random.Generator, number: int, month: int) -> list[str]:
    """A decision, and sometimes that a person decided otherwise."""
    turned = month == MONTHS - 1
    at = FIRST.replace(month=FIRST.month + month) + timedelta(days=int(rng.integers(0, 28)))
    score = float(np.round(rng.beta(2, 5 - 3 * turned), 4))
    outcome = "accept" if score < 0.4 else "review"
    case = {"subject": f"C{number:06d}", "version": "7.2.1", "at": at.isoformat()}
    found = [_line(id=f"D-{number}", kind="decision", outcome=outcome, score=score, **case)]
    if rng.random() < (0.12 if turned else 0.03):
        other = "review" if outcome == "accept" else "accept"
        found.append(_line(id=f"O-{number}", kind="override", outcome=other, **case))
    return found


def _line(**fields: Any) -> str:
    return json.dumps(fields, sort_keys=True)
