"""A plan as data: what becomes of each path, and the lock and base that come of it."""

from __future__ import annotations

from ai_factory import __version__, plan
from ai_factory.base import Base
from ai_factory.lock import Entry, Lock, Origin
from ai_factory.plan import Change, Plan, Target
from ai_factory.render import Owned, Rendered
from ai_factory.tree import EXECUTABLE, File, blob_id, digest

RUN, DOC, SEED = File(b"run\r\n", EXECUTABLE), File(b"doc\n"), File(b"seed\n")
OWNED = {
    "doc": Owned("core", "merged", (), "templates/core/files/doc"),
    "log": Owned("more", "produced", ("AUD-02",), ""),
    "run": Owned("core", "managed", ("AUD-01",), "templates/core/files/run.jinja"),
    "seed": Owned("more", "seeded", (), "templates/more/files/seed"),
}
TARGET = Target(
    Origin("git", "u", "v2", "c", "t"),
    {"a": 1},
    {"core": "2", "more": "1"},
    Rendered({"doc": DOC, "run": RUN, "seed": SEED}, OWNED, ("src",)),
)
ENTRIES = {
    "doc": Entry("core", "merged", "100644", blob_id(b"doc\n"), "v2"),
    "log": Entry("more", "produced", controls=("AUD-02",)),
    "run": Entry("core", "managed", EXECUTABLE, blob_id(b"run\n"), "v2", ("AUD-01",)),
    "seed": Entry("more", "seeded", "100644", blob_id(b"seed\n"), "v2"),
}


def test_a_birth_adds_every_file_and_knows_what_the_project_will_produce() -> None:
    assert plan.births(TARGET) == Plan(
        (
            Change(
                "doc", "add", "from templates/core/files/doc", "core", "merged", DOC, entry=ENTRIES["doc"], base=DOC
            ),
            Change("log", "same", "is written by the project's own run", "more", "produced", entry=ENTRIES["log"]),
            Change(
                "run",
                "add",
                "from templates/core/files/run.jinja",
                "core",
                "managed",
                RUN,
                entry=ENTRIES["run"],
                base=RUN,
            ),
            Change("seed", "add", "from templates/more/files/seed", "more", "seeded", SEED, entry=ENTRIES["seed"]),
        ),
        TARGET,
    )


def test_the_lock_of_a_birth_names_every_path() -> None:
    components = {"core": "2", "more": "1"}
    assert plan.births(TARGET).new_lock(b"b", b"p") == Lock(
        TARGET.origin, __version__, {"a": 1}, components, digest(b"b"), ENTRIES, ("src",), digest(b"p")
    )


def test_the_base_of_a_birth_holds_managed_and_merged_files() -> None:
    assert plan.births(TARGET).new_base() == Base({"doc": DOC, "run": RUN}, {})


def test_the_base_keeps_the_incoming_version_of_open_conflicts() -> None:
    open_ = ENTRIES["doc"]._replace(state="open")
    changes = (
        Change("doc", "conflict", "w", sides=(DOC, SEED, RUN), entry=open_, base=DOC),
        Change("gone", "conflict", "w", sides=(DOC, SEED, None), entry=open_, base=DOC),
        Change("run", "forget", "w", base=RUN),
    )
    made = Plan(changes, TARGET)
    assert made.new_base() == Base({"doc": DOC, "gone": DOC}, {"doc": RUN})
    assert made.new_lock(b"", b"").paths == {"doc": open_, "gone": open_}
    assert made.conflicts == changes[:2]


def test_what_stays_the_same_is_not_worth_telling() -> None:
    assert [change.path for change in plan.births(TARGET).visible] == ["doc", "run", "seed"]


def test_counts_follow_the_order_of_the_actions() -> None:
    changes = tuple(
        Change(str(number), action, "w") for number, action in enumerate(["same", "conflict", "add", "same"])
    )
    assert list(plan.counts(Plan(changes, TARGET)).items()) == [("add", 1), ("conflict", 1), ("same", 2)]


def test_an_entry_without_file_is_a_name_only() -> None:
    assert plan.entry_of(OWNED["log"], None, "v2") == Entry("more", "produced", controls=("AUD-02",))
    assert plan.entry_of(OWNED["doc"], DOC, "v2", "open", "x") == ENTRIES["doc"]._replace(state="open", theirs="x")
