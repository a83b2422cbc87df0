"""Which outcomes may go out by themselves: those that are sure enough, by a measured limit.

A confidence means nothing until errors were counted at it. The limit is the lowest one at which
the share of errors among what would go out stays below a target, with a stated certainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import beta

# Nothing has a confidence of more than 1: with this limit all is referred.
NEVER = 1.01
STEPS = tuple(round(1 - step / 200, 3) for step in range(200))
LOW_CONFIDENCE, SAMPLE = "low confidence", "quality sample"


@dataclass(frozen=True, slots=True)
class Limit:
    """From which confidence on an outcome goes out, and what was counted when that was chosen.

    Of `rows` cases `released` had that confidence, `errors` of them were wrong; `bound` is the
    share of errors that is exceeded with a probability of 1 - certainty at most.
    """

    value: float
    rows: int
    released: int
    errors: int
    bound: float


@dataclass(frozen=True, slots=True)
class Route:
    """Whether an outcome may go out; if not, a person decides, for each of these reasons."""

    release: bool
    reasons: tuple[str, ...]


def error_bound(errors: int, rows: int, certainty: float) -> float:
    """The upper end of the one-sided interval of Clopper and Pearson for a share of errors."""
    if errors >= rows:
        return 1.0
    if errors == 0:
        return float(1 - (1 - certainty) ** (1 / rows))
    return float(beta.ppf(certainty, errors + 1, rows - errors))


def controlled_limit(
    confidence: Sequence[float],
    correct: Sequence[bool],
    *,
    target: float,
    certainty: float,
    lowest: float = 0.5,
) -> Limit:
    """The lowest limit, not below `lowest`, at which errors among released cases stay below target.

    Limits are tested from high to low, first the highest one that could pass at all, and the
    first that fails ends it: so the whole search errs with a probability of 1 - certainty at most
    (fixed-sequence testing; Angelopoulos et al., Learn then Test, 2021). The cases must not be
    those that the confidence was fitted on. Where none passes, the limit is NEVER.
    """
    cases = list(zip(confidence, correct, strict=True))
    chosen = Limit(NEVER, len(cases), 0, 0, 1.0)
    for step in (step for step in STEPS if step >= lowest):
        out = [right for sure, right in cases if sure >= step]
        if error_bound(0, max(len(out), 1), certainty) > target:
            continue  # too few to show anything, however good they are
        errors = len(out) - sum(out)
        bound = error_bound(errors, len(out), certainty)
        if bound > target:
            break
        chosen = Limit(step, len(cases), len(out), errors, bound)
    return chosen


def route(
    confidence: float, limit: float, findings: Sequence[str] = (), sample: bool = False
) -> Route:
    """What goes out: sure enough, without a finding, and not drawn for the quality sample.

    A confidence that is no number is not sure enough.
    """
    sure = confidence >= limit
    reasons = [*findings, *([] if sure else [LOW_CONFIDENCE])]
    if not reasons and sample:
        reasons = [SAMPLE]
    return Route(not reasons, tuple(reasons))


def sampled(digest: str, share: float) -> bool:
    """Whether a case is in the quality sample: people see this share of what would go out.

    `digest` is a keyed one (hexadecimal digits after a colon), so that nobody can choose a case
    that is not drawn.
    """
    return int(digest.rpartition(":")[2][:13], 16) < share * 16**13
