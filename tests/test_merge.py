"""Three states of a project to one change a path: each row of the contract's tables is a test."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_factory import git, structured
from ai_factory.git import Names
from ai_factory.lock import Entry, Lock, Origin
from ai_factory.merge import Declared, Ours, merge
from ai_factory.plan import Target
from ai_factory.render import Owned, Rendered
from ai_factory.tree import EXECUTABLE, LINK, Blob, File, Tree, blob_id
from tests import kit

Content = str | bytes | File
Contents = Mapping[str, Content]
NAMES = Names("yours", "factory-v2")


class Row(NamedTuple):
    """What a test looks at of a change: all but the words for people."""

    action: str
    file: File | None = None  # what is written
    base: File | None = None  # what the base keeps
    entry: Entry | None = None
    source: str = ""
    incoming: File | None = None


Told = dict[str, Row]
Meet = Callable[..., Told]


def file(content: Content) -> File:
    if isinstance(content, File):
        return content
    return File(content if isinstance(content, bytes) else content.encode())


def tree_of(contents: Contents) -> dict[str, File]:
    return {path: file(content) for path, content in contents.items()}


def ran(content: Content) -> File:
    """The same file, executable."""
    return file(content)._replace(mode=EXECUTABLE)


def link(target: str) -> File:
    return File(target.encode(), LINK)


def entry(content: Content, word: str = "merged", version: str = "v2", state: str = "") -> Entry:
    """The lock's row of a path that descends from this content."""
    item = file(content)
    return Entry("core", word, item.mode, blob_id(item.content), version, (), state)


def open_entry(base: Content | None, theirs: Content | None, word: str = "merged") -> Entry:
    """The lock's row of an open conflict."""
    before = Entry("core", word) if base is None else entry(base, word, "v1")
    if theirs is None:
        return before._replace(state="open")
    return before._replace(mode=file(theirs).mode, state="open", theirs=blob_id(file(theirs).content))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose objects are the files of the team's own."""
    place = tmp_path_factory.mktemp("repository")
    kit.git(place, "init", "-q")
    return place


@pytest.fixture
def meet(repository: Path) -> Meet:
    return partial(_meet, repository)


def _meet(
    repository: Path,
    base: Contents,
    ours: Contents,
    theirs: Contents,
    *,
    before: Mapping[str, str] | str = "merged",
    after: Mapping[str, str] | str = "merged",
    states: Mapping[str, str] | None = None,
    renames: Mapping[str, str] | None = None,
    removed: Collection[str] = (),
    moves: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    local: Collection[str] = (),
    unknown: Collection[str] = (),
    components: Collection[str] = ("core",),
) -> Told:
    """Merge with git itself: a project made at v1 from `base`, as it is now, and what v2 stamps.

    `before` and `after` say the ownership (of each path, or of all); `unknown` names bases that are gone.
    """
    target = _target(tree_of(theirs), after, components)
    lock = _lock(tree_of(base), before, states or {})
    known = {*base, *theirs, *target.rendered.owned}
    now = tree_of(ours)
    strangers = {path: item for path, item in now.items() if path not in known}
    ids = git.store(str(repository), [item.content for item in strangers.values()])
    others = {path: Blob(item.mode, ids[item.content]) for path, item in strangers.items()}
    mine = Ours({path: item for path, item in now.items() if path in known}, others, frozenset(local))
    kept = {path: tree_of(base)[path] for path, row in lock.paths.items() if _has_base(row) and path not in unknown}
    objects = git.project_objects(str(repository)) if others else ""
    combine = partial(git.merge_trees, names=NAMES, objects=objects)
    changes = merge(lock, kept, mine, target, Declared(renames or {}, frozenset(removed), moves or {}), combine)
    assert [change.path for change in changes] == sorted({change.path for change in changes})
    return {
        item.path: Row(item.action, item.file, item.base, item.entry, item.source, item.incoming) for item in changes
    }


def _has_base(row: Entry) -> bool:
    return row.ownership in ("managed", "merged")


def _word(words: Mapping[str, str] | str, path: str) -> str:
    return words if isinstance(words, str) else words.get(path, "merged")


def _lock(base: Tree, words: Mapping[str, str] | str, states: Mapping[str, str]) -> Lock:
    rows = {path: entry(item, _word(words, path), "v1", states.get(path, "")) for path, item in base.items()}
    rows = {path: Entry("core", "produced") if row.ownership == "produced" else row for path, row in rows.items()}
    return Lock(Origin("git", "url", "v1", "", ""), "0", {}, {"core": "1"}, "", rows)


def _target(tree: Tree, words: Mapping[str, str] | str, components: Collection[str]) -> Target:
    produced = [] if isinstance(words, str) else [path for path, word in words.items() if word == "produced"]
    owned = {path: Owned("core", _word(words, path), (), f"templates/core/files/{path}") for path in tree}
    owned |= {path: Owned("core", "produced", (), "") for path in produced}
    rendered = Rendered({path: item for path, item in tree.items() if path not in produced}, owned, ())
    return Target(Origin("git", "url", "v2", "", ""), {}, dict.fromkeys(components, "2"), rendered)


def numbered(**changed: str) -> str:
    """Twenty lines; `l3="x"` changes the third, an empty text takes it away."""
    lines = {f"l{number}": f"line {number}" for number in range(1, 21)} | changed
    return "".join(f"{line}\n" for line in lines.values() if line)


