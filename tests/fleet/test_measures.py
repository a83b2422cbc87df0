"""The measures of scaling: each formula on numbers made by hand, and all of them on real histories."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from ai_factory import cache
from ai_factory.fleet.looking import Unread
from ai_factory.fleet.scaling import laws, measures
from ai_factory.fleet.scaling.ages import Releases
from ai_factory.fleet.scaling.departures import Departure
from ai_factory.fleet.scaling.laws import Amendment, Edition
from ai_factory.fleet.scaling.measured import Drift, Governance, Measured, recorded, written
from ai_factory.fleet.scaling.measures import Measures
from ai_factory.fleet.scaling.samples import DAY, Sample, Value, day, days, percentile, quarter, sample
from ai_factory.fleet.scaling.shares import Lines, counted, is_code, kept
from ai_factory.fleet.scaling.story import Applied, Covered, Story, is_machine
from ai_factory.lock import Entry, Lock, Origin
from ai_factory.report import measures as report
from ai_factory.report.plain import plain
from ai_factory.tree import File, blob_id
from tests import kit
from tests.fleet import history
from tests.forges.githttp import serving

JANUARY = 1_767_225_600  # 1 January 2026


def on(number: int) -> int:
    """So many days after the first of January."""
    return JANUARY + number * DAY


def one(key: str, story: Story, tier: str = "high", **more: Any) -> Measured:
    """A measured project."""
    head = Measured(key, "team", "f", "v1", ("base", "audit"), story, Lines(100, 40), Governance(tier, 7, 2, 1))
    return head._replace(**more)


# ---- formulas ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "median", "p90"),
    [
        ([], None, None),
        ([7], 7, 7),
        ([2, 1], 1, 2),
        ([3, 1, 2], 2, 3),
        ([10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 5, 9),
        ([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1], 6, 10),
    ],
)
def test_percentiles_are_the_nearest_rank(numbers: list[float], median: float | None, p90: float | None) -> None:
    """Each is a number that is there: the one at place ceil(share · n) of them in order."""
    assert (percentile(numbers, 0.5), percentile(numbers, 0.9)) == (median, p90)


def test_what_could_not_be_measured_is_no_zero() -> None:
    """It is counted, by its reason; the numbers come from the others."""
    values = [Value(4), Value(why="later"), Value(0), Value(why="later"), Value(why="a")]
    assert sample(values) == Sample(2, 0, 4, {"a": 1, "later": 2})


def test_days_and_quarters_are_those_of_utc() -> None:
    assert (days(on(0), on(1) + DAY // 2), day(on(31)), quarter(on(89)), quarter(on(90)), quarter(on(-1))) == (
        1.5,
        "2026-02-01",
        "2026-Q1",
        "2026-Q2",
        "2025-Q4",
    )


def test_times_count_from_the_stamp() -> None:
    """What has not happened yet has no number; of a history that is cut off nothing is known."""
    story = Story(on(0), green=on(2), approved=on(10))
    found = [measures.until(story, name) for name in ("green", "approved", "production")]
    assert found == [Value(2.0), Value(10.0), Value(why="not in production yet")]
    assert measures.until(story._replace(cut=True), "green") == Value(why=measures.CUT)
    assert measures.until(Story(), "green") == Value(why=measures.UNSTAMPED)


def test_work_on_governance_is_counted_in_days() -> None:
    """The span is from the first to the last commit; days on which there were several count once."""
    found = one("a", Story(on(0), touches=(on(1), on(1) + 60, on(8) + DAY // 2)))
    assert (measures.span(found), measures.touched(found), measures.items(found), measures.controls(found)) == (
        Value(7.5),
        Value(2),
        Value(3),
        Value(7),
    )
    nobody = one("a", Story(on(0)), governance=Governance())
    assert (measures.span(nobody), measures.controls(nobody)) == (
        Value(why=measures.UNTOUCHED),
        Value(why=measures.UNRECORDED),
    )


def test_the_share_of_code_is_of_a_hundred_lines() -> None:
    assert measures.share(one("a", Story(), lines=Lines(300, 200))) == Value(66.7)
    assert measures.share(one("a", Story(), lines=Lines(0, 0))) == Value(why="it holds no code")


def test_reuse_is_instances_by_components() -> None:
    """A component of another factory is another one."""
    rows = [one("a", Story()), one("b", Story()), one("c", Story(), components=("base",), factory="g")]
    assert measures.reuse(rows) == measures.Reuse(5, 3)
    assert (measures.reuse(rows).rate, measures.reuse([]).rate) == (1.7, None)


def test_groups_are_by_the_quarter_of_the_stamp_and_by_tier() -> None:
    """A project of no known stamp is in no quarter; tiers stand from the lowest, and the unknown one last."""
    rows = [
        one("a", Story(on(0), green=on(4)), "critical"),
        one("b", Story(on(80), green=on(82)), ""),
        one("c", Story(on(100), green=on(101)), "low"),
        one("d", Story(on(1), green=on(9), cut=True), "low"),
    ]
    quarters, tiers = measures.by_quarter(rows), measures.by_tier(rows)
    assert {name: group["days_to_green"].median for name, group in quarters.items()} == {"2026-Q1": 2, "2026-Q2": 1}
    assert quarters["2026-Q1"]["days_to_green"].missing == {}
    assert {name: group["days_to_green"].projects for name, group in tiers.items()} == {
        "low": 1,
        "critical": 1,
        "unknown": 1,
    }


def test_the_curve_goes_by_the_order_of_stamps() -> None:
    rows = measures.since([one("b", Story(on(9), green=on(10))), one("c", Story()), one("a", Story(on(1)))], "")
    assert [row.key for row in rows] == ["a", "b", "c"]
    assert measures.curve(rows, "days_to_green") == [
        measures.Point(1, "a", Value(why="no green evaluation yet")),
        measures.Point(2, "b", Value(1.0)),
    ]
    assert [row.key for row in measures.since(rows, "2026-01-10")] == ["b"]


def test_a_control_counts_once_a_project() -> None:
    """Only managed files for which nobody answers weaken one."""
    drift = (
        Drift("a", "audit", "managed", ("AUD-01", "AUD-02"), "edited"),
        Drift("b", "audit", "managed", ("AUD-01",), "deleted"),
        Drift("c", "audit", "managed", ("AUD-03",), "waived"),
        Drift("d", "ops", "merged", ("AUD-04",), "edited"),
    )
    rows = [one("a", Story(), drift=drift), one("b", Story(), drift=drift[:1])]
    assert measures.drift_by_control(rows) == {"AUD-01": 2, "AUD-02": 2}
    assert [measures.BY_NAME["drifted_files"].of(row) for row in rows] == [Value(2), Value(1)]


def test_ages_are_told_by_the_releases_of_the_factory() -> None:
    known = Releases({"v1.0.0": on(0), "v1.1.0": on(5), "v2.0.0": on(9)})
    assert (known.age("v1.0.0", on(10)), known.behind("v1.0.0", ""), known.behind("v1.0.0", "<2")) == (
        Value(10.0),
        Value(2),
        Value(1),
    )
    assert known.behind("v1.0.0", "no bound") == Value(2)
    assert known.age("main", on(10)) == Value(why="its factory has no dated releases")


def test_an_amendment_is_a_row_that_is_new_or_differs() -> None:
    first = Edition("v1", on(0), "2026-01-01", {"a": "1", "b": "1"})
    second = Edition("v2", on(9), "2026-01-10", {"a": "1", "b": "2", "c": "1"})
    third = second._replace(release="v3", rows={"a": "1"})
    assert laws.amendments("f", [first, second, third]) == [Amendment("f", "v2", on(9), "2026-01-10", ("b", "c"))]


AMENDMENT = Amendment("f", "v2.0.0", on(10), "2026-01-10", ("b",))


@pytest.mark.parametrize(
    ("applied", "covered", "value"),
    [
        ([(0, "v1.0.0"), (14, "v2.0.0")], [(16, "2026-01-10", "b")], Value(6.0)),
        ([(0, "v1.0.0"), (14, "v2.1.0")], [(12, "2026-01-10", "b")], Value(4.0)),
        ([(0, "v1.0.0"), (14, "v2.0.0")], [(16, "2026-01-01", "b")], Value(why=laws.WAITS)),
        ([(0, "v1.0.0"), (14, "v2.0.0")], [(16, "2026-01-10", "a")], Value(why=laws.WAITS)),
        ([(0, "v1.0.0")], [(16, "2026-01-10", "b")], Value(why=laws.WAITS)),
        ([(11, "v2.0.0")], [], None),
        ([], [], None),
    ],
)
def test_a_change_of_law_ends_with_both_release_and_record(
    applied: list[tuple[int, str]], covered: list[tuple[int, str, str]], value: Value | None
) -> None:
    """The record goes by the map of that release, and names the requirement; who was born with it does not count."""
    story = Story(
        on(0),
        applied=tuple(Applied(on(when), version) for when, version in applied),
        covered=tuple(Covered(on(when), mapped, frozenset([name])) for when, mapped, name in covered),
    )
    assert laws.lead(AMENDMENT, story) == value


def test_lines_that_are_kept_are_counted_in_their_order() -> None:
    assert kept([b"a", b"b", b"c"], [b"a", b"x", b"c", b"b"]) == 2
    assert kept([b"a"] * 6000, [b"a"] * 6000) == 0


def test_code_is_told_by_its_name() -> None:
    names = ["src/a.py", "Makefile", "docs/a.md", ".ai-factory/project.yaml", "data/a.csv", "a/.py/b", "B.YML"]
    assert [name for name in names if is_code(name)] == ["src/a.py", "Makefile", "B.YML"]


def test_shared_lines_are_those_of_managed_and_merged_files() -> None:
    """A seeded file is the team's from birth; of an edited one the lines that are still there count; no binary does."""
    entries = {
        "a.py": Entry("c", "managed", base="0" * 40),
        "b.py": Entry("c", "merged", base="0" * 40),
        "c.py": Entry("c", "seeded", base="0" * 40),
    }
    lock = Lock(Origin("git", "f", "v1", "", ""), "", {}, {}, "", entries)
    files = {
        "a.py": File(b"1\n2\n"),
        "b.py": File(b"1\r\n2\r\n3\r\n"),
        "c.py": File(b"1\n"),
        "d.py": File(b"1\n"),
        "e.py": File(b"\0\n"),
    }
    departed = Departure("b.py", entries["b.py"], "edited", b"1\n3\n", files["b.py"].content)
    assert counted(lock, files, [departed]) == Lines(7, 4)


