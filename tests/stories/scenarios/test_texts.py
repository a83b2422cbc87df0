"""One file, changed on both sides: what is joined, what is a conflict, and that no line is put where it was not.

Where a table has many rows, they are files of one project, named by their case, and meet one sync.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import commit, git
from tests.stories.scenarios.story import (
    BASE,
    BOTH,
    CLASH,
    MARKED,
    NEW,
    TEAM,
    Content,
    Story,
    clean,
    contents,
    crlf,
    file,
    lay,
    loud,
    marked,
    numbered,
    ran,
    stamped,
)

LATIN = numbered(l1="Gr\xfc\xdfe").encode("latin-1")  # no UTF-8
WORDS = numbered(l5="naïve")

# case: base, ours, theirs, both
JOINED: dict[str, tuple[Content, Content, Content, Content]] = {
    "other lines": (BASE, TEAM, NEW, BOTH),
    "the same change on both sides": (BASE, NEW, NEW, NEW),
    "the same and one more": (BASE, numbered(l3="the factory's", l18="the team's"), NEW, BOTH),
    "only the team": (BASE, TEAM, BASE, TEAM),
    "only the factory": (BASE, BASE, NEW, NEW),
    "no newline at the end": (BASE[:-1], TEAM[:-1], NEW[:-1], BOTH[:-1]),
    "the team took the last newline": (BASE, TEAM[:-1], NEW, BOTH[:-1]),
    "empty, filled by the team": ("", "mine\n", "", "mine\n"),
    "empty, filled by the factory": ("", "", "new\n", "new\n"),
    "emptied by the team": (BASE, "", BASE, ""),
    "no UTF-8": (LATIN, LATIN + b"\xe4\n", b"new\n" + LATIN, b"new\n" + LATIN + b"\xe4\n"),
    "beyond ASCII": (
        WORDS,
        numbered(l5="naïve", l18="日本語"),
        numbered(l5="naïve", l3="Grüße 🎉"),
        numbered(l5="naïve", l3="Grüße 🎉", l18="日本語"),
    ),
    "lines of the team that look like markers": (
        BASE,
        numbered(l18="======="),
        NEW,
        numbered(l18="=======", l3="the factory's"),
    ),
}


def told(tmp_path: Path, table: dict[str, tuple[Content, Content, Content, Content]]) -> Story:
    """A project with a file for each row, as the team and then the factory changed it."""
    story = stamped(tmp_path, {case: row[0] for case, row in table.items()})
    story.team({case: row[1] for case, row in table.items()})
    story.release({case: row[2] for case, row in table.items()}, 2)
    return story


def test_both_edits_of_one_file_survive(tmp_path: Path) -> None:
    """A text is edited here and changed elsewhere in the factory: both survive, and the lock names the new version."""
    story = told(tmp_path, JOINED)
    clean(story, {case: row[3] for case, row in JOINED.items()})
    assert story.lock()["components"] == {"core": "2.0.0"}


CLASHES: dict[str, tuple[Content, Content, Content, Content]] = {
    "the same line": (BASE, CLASH, NEW, MARKED),
    "neighbouring lines": (
        BASE,
        numbered(l4="the team's"),
        NEW,
        BASE.replace("line 3\nline 4\n", marked("line 3\nthe team's\n", "the factory's\nline 4\n")),
    ),
    "both append": (BASE, BASE + "mine\n", BASE + "new\n", BASE + marked("mine\n", "new\n")),
    "beyond ASCII": (BASE, BASE + "größer ≥ 1\n", BASE + "日本語\n", BASE + marked("größer ≥ 1\n", "日本語\n")),
    "no UTF-8": (
        LATIN,
        LATIN + b"\xe4\n",
        LATIN + b"\xf6\n",
        LATIN + marked("ä\n", "ö\n").encode("latin-1"),
    ),
    "emptied by the team": (BASE, "", NEW, marked("", NEW)),
    "we ird\t!\n*ü [x].md": (BASE, CLASH, NEW, MARKED),
    "-f.rej": (BASE, CLASH, NEW, MARKED),
}


def test_both_change_the_same_lines(tmp_path: Path) -> None:
    """The same or neighbouring lines differ: exactly the two alternatives stand in the file, and git has the three."""
    story = told(tmp_path, CLASHES)
    story.team({".gitignore": "*.rej\n"})
    tree = {case: row[3] for case, row in CLASHES.items()}
    loud(story, {**tree, ".gitignore": "*.rej\n"}, dict.fromkeys(CLASHES, "123"))
    case = "we ird\t!\n*ü [x].md"
    sides = [git(story.project, "cat-file", "blob", f":{stage}:./{case}") for stage in (1, 2, 3)]
    assert sides == [text.strip() for text in (BASE, CLASH, NEW)]


def test_an_answer_and_an_edit_at_the_same_spot(tmp_path: Path) -> None:
    """A new answer changes the line that the team edited: the conflict shows the two alternatives and nothing else."""
    files = {"f.txt.jinja": numbered(l3="level {{ level }}")}
    story = stamped(tmp_path, files, questions={"level": {"default": "low"}})
    story.team({"f.txt": numbered(l3="level mine")})
    both = BASE.replace("line 3\n", marked("level mine\n", "level high\n"))
    loud(story, {"f.txt": both}, {"f.txt": "123"}, "--data", "level=high")


def blocks(**changed: str) -> str:
    """Eight functions of equal lines; `b3="x"` changes the body of the third, `b0` puts one more in front."""
    bodies = {**({"b0": ""} if "b0" in changed else {}), **{f"b{number}": "pass" for number in range(1, 9)}} | changed
    return "".join(f"def step() -> None:\n    setup()\n    {body}\n    tear_down()\n\n\n" for body in bodies.values())


def test_an_edit_in_one_of_many_equal_blocks_stays_in_it(tmp_path: Path) -> None:
    """The factory puts a block in front of equal ones: the edit in the team's block is still in that block."""
    names = [f"b{number}" for number in range(2, 9)]
    story = stamped(tmp_path, dict.fromkeys([*names, "b1"], blocks()))
    story.team({name: blocks(**{name: "mine()"}) for name in [*names, "b1"]})
    story.release(dict.fromkeys([*names, "b1"], blocks(b0="new()")), 2)
    result = story.sync("--json")
    after = contents(story.project)
    assert {name: after[name] for name in names} == {
        name: file(blocks(b0="new()", **{name: "mine()"})) for name in names
    }
    # the new block touches the first one: a person must decide, and sees both
    assert (result.code, result.data["conflicts"]) == (1, ["b1"])
    assert {b"    mine()", b"    new()"} <= set(after["b1"].content.splitlines())