BASE = numbered()
TEAM = numbered(l18="the team's")
NEW = numbered(l3="the factory's")
BOTH = numbered(l3="the factory's", l18="the team's")
CLASH = numbered(l3="the team's")
MARKED = numbered(l3="<<<<<<< yours\nthe team's\n=======\nthe factory's\n>>>>>>> factory-v2")


# ---- the table of outcomes -----------------------------------------------------------------------


@pytest.mark.parametrize("word", ["managed", "merged"])
@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param(BASE, BASE, Row("same"), id="nobody did anything"),
        pytest.param(BASE, NEW, Row("change", file(NEW)), id="untouched, changed"),
        pytest.param(TEAM, BASE, Row("same"), id="edited, unchanged"),
        pytest.param(TEAM, NEW, Row("merge", file(BOTH)), id="edited, changed elsewhere"),
        pytest.param(NEW, NEW, Row("adopt"), id="the same change on both sides"),
    ],
)
def test_what_both_sides_did_to_one_file(meet: Meet, word: str, ours: str, theirs: str, expected: Row) -> None:
    """Managed and merged are one to a sync: the new version is the base from now on."""
    told = meet({"f": BASE}, {"f": ours}, {"f": theirs}, before=word, after=word)
    assert told == {"f": expected._replace(base=file(theirs), entry=entry(theirs, word))}


@pytest.mark.parametrize("word", ["managed", "merged"])
def test_both_changed_the_same_lines_is_a_conflict_and_the_base_stays(meet: Meet, word: str) -> None:
    told = meet({"f": BASE}, {"f": CLASH}, {"f": NEW}, before=word, after=word)
    assert told == {"f": Row("conflict", file(MARKED), file(BASE), open_entry(BASE, NEW, word))}


@pytest.mark.parametrize("team", ["", "team.txt"])
def test_untouched_and_deleted_upstream_is_deleted(meet: Meet, team: str) -> None:
    others = {team: "x\n"} if team else {}
    assert meet({"f": BASE}, {"f": BASE, **others}, {}) == {"f": Row("delete")}


def test_untouched_and_renamed_upstream_is_renamed(meet: Meet) -> None:
    assert meet({"f": BASE}, {"f": BASE}, {"g": NEW}) == {
        "f": Row("delete"),
        "g": Row("add", file(NEW), file(NEW), entry(NEW)),
    }


@pytest.mark.parametrize("word", ["managed", "merged"])
def test_edited_and_deleted_upstream_is_a_conflict_and_the_file_is_kept(meet: Meet, word: str) -> None:
    told = meet({"f": BASE}, {"f": TEAM}, {}, before=word, after=word)
    assert told == {"f": Row("conflict", None, file(BASE), open_entry(BASE, None, word))}


def test_an_unrelated_new_file_is_no_reason_to_let_an_edited_one_go(meet: Meet) -> None:
    other = "".join(f"other {number}\n" for number in range(20))
    assert meet({"f": BASE}, {"f": TEAM, "team.txt": "x\n"}, {"g": other}) == {
        "f": Row("conflict", None, file(BASE), open_entry(BASE, None)),
        "g": Row("add", file(other), file(other), entry(other)),
    }


@pytest.mark.parametrize("team", ["", "team.txt"])
def test_an_edit_follows_a_rename_that_nobody_declared(meet: Meet, team: str) -> None:
    others = {team: "x\n"} if team else {}
    assert meet({"f": BASE}, {"f": TEAM, **others}, {"g": NEW}) == {
        "f": Row("delete"),
        "g": Row("merge", file(BOTH), file(NEW), entry(NEW), "f"),
    }


def test_an_edit_that_clashes_with_a_renamed_file_is_a_conflict_at_its_new_place(meet: Meet) -> None:
    marked = MARKED.replace("yours", "yours:f").replace("factory-v2", "factory-v2:g")
    assert meet({"f": BASE}, {"f": CLASH}, {"g": NEW}) == {
        "f": Row("delete"),
        "g": Row("conflict", file(marked), file(BASE), open_entry(BASE, NEW), "f"),
    }


def test_edits_of_two_similar_files_follow_each_its_own_rename(meet: Meet) -> None:
    one, two = numbered(l1="one"), numbered(l1="two")
    told = meet(
        {"a": one, "b": two},
        {"a": numbered(l1="one", l18="in a"), "b": numbered(l1="two", l18="in b")},
        {"x": one, "y": two},
    )
    assert {path: row.file for path, row in told.items()} == {
        "a": None,
        "b": None,
        "x": file(numbered(l1="one", l18="in a")),
        "y": file(numbered(l1="two", l18="in b")),
    }
    assert [row.action for row in told.values()] == ["delete", "delete", "merge", "merge"]


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param(BASE, BASE, Row("rename", file(BASE), source="f"), id="untouched, renamed"),
        pytest.param(BASE, NEW, Row("rename", file(NEW), source="f"), id="untouched, renamed and changed"),
        pytest.param(TEAM, BASE, Row("rename", file(TEAM), source="f"), id="edited, renamed"),
        pytest.param(TEAM, NEW, Row("merge", file(BOTH), source="f"), id="edited, renamed and changed"),
        pytest.param(NEW, NEW, Row("rename", file(NEW), source="f"), id="the same change, renamed"),
    ],
)
def test_an_edit_follows_a_declared_rename(meet: Meet, ours: str, theirs: str, expected: Row) -> None:
    told = meet({"f": BASE}, {"f": ours}, {"g": theirs}, renames={"f": "g"})
    assert told == {"g": expected._replace(base=file(theirs), entry=entry(theirs))}


