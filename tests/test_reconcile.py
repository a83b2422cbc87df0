"""Two locks that descend from one, path by path: the side that changed tells, else the newer, else a person."""

from __future__ import annotations

import pytest

from ai_factory import reconcile
from ai_factory.lock import Entry, Lock, Origin
from ai_factory.reconcile import Decision, Sides

A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)


def row(base: str, version: str, state: str = "", theirs: str = "") -> Entry:
    return Entry("core", "merged", base=base, base_version=version, state=state, theirs=theirs)


def lock(version: str, entry: Entry | None, url: str = "https://example.org/f", **parts: dict[str, str]) -> Lock:
    origin = Origin("git", url, version, f"commit of {version}", f"tree of {version}")
    parts = {"answers": {}, "components": {"core": version}, **parts}
    paths = {"f": entry} if entry else {}
    return Lock(origin, "0", parts["answers"], parts["components"], "digest", paths, (), "digest")


V1 = row(A, "v1")
V2 = row(B, "v2")
V3 = row(C, "v3")
OPEN_2 = row(A, "v1", "open", B)
OPEN_3 = row(A, "v1", "open", C)


@pytest.mark.parametrize(
    ("before", "ours", "theirs", "entry", "side"),
    [
        pytest.param(V1, ("v2", V2), ("v2", V2), V2, "ours", id="the same on both"),
        pytest.param(V1, ("v2", V2), ("v1", V1), V2, "ours", id="only ours synced"),
        pytest.param(V1, ("v1", V1), ("v2", V2), V2, "theirs", id="only theirs synced"),
        pytest.param(V1, ("v2", V2), ("v3", V3), V3, "theirs", id="theirs is newer"),
        pytest.param(V1, ("v3", V3), ("v2", V2), V3, "ours", id="ours is newer"),
        pytest.param(None, ("v2", V2), ("v3", V3), V3, "theirs", id="both added it"),
        pytest.param(V1, ("v2", V2), ("v3", None), None, "theirs", id="the newer version has it no more"),
        pytest.param(V1, ("v3", V3), ("v2", None), V3, "ours", id="the newer version has it again"),
        pytest.param(None, ("v2", V2), ("v3", None), None, "theirs", id="the newer version has dropped it since"),
        pytest.param(None, ("v3", None), ("v2", V2), None, "ours", id="dropped since, the other way round"),
        pytest.param(None, ("v2", V2), ("v2", None), V2, "ours", id="a component that one branch took"),
        pytest.param(V1, ("v2", None), ("v1", V1), None, "ours", id="ours dropped it, theirs did nothing"),
        pytest.param(V1, ("v2", row(B, "v2")), ("v3", row(B, "v3")), row(B, "v3"), "theirs", id="the same content"),
        pytest.param(V1, ("v2", OPEN_2), ("v1", V1), OPEN_2, "ours", id="open on the side that synced"),
        pytest.param(V1, ("v2", OPEN_2), ("v2", OPEN_2), OPEN_2, "ours", id="open on both"),
        pytest.param(V1, ("v2", OPEN_2), ("v2", V2), V2, "theirs", id="theirs resolved what ours has open"),
        pytest.param(V1, ("v2", V2), ("v2", OPEN_2), V2, "ours", id="ours resolved what theirs has open"),
        pytest.param(V1, ("v2", OPEN_2), ("v3", V3), OPEN_3, "open", id="open for an older version"),
        pytest.param(V1, ("v3", OPEN_3), ("v2", V2), OPEN_3, "open", id="open for the newer version"),
        pytest.param(V1, ("v2", OPEN_2), ("v3", OPEN_3), OPEN_3, "open", id="open for both versions"),
        pytest.param(V1, ("main", V2), ("side", V3), OPEN_3, "open", id="versions that are none"),
    ],
)
def test_each_path_is_decided(
    before: Entry | None,
    ours: tuple[str, Entry | None],
    theirs: tuple[str, Entry | None],
    entry: Entry | None,
    side: str,
) -> None:
    sides = Sides(lock("v1", before), lock(*ours), lock(*theirs))
    found = reconcile.decided(sides, ["f"])["f"]
    assert (found.entry, found.side) == (entry, side)


def test_versions_of_two_factories_have_no_order() -> None:
    sides = Sides(lock("v1", V1), lock("v2", V2), lock("v3", V3, "https://example.org/other"))
    assert reconcile.decided(sides, ["f"])["f"] == Decision(OPEN_3, "open", "each branch took a version of its own")


@pytest.mark.parametrize(("present", "state"), [(["f"], ""), ([], "declined")])
def test_a_file_that_is_not_there_was_declined(present: list[str], state: str) -> None:
    sides = Sides(lock("v1", V1), lock("v2", V2._replace(state="declined")), lock("v1", V1))
    assert reconcile.decided(sides, present)["f"].entry == V2._replace(state=state)


def test_a_seeded_path_has_no_state() -> None:
    seeded = V1._replace(ownership="seeded")
    sides = Sides(lock("v1", seeded), lock("v2", seeded), lock("v3", seeded))
    assert reconcile.decided(sides, [])["f"].entry == seeded


def merged(*sides: Lock | None) -> Lock:
    one, two, three = sides
    assert two
    assert three
    both = Sides(one, two, three)
    return reconcile.merged(both, reconcile.decided(both, ["f"]))


def test_one_side_alone_gives_the_whole_lock() -> None:
    before, after = lock("v1", V1), lock("v2", V2, components={"core": "2", "more": "1"})
    expected = after._replace(base_file="", project_file="")
    assert merged(before, after, before) == expected
    assert merged(before, before, after) == expected
    assert merged(None, after, after) == expected


def test_both_sides_give_a_lock_that_no_rendering_gave() -> None:
    """The newer version, components and answers of both, and a tree that the next sync finds to differ."""
    before = lock("v1", V1, answers={"a": "1", "b": "1"}, components={"core": "1", "old": "1"})
    ours = lock("v2", V2, answers={"a": "2", "b": "2", "c": "2"}, components={"core": "2", "old": "1"})
    theirs = lock("v3", V3, answers={"a": "1", "b": "3"}, components={"core": "3", "new": "1"})
    found = merged(before, ours, theirs)
    assert found.factory == theirs.factory._replace(tree="")
    assert (found.answers, found.components) == ({"a": "2", "b": "3", "c": "2"}, {"core": "3", "new": "1"})
    assert found.paths == {"f": V3}