def test_what_people_wrote_is_what_was_not_stamped() -> None:
    entries = {
        "governance/a": Entry("c", "seeded", base=blob_id(b"a")),
        "governance/b": Entry("c", "seeded", base=blob_id(b"b")),
        "governance/made.json": Entry("c", "produced"),
    }
    lock = Lock(Origin("git", "f", "v1", "", ""), "", {}, {}, "", entries)
    ids = dict.fromkeys([*entries, "governance/own", "governance/applicability.json"], blob_id(b"a"))
    assert written(lock, ids) == ["governance/b", "governance/own"]


def test_a_record_that_says_nothing_counts_for_nothing() -> None:
    assert recorded(history.record("high", 3).encode()) == ("high", 3)
    odd = [b"", b"[]", b'{"tier": 1, "controls": {}}', b'{"tier": {"inherent": "<b>"}, "controls": {}}', b"[" * 99999]
    assert {recorded(content) for content in odd} == {("", None)}


@pytest.mark.parametrize(
    ("address", "machine"),
    [
        ("noreply@invalid", True),
        ("1+renovate[bot]@users.example.org", True),
        ("project_7_bot_1a@noreply.example.org", True),
        ("bo@example.org", False),
        ("abbot@example.org", False),
        ("", False),
    ],
)
def test_machines_are_told_from_people(address: str, machine: bool) -> None:
    assert is_machine(address) == machine


