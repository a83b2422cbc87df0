"""Versions: one order for releases, and what counts as one. packaging is the oracle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from ai_factory import versions
from ai_factory.errors import UsageError
from tests.kit import refusal


@pytest.mark.parametrize(
    ("tags", "bound", "newest_"),
    [
        (["v1.0", "v1.10", "v1.9"], "", "v1.10"),
        (["v1.0", "v2.0.0rc1", "v2.0.0-dev"], "", "v1.0"),
        (["v1.0", "nightly", "release-3", "team/v9"], "", "v1.0"),
        (["1.0", "1.0.post1"], "", "1.0.post1"),
        (["v1.9", "v2.0"], "<2", "v1.9"),
        (["v1.9", "v2.0"], ">=1,!=2.0", "v1.9"),
        (["v2.0"], "<2", None),
        ([], "", None),
    ],
)
def test_the_newest_release_is_the_largest_number_within_the_bound(
    tags: list[str], bound: str, newest_: str | None
) -> None:
    assert versions.newest(tags, bound) == newest_


def test_what_is_no_bound_is_refused() -> None:
    error = refusal(lambda: versions.newest(["v1"], "newest"))
    assert (type(error), error.message) == (UsageError, "`newest` is no bound on versions")


@pytest.mark.parametrize(
    ("one", "other", "older"),
    [
        ("v1.9", "v1.10", True),
        ("2", "v2.0", False),
        ("v3", "v2", False),
        ("main", "v1", False),
        ("v1", "tree-x", False),
    ],
)
def test_one_version_lies_before_another_when_both_are_numbers(one: str, other: str, older: bool) -> None:
    assert versions.is_older(one, other) is older


@pytest.mark.parametrize(("one", "other"), [("v1.0", "1.0.0"), ("1.0+a", "1.0+A"), ("1.0rc1", "1.0.0-rc.1")])
def test_a_version_is_the_same_however_it_is_written(one: str, other: str) -> None:
    assert versions.are_equal(one, other)
    assert not versions.are_equal(one, "2")


def test_what_is_no_version_equals_nothing() -> None:
    assert not versions.are_equal("main", "main")


@pytest.mark.parametrize(
    ("before", "mark", "now", "between"),
    [
        ("1.0", "1.1", "1.2", True),
        ("1.0", "1.0", "1.2", False),
        ("1.0", "1.2", "1.2", True),
        ("1.0", "1.3", "1.2", False),
        ("1.0", "1.1rc1", "1.1", True),
        ("tree-x", "1.1", "1.2", True),
    ],
)
def test_a_change_lies_between_two_versions(before: str, mark: str, now: str, between: bool) -> None:
    assert versions.is_between(before, mark, now) is between


def test_ranks_follow_the_versions() -> None:
    assert versions.ranks(["1.10", "1.9", "x", "1.10.0"]) == [2, 1, 0, 2]


plain = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
other = st.sampled_from(["1.0rc1", "1!2", "2.post1", "1.0+local"])


@given(st.lists(plain | other, min_size=2, max_size=5))
def test_plain_releases_are_ordered_as_packaging_orders_them(texts: list[str]) -> None:
    known, oracle = versions.numbers(texts), [Version(text) for text in texts]
    pairs = [(one, two) for one in range(len(texts)) for two in range(len(texts))]
    assert [known[one] < known[two] for one, two in pairs] == [oracle[one] < oracle[two] for one, two in pairs]
    assert [known[one] == known[two] for one, two in pairs] == [oracle[one] == oracle[two] for one, two in pairs]