def test_a_declared_rename_that_clashes_moves_the_conflict_along(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": CLASH}, {"g": NEW}, renames={"f": "g"})
    assert told == {"g": Row("conflict", file(MARKED), file(BASE), open_entry(BASE, NEW), "f")}


def test_a_rename_that_the_team_made_itself_is_told_as_done(meet: Meet) -> None:
    told = meet({"f": BASE}, {"g": TEAM}, {"g": NEW}, renames={"f": "g"})
    assert told == {"g": Row("merge", file(BOTH), file(NEW), entry(NEW))}


def test_a_declared_rename_never_lands_on_a_file_of_the_teams_own(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": BASE, "g": "the team's\n"}, {"g": NEW}, renames={"f": "g"})
    assert [(path, row.action) for path, row in told.items()] == [("f", "delete"), ("g", "conflict")]
    assert told["g"].file is not None
    assert b"the team's\n" in told["g"].file.content


def test_a_change_follows_what_the_team_moved(meet: Meet) -> None:
    assert meet({"f": BASE}, {"mine/f": TEAM}, {"f": NEW}) == {
        "f": Row("decline", None, file(NEW), entry(NEW, state="declined")),
        "mine/f": Row("merge", file(BOTH)),
    }


def test_changes_follow_a_folder_that_the_team_moved(meet: Meet) -> None:
    one, two = numbered(l1="one"), numbered(l1="two")
    told = meet(
        {"ops/a": one, "ops/b": two},
        {"mine/a": one, "mine/b": two},
        {"ops/a": numbered(l1="one", l9="new"), "ops/b": two, "ops/c": "c\n"},
    )
    assert {path: (row.action, row.file) for path, row in told.items()} == {
        "mine/a": ("merge", file(numbered(l1="one", l9="new"))),
        "ops/a": ("decline", None),
        "ops/b": ("decline", None),
        "ops/c": ("add", file("c\n")),  # a new file keeps the place that the factory gives it
    }


def test_a_change_that_clashes_with_a_moved_file_waits_where_the_file_was(meet: Meet) -> None:
    """No markers are put into a file that the lock does not know."""
    assert meet({"f": BASE}, {"mine/f": CLASH}, {"f": NEW}) == {
        "f": Row("conflict", None, file(BASE), open_entry(BASE, NEW), incoming=file(NEW)),
    }


def test_a_moved_file_never_gets_a_change_that_breaks_it(meet: Meet) -> None:
    base = numbered(**{f"l{number}": f'"k{number}" = 1' for number in range(1, 21)})
    ours, theirs = base.replace('"k2" = 1\n', '"k2" = 1\nx = 1\n'), base.replace('"k19" = 1\n', '"k19" = 1\nx = 2\n')
    assert meet({"f.toml": base}, {"mine.toml": ours}, {"f.toml": theirs}) == {
        "f.toml": Row("conflict", None, file(base), open_entry(base, theirs), incoming=file(theirs)),
    }


def test_a_moved_file_that_upstream_deletes_stays_and_is_the_teams(meet: Meet) -> None:
    assert meet({"f": BASE}, {"mine": BASE}, {}) == {"f": Row("same")}


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("theirs", [BASE, NEW])
def test_both_moved_a_file_each_to_another_place(meet: Meet, theirs: str, declared: bool) -> None:
    """The team's stays where it is; the new version's is a proposal, and taking ours declines it."""
    told = meet({"f": BASE}, {"mine": TEAM}, {"g": theirs}, renames={"f": "g"} if declared else {})
    expected = {"g": Row("conflict", None, file(BASE), open_entry(BASE, theirs), incoming=file(theirs))}
    assert told == (expected if declared else {"f": Row("same"), **expected})


def test_both_moved_a_file_to_one_place(meet: Meet) -> None:
    assert meet({"f": BASE}, {"g": TEAM, "team.txt": "x\n"}, {"g": NEW}) == {
        "f": Row("same"),
        "g": Row("merge", file(BOTH), file(NEW), entry(NEW)),
    }


@pytest.mark.parametrize("word", ["managed", "merged"])
@pytest.mark.parametrize("theirs", [BASE, NEW])
@pytest.mark.parametrize("others", [{}, {"team.txt": "x\n"}])
def test_what_the_team_deleted_stays_deleted(meet: Meet, word: str, theirs: str, others: Contents) -> None:
    told = meet({"f": BASE}, others, {"f": theirs}, before=word, after=word)
    assert told == {"f": Row("decline", None, file(theirs), entry(theirs, word, state="declined"))}


def test_what_the_team_deleted_stays_deleted_under_its_new_name(meet: Meet) -> None:
    told = meet({"f": BASE}, {"team.txt": "x\n"}, {"g": NEW}, renames={"f": "g"})
    assert told == {"g": Row("decline", None, file(NEW), entry(NEW, state="declined"))}


@pytest.mark.parametrize("others", [{}, {"team.txt": "x\n"}])
def test_gone_on_both_sides_is_forgotten(meet: Meet, others: Contents) -> None:
    assert meet({"f": BASE}, others, {}) == {"f": Row("same")}


@pytest.mark.parametrize(
    ("path", "ours", "theirs", "expected"),
    [
        pytest.param("f", None, NEW, Row("add", file(NEW), file(NEW), entry(NEW)), id="only upstream adds it"),
        pytest.param("f", NEW, NEW, Row("adopt", None, file(NEW), entry(NEW)), id="identical"),
        pytest.param(
            "f",
            "a\n",
            "b\n",
            Row(
                "conflict",
                file("<<<<<<< yours\na\n=======\nb\n>>>>>>> factory-v2\n"),
                None,
                open_entry(None, "b\n"),
            ),
            id="different",
        ),
        pytest.param(
            "f.toml",
            "a = 1\n",
            "a = 2\n",
            Row("conflict", None, None, open_entry(None, "a = 2\n"), incoming=file("a = 2\n")),
            id="different, in a format whose parser guards the commit",
        ),
        pytest.param(
            "f.toml",
            "a = 1\n",
            "b = 1\n",
            Row("merge", file("a = 1\nb = 1\n"), file("b = 1\n"), entry("b = 1\n")),
            id="entries that do not meet",
        ),
    ],
)
def test_both_add_a_path(meet: Meet, path: str, ours: str | None, theirs: str, expected: Row) -> None:
    assert meet({}, {} if ours is None else {path: ours}, {path: theirs}) == {path: expected}


# ---- the table of ownership ----------------------------------------------------------------------


@pytest.mark.parametrize("ours", [BASE, TEAM, None])
@pytest.mark.parametrize("theirs", [BASE, NEW])
def test_seeded_is_left_alone_and_keeps_the_id_it_was_born_with(meet: Meet, ours: str | None, theirs: str) -> None:
    now = {} if ours is None else {"f": ours}
    told = meet({"f": BASE}, now, {"f": theirs}, before="seeded", after="seeded")
    assert told == {"f": Row("same", entry=entry(BASE, "seeded", "v1"))}


def test_seeded_is_left_alone_where_the_new_version_renames_it(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": TEAM}, {"g": NEW}, before="seeded", after="seeded", renames={"f": "g"})
    assert told == {"g": Row("same", entry=entry(BASE, "seeded", "v1"))}


@pytest.mark.parametrize("ours", [BASE, TEAM])
def test_seeded_that_the_new_version_drops_is_forgotten(meet: Meet, ours: str) -> None:
    assert meet({"f": BASE}, {"f": ours}, {}, before="seeded") == {"f": Row("forget")}


def test_a_new_seeded_path_is_added_once(meet: Meet) -> None:
    assert meet({}, {}, {"f": NEW}, after="seeded") == {"f": Row("add", file(NEW), None, entry(NEW, "seeded"))}
    assert meet({}, {"f": TEAM}, {"f": NEW}, after="seeded") == {"f": Row("same", entry=entry(NEW, "seeded"))}


@pytest.mark.parametrize("word", ["managed", "merged"])
@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        pytest.param(BASE, Row("change", file(NEW), file(NEW)), id="unchanged since birth"),
        pytest.param(NEW, Row("adopt", None, file(NEW)), id="the same already"),
        pytest.param(None, Row("decline", None, file(NEW)), id="deleted"),
    ],
)
def test_seeded_becomes_the_factorys(meet: Meet, word: str, ours: str | None, expected: Row) -> None:
    now = {} if ours is None else {"f": ours}
    told = meet({"f": BASE}, now, {"f": NEW}, before="seeded", after=word)
    state = "declined" if ours is None else ""
    assert told == {"f": expected._replace(entry=entry(NEW, word, state=state))}


def test_seeded_that_was_edited_and_becomes_the_factorys_is_a_conflict(meet: Meet) -> None:
    told = meet({"f": "a\n"}, {"f": "mine\n"}, {"f": "b\n"}, before="seeded", after="managed")
    marked = "<<<<<<< yours\nmine\n=======\nb\n>>>>>>> factory-v2\n"
    assert told == {"f": Row("conflict", file(marked), None, open_entry(None, "b\n", "managed"))}


def test_seeded_becomes_the_factorys_under_another_name(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": BASE}, {"g": BASE}, before="seeded", after="managed", renames={"f": "g"})
    assert told == {"g": Row("rename", file(BASE), file(BASE), entry(BASE, "managed"), "f")}


@pytest.mark.parametrize("ours", [BASE, TEAM])
def test_what_becomes_seeded_is_not_touched_and_its_base_is_dropped(meet: Meet, ours: str) -> None:
    told = meet({"f": BASE}, {"f": ours}, {"f": NEW}, before="managed", after="seeded")
    assert told == {"f": Row("keep", entry=entry(NEW, "seeded"))}


@pytest.mark.parametrize("before", ["managed", "merged", "seeded", "produced"])
def test_what_the_project_produces_is_never_touched(meet: Meet, before: str) -> None:
    told = meet({"f": BASE}, {"f": TEAM}, {}, before=before, after={"f": "produced"})
    assert told == {"f": Row("same", entry=Entry("core", "produced"))}


def test_what_the_project_produces_stays_where_it_is_when_it_gets_another_name(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": TEAM}, {}, after={"g": "produced"}, renames={"f": "g"})
    assert told == {"g": Row("same", entry=Entry("core", "produced"))}


def test_produced_that_is_produced_no_more_is_forgotten(meet: Meet) -> None:
    assert meet({"f": BASE}, {"f": TEAM}, {}, before="produced") == {"f": Row("forget")}


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        pytest.param(None, Row("add", file(NEW), file(NEW), entry(NEW)), id="not there"),
        pytest.param(NEW, Row("adopt", None, file(NEW), entry(NEW)), id="the same"),
        pytest.param(
            TEAM, Row("conflict", None, None, open_entry(None, NEW), incoming=file(NEW)), id="different: kept"
        ),
    ],
)
def test_produced_becomes_the_factorys(meet: Meet, ours: str | None, expected: Row) -> None:
    now = {} if ours is None else {"f": ours}
    assert meet({"f": BASE}, now, {"f": NEW}, before="produced") == {"f": expected}


@pytest.mark.parametrize("ours", [BASE, TEAM, None])
@pytest.mark.parametrize("word", ["managed", "merged", "seeded", "produced"])
def test_the_files_of_a_dropped_component_are_kept_and_forgotten(meet: Meet, ours: str | None, word: str) -> None:
    now = {} if ours is None else {"f": ours}
    assert meet({"f": BASE}, now, {}, before=word, components=()) == {"f": Row("forget")}


LOCAL = {"local": ["f"], "states": {"f": "local"}}


@pytest.mark.parametrize("ours", [BASE, TEAM])
def test_a_local_path_whose_proposal_is_known_is_left_alone(meet: Meet, ours: str) -> None:
    told = meet({"f": BASE}, {"f": ours}, {"f": BASE}, **LOCAL)
    assert told == {"f": Row("same", entry=entry(BASE, state="local"))}


@pytest.mark.parametrize("now", [{"f": BASE}, {"f": TEAM}, {}])
def test_a_changed_proposal_for_a_local_path_is_put_beside_it(meet: Meet, now: Contents) -> None:
    """Also in a clone, where what git does not track is not there."""
    told = meet({"f": BASE}, now, {"f": NEW}, local=list(now), states={"f": "local"})
    assert told == {"f": Row("keep", entry=entry(NEW, state="local"), incoming=file(NEW))}


def test_a_local_path_stays_where_it_is_when_the_new_version_renames_it(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": TEAM}, {"g": BASE}, renames={"f": "g"}, **LOCAL)
    assert told == {"g": Row("same", entry=entry(BASE, state="local"))}


def test_a_local_path_that_the_new_version_drops_is_forgotten(meet: Meet) -> None:
    assert meet({"f": BASE}, {"f": BASE}, {}, **LOCAL) == {"f": Row("forget")}


# ---- what stays open -----------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", [{"f": NEW}, {"g": NEW}, {}])
def test_an_open_conflict_is_left_open_by_the_next_sync(meet: Meet, theirs: Contents) -> None:
    """Whatever that brings, the base of the open file does not advance."""
    told = meet({"f": BASE}, {"f": MARKED}, theirs, states={"f": "open"}, renames={"f": "g"})
    assert told["f"] == Row("keep", None, file(BASE), entry(BASE, version="v1", state="open"))
    added = {"g": Row("add", file(NEW), file(NEW), entry(NEW))} if "g" in theirs else {}
    assert {path: row for path, row in told.items() if path != "f"} == added


def test_no_change_follows_an_open_file_that_the_team_moved(meet: Meet) -> None:
    told = meet({"f": BASE, "g": "g\n"}, {"mine": TEAM}, {"f": NEW, "g": "h\n"}, states={"f": "open"})
    assert {path: row.action for path, row in told.items()} == {"f": "keep", "g": "decline"}


def test_what_was_declined_is_as_any_other_path_once_it_is_back(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": TEAM}, {"f": NEW}, states={"f": "declined"})
    assert told == {"f": Row("merge", file(BOTH), file(NEW), entry(NEW))}


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        pytest.param(BASE, Row("change", file(NEW), file(NEW), entry(NEW)), id="untouched, by its id"),
        pytest.param(NEW, Row("adopt", None, file(NEW), entry(NEW)), id="the same"),
        pytest.param(None, Row("decline", None, file(NEW), entry(NEW, state="declined")), id="deleted"),
    ],
)
def test_without_a_base_ids_tell_most(meet: Meet, ours: str | None, expected: Row) -> None:
    now = {"team.txt": "x\n"} | ({} if ours is None else {"f": ours})
    assert meet({"f": BASE}, now, {"f": NEW}, unknown=["f"]) == {"f": expected}


def test_without_a_base_an_edited_file_is_a_conflict(meet: Meet) -> None:
    told = meet({"f": "a\n"}, {"f": "mine\n"}, {"f": "b\n"}, unknown=["f"])
    marked = "<<<<<<< yours\nmine\n=======\nb\n>>>>>>> factory-v2\n"
    assert told == {"f": Row("conflict", file(marked), None, open_entry(None, "b\n"))}


def test_without_a_base_an_edited_file_that_upstream_drops_is_a_conflict(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": TEAM}, {"g": NEW}, unknown=["f"])
    assert told["f"] == Row("conflict", None, None, open_entry(None, None))


# ---- modes, links, folders, bytes ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param(BASE, ran(BASE), Row("change", ran(BASE)), id="upstream sets it"),
        pytest.param(ran(BASE), BASE, Row("same"), id="the team sets it"),
        pytest.param(ran(BASE), ran(BASE), Row("adopt"), id="both set it"),
        pytest.param(ran(BASE), NEW, Row("merge", ran(NEW)), id="the team sets it, upstream changes a line"),
        pytest.param(TEAM, ran(BASE), Row("merge", ran(TEAM)), id="upstream sets it, the team changes a line"),
        pytest.param(ran(TEAM), ran(NEW), Row("merge", ran(BOTH)), id="both set it and change lines"),
    ],
)
def test_modes_are_merged_like_content(meet: Meet, ours: Content, theirs: Content, expected: Row) -> None:
    told = meet({"f": BASE}, {"f": ours}, {"f": theirs})
    assert told == {"f": expected._replace(base=file(theirs), entry=entry(theirs))}