# ---- histories -----------------------------------------------------------------------------------

FLEET = "factories: [{{url: {factory}}}]\nprojects:\n{rows}"


def fleet(folder: Path, factory: Path, *urls: str) -> Path:
    """A folder with a fleet of these projects."""
    folder.mkdir(exist_ok=True)
    rows = "".join(f"- {{url: {url}, owner: team}}\n" for url in urls)
    (folder / "fleet.yaml").write_text(FLEET.format(factory=factory, rows=rows))
    return folder


@pytest.fixture
def lived(tmp_path: Path, factory: Path) -> Path:
    """A project with a whole life: stamped on 5 January, released on 25 January, updated on 1 March."""
    history.lawful(factory)
    place = history.stamped(tmp_path / "lived" / "small-thing", factory)
    history.work(place, "2026-01-07", {"evidence/evaluation.json": history.evaluation(passed=False)})
    history.work(place, "2026-01-08", {"evidence/evaluation.json": history.evaluation(passed=True)})
    history.work(place, "2026-01-09", {"evidence/evaluation.json": history.evaluation(passed=False)})
    history.work(place, "2026-01-10", {"governance/applicability.json": history.record("high", 3)})
    history.work(place, "2026-01-11", {"governance/notes.md": "bot\n"}, "x[bot]@example.org")
    history.work(place, "2026-01-20", {"governance/approvals.yaml": history.APPROVED}, "bo@example.org")
    history.work(place, "2026-01-22", {"src/small_thing/own.py": "a = 1\n" * 9})
    with history.at("2026-01-23"):
        kit.git(place, "tag", "v0.9.0rc1")
    with history.at("2026-01-25"):
        kit.git(place, "tag", "-a", "-m", "first", "v1.0.0")
    assert kit.cli("sync", cwd=place).code == 0
    history.work(place, "2026-03-01", {"governance/notes.md": "brought by the update\n"})
    history.work(
        place, "2026-03-02", {"governance/applicability.json": history.record("high", 4, "2026-02-10", ("one", "two"))}
    )
    return place