ADDED: dict[str, tuple[Content, Content, dict[str, Content], str]] = {  # ours, theirs, the tree, stages
    "partly equal": ("a\nb\n", "a\nc\n", {"partly equal": "a\n" + marked("b\n", "c\n")}, "23"),
    "different": ("b\n", "c\n", {"different": marked("b\n", "c\n")}, "23"),
    "f.toml": ("b = 1\nx = 1\n", "b = 2\n", {"f.toml": "b = 1\nx = 1\n", "f.toml.incoming": "b = 2\n"}, ""),
    "f.bin": (b"\0b", b"\0c", {"f.bin": b"\0b", "f.bin.incoming": b"\0c"}, ""),
}


def test_both_add_one_path_with_different_content(tmp_path: Path) -> None:
    """Both sides add the same path: merged or a conflict, and the team's file is never replaced."""
    story = stamped(tmp_path, {"a.txt": "a\n"})
    story.team({path: row[0] for path, row in ADDED.items()})
    story.release({"a.txt": "a\n", **{path: row[1] for path, row in ADDED.items()}}, 2)
    tree = {path: content for row in ADDED.values() for path, content in row[2].items()}
    loud(story, {"a.txt": "a\n", **tree}, {path: row[3] for path, row in ADDED.items()})


def test_both_add_one_path_with_the_same_content(tmp_path: Path) -> None:
    """Both sides add the same path, identical: it is adopted, not unmerged, and is the factory's from now on."""
    story = stamped(tmp_path, {"a.txt": "a\n"})
    added: dict[str, Content] = {"f.txt": NEW, "f.toml": "a = 1\n", "run": ran(NEW), "f.bin": b"\0"}
    story.team(added)
    story.release({"a.txt": "a\n", **added}, 2)
    data = clean(story, {"a.txt": "a\n", **added})
    assert {row["path"]: row["action"] for row in data["changes"]} == dict.fromkeys(sorted(added), "adopt")


BINARIES: dict[str, tuple[bytes, bytes]] = {  # ours, theirs
    "both changed it": (b"\0ours", b"\0theirs"),
    "the team made it a text": (b"text\n", b"\0theirs"),
    "the factory made it a text": (b"\0ours", b"text\n"),
    "UTF-16": ("x\n".encode("utf-16"), "y\n".encode("utf-16")),
}