def test_a_mode_that_upstream_takes_back_is_taken_back(meet: Meet) -> None:
    assert meet({"f": ran(BASE)}, {"f": ran(TEAM)}, {"f": BASE}) == {
        "f": Row("merge", file(TEAM), file(BASE), entry(BASE))
    }


@pytest.mark.parametrize("base", [b"\0base", b"base\n"])
def test_binaries_that_both_changed_are_a_conflict_beside_the_teams(meet: Meet, base: bytes) -> None:
    told = meet({"f": base}, {"f": b"\0ours"}, {"f": b"\0theirs"})
    assert told == {"f": Row("conflict", None, file(base), open_entry(base, b"\0theirs"), incoming=file(b"\0theirs"))}


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param(link("a"), link("b"), Row("change", link("b"), link("b"), entry(link("b"))), id="upstream"),
        pytest.param(link("c"), link("a"), Row("same", None, link("a"), entry(link("a"))), id="the team"),
        pytest.param(
            link("c"),
            link("b"),
            Row("conflict", None, link("a"), open_entry(link("a"), link("b")), incoming=link("b")),
            id="both",
        ),
        pytest.param(
            BASE,
            link("b"),
            Row("conflict", None, link("a"), open_entry(link("a"), link("b")), incoming=link("b")),
            id="upstream, and the team made it a file",
        ),
        pytest.param(
            link("c"),
            NEW,
            Row("conflict", None, link("a"), open_entry(link("a"), NEW), incoming=file(NEW)),
            id="the team, and upstream made it a file",
        ),
    ],
)
def test_links_are_retargeted(meet: Meet, ours: Content, theirs: Content, expected: Row) -> None:
    assert meet({"f": link("a")}, {"f": ours}, {"f": theirs}) == {"f": expected}