NUMBERS = {
    "days_to_green": 3,
    "days_to_approval": 15,
    "days_to_production": 20,
    "controls_required": 4,
    "governance_items": 3,
    "governance_span": 51,
    "governance_touch": 3,
}


def test_a_life_is_read_off_its_history(lived: Path, tmp_path: Path, factory: Path) -> None:
    """First green counts, whatever came later; bots, pre-releases and the update itself are no work of people."""
    result = kit.cli("fleet", "measures", "--json", cwd=fleet(tmp_path / "fleet", factory, str(lived)))
    assert (result.code, result.err) == (0, "")
    (row,) = result.data["projects"]
    assert {name: row["measures"][name] for name in NUMBERS} == NUMBERS
    assert (row["tier"], row["stamped"], row["version"]) == ("high", "2026-01-05", "v2.0.0")
    assert row["measures"]["releases_behind"] == 0
    (law,) = result.data["law"]
    assert (law["release"], law["requirements"], law["days"]) == (
        "v2.0.0",
        ["two"],
        {"projects": 1, "median": 20.0, "p90": 20.0, "missing": {}},
    )
    assert result.data["reuse"] == {"instances": 2, "components": 2, "rate": 1.0}


def test_status_counts_where_no_release_is_tagged(tmp_path: Path, factory: Path) -> None:
    place = history.stamped(tmp_path / "small-thing", factory)
    history.work(place, "2026-01-15", {"governance/system.yaml": "status: development\n"})
    history.work(place, "2026-01-18", {"governance/system.yaml": "status: production # at last\n"})
    found = kit.cli("fleet", "measures", "--json", cwd=fleet(tmp_path / "fleet", factory, str(place))).data
    assert found["measures"]["days_to_production"]["median"] == 13


def test_line_endings_are_no_drift(tmp_path: Path, factory: Path) -> None:
    """A managed file with other line endings is as it was stamped, to the last line."""
    place = history.stamped(tmp_path / "small-thing", factory)
    folder = fleet(tmp_path / "fleet", factory, str(place))
    before = kit.cli("fleet", "measures", "--json", cwd=folder).data["projects"][0]
    audit = (place / "src/small_thing/controls/audit.py").read_bytes()
    history.work(place, "2026-02-01", {"src/small_thing/controls/audit.py": audit.replace(b"\n", b"\r\n")})
    after = kit.cli("fleet", "measures", "--json", cwd=folder).data["projects"][0]
    assert (after["drift"], after["measures"]) == ([], before["measures"])


def test_a_shallow_clone_is_told(lived: Path, tmp_path: Path, factory: Path) -> None:
    """The commit at which a history is cut off is no birth: its numbers are missing, and it says why."""
    kit.git(tmp_path, "clone", "-q", "--depth=3", f"file://{lived}", "shallow")
    found = kit.cli("fleet", "measures", "--json", cwd=fleet(tmp_path / "fleet", factory, str(tmp_path / "shallow")))
    (row,) = found.data["projects"]
    why = "its clone is shallow: the history is cut off"
    names = ("days_to_green", "days_to_approval", "days_to_production", "governance_span", "governance_touch")
    assert row["missing"] == dict.fromkeys(names, why)
    assert (row["stamped"], found.data["law"][0]["days"]["projects"]) == ("", 0)