def test_a_binary_is_never_merged(tmp_path: Path) -> None:
    """A binary changed on both sides: the team's stays, the factory's lies beside it, and the exit code is 1."""
    quiet = {"only the factory": b"\0theirs", "both the same": b"\0same"}
    story = stamped(tmp_path, dict.fromkeys([*BINARIES, *quiet], b"\0base"))
    story.team({"both the same": b"\0same", **{case: ours for case, (ours, _) in BINARIES.items()}})
    story.release({**quiet, **{case: theirs for case, (_, theirs) in BINARIES.items()}}, 2)
    tree = {case: ours for case, (ours, _) in BINARIES.items()}
    beside = {f"{case}.incoming": theirs for case, (_, theirs) in BINARIES.items()}
    loud(story, {**quiet, **tree, **beside}, dict.fromkeys(BINARIES, ""))


# ---- line endings --------------------------------------------------------------------------------

WINDOWS: dict[str, tuple[dict[str, str], str, str]] = {  # settings, attributes, how git stores the files
    "converted": ({}, "", "i/crlf"),
    "autocrlf": ({"core.autocrlf": "true"}, "", "i/lf"),
    "attributes": ({"core.eol": "crlf"}, "*.txt text\n", "i/lf"),
}


@pytest.mark.parametrize("kind", WINDOWS)
@pytest.mark.parametrize("clash", [False, True])
def test_a_project_with_the_line_endings_of_windows(tmp_path: Path, kind: str, clash: bool) -> None:
    """The whole project has CRLF: a sync changes the lines that changed, and the endings stay as they are."""
    settings, attributes, stored = WINDOWS[kind]
    more: dict[str, str] = {".gitattributes": attributes} if attributes else {}
    files = {"untouched.txt": BASE, "edited.txt": BASE, "gone.txt": "x\n", "f.txt": BASE}
    story = stamped(tmp_path, files)
    for key, value in settings.items():
        git(story.project, "config", key, value)
    mine = {"untouched.txt": BASE, "edited.txt": TEAM, "gone.txt": "x\n", "f.txt": CLASH if clash else TEAM}
    story.team({**{path: crlf(text) for path, text in mine.items()}, **more})
    story.release({"untouched.txt": NEW, "edited.txt": NEW, "new.txt": "n\n", "f.txt": NEW}, 2)
    after = {"untouched.txt": NEW, "edited.txt": BOTH, "f.txt": MARKED if clash else BOTH}
    tree: dict[str, Content] = {**{path: crlf(text) for path, text in after.items()}, "new.txt": "n\n", **more}
    if clash:
        loud(story, tree, {"f.txt": "123"})
    else:
        clean(story, tree)
    for path in ("untouched.txt", "edited.txt"):
        assert git(story.project, "ls-files", "--eol", path).split()[0] == stored


def test_endings_that_only_the_factory_changes_are_no_change(tmp_path: Path) -> None:
    """The new version has CRLF where the old one had LF: nothing happens to a file that the team edited or not."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": BASE})
    story.team({"f.txt": TEAM})
    story.release({"f.txt": crlf(BASE), "g.txt": crlf(BASE), "h.txt": "new\n"}, 2)
    clean(story, {"f.txt": TEAM, "g.txt": BASE, "h.txt": "new\n"})


def test_a_file_of_mixed_endings_keeps_each_line_of_the_team(tmp_path: Path) -> None:
    """A file has both endings: what the team wrote is still there after a merge."""
    story = stamped(tmp_path, {"f.txt": BASE})
    story.team({"f.txt": TEAM.encode().replace(b"line 7\n", b"line 7\r\n")})
    story.release({"f.txt": NEW}, 2)
    assert story.sync().code == 0
    assert contents(story.project)["f.txt"].content.replace(b"\r\n", b"\n") == BOTH.encode()


# ---- the team's own tools ------------------------------------------------------------------------


def test_a_formatter_in_a_hook_makes_no_phantom_conflict(tmp_path: Path) -> None:
    """The project's own commit hook reformats what the factory stamped: the next version still merges cleanly."""
    story = stamped(tmp_path, {"f.txt": numbered(l7="x  ", l15="y  "), "g.txt": "z  \n"})
    hook = "#!/bin/sh\nsed -i 's/ *$//' f.txt g.txt\ngit add f.txt g.txt\n"
    lay(story.project / ".git/hooks", {"pre-commit": ran(hook)})
    lay(story.project, {"team.txt": "x\n"})
    commit(story.project)
    assert contents(story.project)["g.txt"] == file("z\n")
    story.release({"f.txt": numbered(l7="x  ", l15="y  ", l3="the factory's"), "g.txt": "z\n"}, 2)
    tree = {"f.txt": numbered(l7="x", l15="y", l3="the factory's"), "g.txt": "z\n", "team.txt": "x\n"}
    clean(story, tree)