def test_an_untouched_file_becomes_a_folder_and_a_folder_a_file(meet: Meet) -> None:
    told = meet({"f": "f\n", "d/x": "x\n"}, {"f": "f\n", "d/x": "x\n"}, {"f/y": "y\n", "d": "d\n"})
    assert told == {
        "d": Row("add", file("d\n"), file("d\n"), entry("d\n")),
        "d/x": Row("delete"),
        "f": Row("delete"),
        "f/y": Row("add", file("y\n"), file("y\n"), entry("y\n")),
    }


def test_an_edited_file_that_becomes_a_folder_is_kept(meet: Meet) -> None:
    """No proposal can lie below a file: it waits in the base."""
    assert meet({"f": BASE}, {"f": TEAM}, {"f/y": "y\n"}) == {
        "f": Row("conflict", None, file(BASE), open_entry(BASE, None)),
        "f/y": Row("conflict", None, None, open_entry(None, "y\n")),
    }


def test_an_edited_file_below_a_folder_that_becomes_a_file_is_kept(meet: Meet) -> None:
    assert meet({"d/x": BASE}, {"d/x": TEAM}, {"d": "d\n"}) == {
        "d": Row("conflict", None, None, open_entry(None, "d\n"), incoming=file("d\n")),
        "d/x": Row("conflict", None, file(BASE), open_entry(BASE, None)),
    }


