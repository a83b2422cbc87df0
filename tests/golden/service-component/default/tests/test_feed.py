"""The made-up feed is always the same, and holds what is planted in it."""

from __future__ import annotations

import json

from claims_router import feed
from claims_router.controls.intake import LineRefused, parse


def test_the_same_seed_gives_the_same_feed() -> None:
    """And another seed gives another."""
    assert list(feed.lines()) == list(feed.lines())
    assert list(feed.lines()) != list(feed.lines(seed=1))


def test_repeats_and_broken_lines_are_planted() -> None:
    """Twenty-five and three."""
    broken, ids = 0, []
    for line in feed.lines():
        try:
            ids.append(parse(line).id)
        except LineRefused:
            broken += 1
    assert (broken, len(ids) - len(set(ids))) == (len(feed.BROKEN), 25)


def test_overrides_follow_a_decision_and_turn_it() -> None:
    """Each is about a case that was decided otherwise."""
    found = {}
    for line in feed.lines():
        if line not in feed.BROKEN:
            report = json.loads(line)
            found[report["id"]] = report
    overrides = [report for report in found.values() if report["kind"] == "override"]
    assert overrides
    for report in overrides:
        decision = found[report["id"].replace("O-", "D-")]
        assert decision["subject"] == report["subject"]
        assert decision["outcome"] != report["outcome"]