def test_one_elsewhere_gives_the_same(lived: Path, tmp_path: Path, factory: Path) -> None:
    """Over http commits and trees alone are brought, then the few contents; twice is once."""
    local = kit.cli("fleet", "measures", "--json", cwd=fleet(tmp_path / "fleet", factory, str(lived))).data
    kit.git(tmp_path, "clone", "-q", "--bare", str(lived), str(tmp_path / "served" / "lived.git"))
    with serving(tmp_path / "served") as server:
        folder = fleet(tmp_path / "other", factory, server.clone_url("lived"), server.clone_url("gone"))
        found = kit.cli("fleet", "measures", "--json", cwd=folder)
        again = kit.cli("fleet", "measures", "--json", cwd=folder)
    assert (found.code, [one["failure"] for one in found.data["unread"]]) == (3, ["permission"])
    assert found.data["projects"] == again.data["projects"]
    (theirs,), (ours,) = found.data["projects"], local["projects"]
    assert {**theirs, "project": ""} == {**ours, "project": ""}
    past = Path(cache.folder("fleet-history")) / "0.git"
    kept = kit.git(past, "cat-file", "--batch-all-objects", "--batch-check")
    assert kit.git(lived, "rev-parse", "HEAD:governance/approvals.yaml") in kept
    assert kit.git(lived, "rev-parse", "HEAD:src/small_thing/own.py") not in kept


def test_one_in_a_folder_has_its_own_tags(tmp_path: Path, factory: Path) -> None:
    """A tag of a repository with several projects says of which one it is."""
    top = tmp_path / "mono"
    kit.git(tmp_path, "init", "-q", str(top))
    kit.put(top, {"README.md": "several\n"})
    kit.commit(top)
    kit.small_project(top / "inner" / "small-thing", factory)
    history.work(top, "2026-01-05", {})
    with history.at("2026-01-09"):
        kit.git(top, "tag", "v1.0.0")
        kit.git(top, "commit", "-q", "--allow-empty", "-m", "later")
    with history.at("2026-01-11"):
        kit.git(top, "tag", "-a", "-m", "one", "inner/small-thing/v1.0.0")
    folder = fleet(tmp_path / "fleet", factory)
    (folder / "fleet.yaml").write_text(f"projects: [{{url: {top}, path: inner/small-thing}}]\n")
    (row,) = kit.cli("fleet", "measures", "--json", cwd=folder).data["projects"]
    assert (row["stamped"], row["measures"]["days_to_production"]) == ("2026-01-05", 6)


# ---- outputs -------------------------------------------------------------------------------------

HOSTILE = '=cmd()|<script>alert(1)</script>\n::error::@everyone "'


def test_hostile_names_stay_text() -> None:
    """No cell is a formula, no line an order, no markup takes effect, whatever a project is called."""
    row = one(HOSTILE, Story(on(0)), owner=HOSTILE, version=HOSTILE, factory=HOSTILE)
    found = Measures((row,), (Unread(HOSTILE, HOSTILE, HOSTILE, "bug"),))
    cells = list(csv.reader(io.StringIO(report.csv(found))))[1]
    assert all(not cell.startswith("=") and "\n" not in cell for cell in cells)
    for text in (report.text(found), report.markdown(found)):
        assert not any(line.startswith(("::", "=")) for line in text.splitlines())
    assert "<script>" not in report.markdown(found).replace("`" + plain(HOSTILE) + "`", "")
    assert json.loads(json.dumps(report.data(found)))["projects"][0]["project"] == HOSTILE


def test_formats_exclude_each_other(tmp_path: Path, factory: Path) -> None:
    result = kit.cli("fleet", "measures", "--markdown", "--csv", cwd=fleet(tmp_path / "fleet", factory))
    assert result.code == 2
    assert "exclude each other" in result.err


def test_an_empty_fleet_has_no_numbers(tmp_path: Path, factory: Path) -> None:
    """It is no error, and divides by nothing."""
    folder = fleet(tmp_path / "fleet", factory)
    (folder / "fleet.yaml").write_text("projects: []\n")
    for form in ((), ("--csv",), ("--markdown",), ("--json",), ("--since", "2026-01-01")):
        assert kit.cli("fleet", "measures", *form, cwd=folder).code == 0