def test_a_file_where_the_team_has_a_folder_or_a_file_is_a_conflict(meet: Meet) -> None:
    assert meet({}, {"d/mine": "x\n", "f": "x\n"}, {"d": "d\n", "f/y": "y\n"}) == {
        "d": Row("conflict", None, None, open_entry(None, "d\n"), incoming=file("d\n")),
        "f/y": Row("conflict", None, None, open_entry(None, "y\n")),
    }


def test_an_edited_file_whose_new_place_is_taken_stays(meet: Meet) -> None:
    """Both are kept: the file in the way, and the one that would have moved below it."""
    other = "".join(f"other {number}\n" for number in range(20))
    assert meet({"f": other, "g": BASE}, {"f": other + "mine\n", "g": TEAM}, {"f/y": BASE}) == {
        "f": Row("conflict", None, file(other), open_entry(other, None)),
        "f/y": Row("conflict", None, None, open_entry(None, BASE)),
        "g": Row("conflict", None, file(BASE), open_entry(BASE, None)),
    }


def test_a_declared_rename_into_a_folder_of_its_own_name(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": TEAM}, {"f/g": NEW}, renames={"f": "f/g"})
    assert told == {"f/g": Row("merge", file(BOTH), file(NEW), entry(NEW), "f")}


def crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param(crlf(BASE), BASE, Row("same"), id="only endings differ"),
        pytest.param(BASE, crlf(BASE), Row("same"), id="only endings differ upstream"),
        pytest.param(crlf(BASE), NEW, Row("change", file(crlf(NEW))), id="untouched, changed"),
        pytest.param(crlf(TEAM), NEW, Row("merge", file(crlf(BOTH))), id="edited, changed"),
        pytest.param(TEAM, crlf(NEW), Row("merge", file(BOTH)), id="upstream has the other endings"),
        pytest.param(crlf(NEW), NEW, Row("adopt"), id="the same change"),
    ],
)
def test_line_endings_are_neither_drift_nor_conflict(meet: Meet, ours: Content, theirs: Content, expected: Row) -> None:
    told = meet({"f": BASE}, {"f": ours}, {"f": theirs})
    assert told == {"f": expected._replace(base=file(theirs), entry=entry(theirs))}


def test_the_markers_of_a_conflict_have_the_teams_endings(meet: Meet) -> None:
    told = meet({"f": BASE}, {"f": crlf(CLASH)}, {"f": NEW})
    assert told == {"f": Row("conflict", file(crlf(MARKED)), file(BASE), open_entry(BASE, NEW))}


# ---- what git merges, and what it may not --------------------------------------------------------


TOML = "".join(f"k{number} = 1\n" for number in range(9))
YAML = TOML.replace(" = ", ": ")
JSON = "{\n" + "".join(f' "k{number}": 1,\n' for number in range(9)) + ' "end": 1\n}\n'


@pytest.mark.parametrize(
    ("path", "base", "line"),
    [
        pytest.param("f.toml", TOML, "x = {}\n", id="TOML"),
        pytest.param("f.yaml", YAML, "x: {}\n", id="YAML"),
        pytest.param("f.yml", YAML, "x: {}\n", id="YML"),
        pytest.param("f.json", JSON, ' "x": {},\n', id="JSON"),
    ],
)
def test_a_clean_merge_that_is_no_valid_file_is_a_conflict(meet: Meet, path: str, base: str, line: str) -> None:
    """Both add a key, each in another place: the team's file stays as it is, and valid."""
    first, last = base.splitlines(keepends=True)[1], base.splitlines(keepends=True)[8]
    ours = base.replace(first, first + line.format(1))
    theirs = base.replace(last, last + line.format(2))
    assert meet({path: base}, {path: ours}, {path: theirs}) == {
        path: Row("conflict", None, file(base), open_entry(base, theirs), incoming=file(theirs))
    }


def test_a_file_that_was_broken_before_is_merged_by_lines(meet: Meet) -> None:
    base, ours, theirs = (f"= broken\n{text}" for text in (BASE, TEAM, NEW))
    told = meet({"f.toml": base}, {"f.toml": ours}, {"f.toml": theirs})
    assert told == {"f.toml": Row("merge", file(f"= broken\n{BOTH}"), file(theirs), entry(theirs))}


@pytest.mark.parametrize("path", ["f.toml", "f.yaml", "f.yml", "f.json"])
def test_no_marker_comes_into_a_file_whose_parser_guards_the_commit(meet: Meet, path: str) -> None:
    base, ours, theirs = (f'{{"a": {number}}}\n' for number in (1, 2, 3))
    assert meet({path: base}, {path: ours}, {path: theirs}) == {
        path: Row("conflict", None, file(base), open_entry(base, theirs), incoming=file(theirs))
    }


@pytest.mark.parametrize(
    ("path", "content", "valid"),
    [
        ("f.toml", b"a = 1\n", True),
        ("f.toml", b"a = 1\na = 2\n", False),
        ("f.toml", b"\xff", False),
        ("f.json", b'{"a": {"b": 1}, "c": {"b": 1}}', True),
        ("f.json", b'{"a": {"b": 1, "b": 2}}', False),
        ("f.json", b"[" * 100_000, False),
        ("f.yaml", b"a: [1]\n", True),
        ("f.yml", b"a: [1\n", False),
        ("f.py", b"def (", True),
    ],
)
def test_the_formats_that_are_guarded(path: str, content: bytes, valid: bool) -> None:
    assert structured.valid(path, content) is valid


DEPENDENCIES = '[project]\ndependencies = [\n  "a",\n]\n\n[tool.x]\n' + "".join(
    f"k{number} = 1\n" for number in range(9)
)


def with_more(content: str, *lines: str) -> str:
    """Dependencies added at the end of the list."""
    return content.replace('  "a",\n', '  "a",\n' + "".join(f"  {line},\n" for line in lines))


OURS, THEIRS = with_more(DEPENDENCIES, '"mine"'), with_more(DEPENDENCIES, '"new"')
JOINED = with_more(DEPENDENCIES, '"new"', '"mine"')


@pytest.mark.parametrize("word", ["managed", "merged"])
def test_lines_that_clash_are_merged_by_what_identifies_their_entries(meet: Meet, word: str) -> None:
    told = meet({"f.toml": DEPENDENCIES}, {"f.toml": OURS}, {"f.toml": THEIRS}, before=word, after=word)
    assert told == {"f.toml": Row("merge", file(JOINED), file(THEIRS), entry(THEIRS, word))}


def test_the_merged_entries_have_the_teams_line_endings(meet: Meet) -> None:
    told = meet({"f.toml": DEPENDENCIES}, {"f.toml": crlf(OURS)}, {"f.toml": THEIRS})
    assert told["f.toml"].file == file(crlf(JOINED))


def test_an_entry_that_a_clean_merge_would_double_stands_once(meet: Meet) -> None:
    """Both add one dependency, each in another place: the lines do not clash, the entries do or are one."""
    base = DEPENDENCIES.replace('  "a",\n', "".join(f'  "a{number}",\n' for number in range(9)))
    ours = base.replace('  "a1",\n', '  "a1",\n  "both>=1",\n')
    same, other = (base.replace('  "a7",\n', f'  "a7",\n  "both>={bound}",\n') for bound in (1, 2))
    assert meet({"f.toml": base}, {"f.toml": ours}, {"f.toml": same}) == {
        "f.toml": Row("merge", file(ours), file(same), entry(same))
    }
    assert meet({"f.toml": base}, {"f.toml": ours}, {"f.toml": other}) == {
        "f.toml": Row("conflict", None, file(base), open_entry(base, other), incoming=file(other))
    }


def test_entries_are_merged_in_a_file_that_the_new_version_renames(meet: Meet) -> None:
    assert meet({"f.toml": DEPENDENCIES}, {"f.toml": OURS}, {"g.toml": THEIRS}) == {
        "f.toml": Row("delete"),
        "g.toml": Row("merge", file(JOINED), file(THEIRS), entry(THEIRS), "f.toml"),
    }


def test_entries_are_merged_in_a_file_that_the_team_moved(meet: Meet) -> None:
    assert meet({"f.toml": DEPENDENCIES}, {"mine.toml": OURS}, {"f.toml": THEIRS}) == {
        "f.toml": Row("decline", None, file(THEIRS), entry(THEIRS, state="declined")),
        "mine.toml": Row("merge", file(JOINED)),
    }


def test_entries_are_not_merged_where_the_base_is_not_known(meet: Meet) -> None:
    told = meet({"f.toml": DEPENDENCIES}, {"f.toml": OURS}, {"f.toml": THEIRS}, unknown=["f.toml"])
    assert told["f.toml"].action == "conflict"


@pytest.mark.parametrize(
    ("ours", "theirs", "mode"),
    [
        (file(OURS), ran(THEIRS), EXECUTABLE),
        (ran(OURS), file(THEIRS), EXECUTABLE),
        (file(OURS), link("elsewhere"), None),
    ],
)
def test_merged_entries_and_modes(meet: Meet, ours: File, theirs: File, mode: str | None) -> None:
    told = meet({"f.toml": DEPENDENCIES}, {"f.toml": ours}, {"f.toml": theirs})["f.toml"]
    assert (told.action, told.file) == (("merge", file(JOINED)._replace(mode=mode)) if mode else ("conflict", None))


def test_two_files_of_one_name_and_different_modes_are_not_merged(meet: Meet) -> None:
    told = meet({}, {"f.toml": file("a = 1\n")}, {"f.toml": ran("b = 1\n")})
    assert told["f.toml"].action == "conflict"


def blocks(**changed: str) -> str:
    """Eight equal functions; `b3="x"` changes the body of the third."""
    bodies = {f"b{number}": "pass" for number in range(1, 9)} | changed
    return "".join(f"def step() -> None:\n    {body}\n\n\n" for body in bodies.values())


@pytest.mark.parametrize(("mine", "new"), [("b2", "b7"), ("b7", "b2"), ("b1", "b8")])
def test_an_edit_stays_in_its_own_of_many_equal_blocks(meet: Meet, mine: str, new: str) -> None:
    told = meet({"f": blocks()}, {"f": blocks(**{mine: "mine()"})}, {"f": blocks(**{new: "new()"})})
    assert told["f"].file == file(blocks(**{mine: "mine()", new: "new()"}))


def test_a_merge_that_equals_another_file_of_the_teams_is_as_clean_as_any(meet: Meet) -> None:
    told = meet({"f": BASE, "g": BASE}, {"f": TEAM, "copy": BOTH}, {"f": NEW, "g": NEW})
    assert told["f"] == Row("merge", file(BOTH), file(NEW), entry(NEW))


# ---- nothing vanishes ----------------------------------------------------------------------------


FILES = {name: "".join(f"{name} {number}\n" for number in range(8)) for name in "abc"}
PLACES = ("a", "b", "c", "d", "a/x")


class Edit(NamedTuple):
    """A line put into a file in place of some others (none: an insertion), or the file moved (empty: deleted)."""

    name: str
    line: int
    replaced: int
    to: str | None


edits = st.lists(
    st.builds(
        Edit,
        st.sampled_from("abc"),
        st.integers(0, 8),
        st.integers(0, 3),
        st.none() | st.none() | st.none() | st.sampled_from(["", *PLACES[3:]]),
    ),
    max_size=5,
)


def edited(who: str, changes: list[Edit], places: str = "") -> dict[str, str]:
    """The three files after some edits; each written line is nobody else's."""
    lines = {name: text.splitlines(keepends=True) for name, text in FILES.items()}
    names = {name: name for name in FILES}
    for number, change in enumerate(changes):
        lines[change.name][change.line : change.line + change.replaced] = [f"{who} {number}\n"]
        if change.to is not None and change.to not in names.values():
            names[change.name] = change.to and places + change.to
    return {
        names[name]: "".join(text)
        for name, text in lines.items()
        if names[name] and not (names[name] == "a/x" and names["a"] == "a")
    }


def lines_of(contents: Iterable[bytes]) -> set[bytes]:
    return {line for content in contents for line in content.splitlines()}


@settings(max_examples=100, deadline=None)
@given(edits, edits, st.booleans())
def test_no_line_that_only_the_team_has_is_lost(
    repository: Path, mine: list[Edit], new: list[Edit], declared: bool
) -> None:
    """Whatever both sides edit, move and delete: it is in the project afterwards, in a conflict too."""
    ours, theirs = edited("team", mine, "mine/"), edited("factory", new)
    moves = {change.name: change.to for change in new if change.to} if declared else {}
    told = _meet(repository, FILES, ours, theirs, renames=moves)
    after = {path: file(text).content for path, text in ours.items()}
    for path, row in told.items():
        if row.source or row.action == "delete":
            after.pop(row.source or path, None)
    after |= {path: row.file.content for path, row in told.items() if row.file}
    kept = lines_of(after.values())
    assert {line for line in lines_of(file(text).content for text in ours.values()) if b"team" in line} <= kept
    if not any(row.action in ("conflict", "decline") for row in told.values()):
        assert b"<<<<<<<" not in b"".join(after.values())
        assert {line for line in lines_of(file(text).content for text in theirs.values()) if b"factory" in line} <= kept
    assert after.keys().isdisjoint(place.rpartition("/")[0] for place in after)  # no file is a folder too
