"""Files that come, go and move on either side: edits follow a rename, changes follow a move, nothing is swept away."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.kit import cli, commit, git, rules
from tests.stories.scenarios.story import (
    BASE,
    BOTH,
    CLASH,
    MARKED,
    NEW,
    TEAM,
    Content,
    actions,
    clean,
    contents,
    file,
    lay,
    link,
    loud,
    marked,
    numbered,
    ran,
    refused,
    stamped,
)

OTHER = "".join(f"other {number}\n" for number in range(1, 21))


# ---- the factory renames -------------------------------------------------------------------------


@pytest.mark.parametrize("declared", [False, True])
def test_the_factory_renames_a_file_that_the_team_edited(tmp_path: Path, declared: bool) -> None:
    """The template renames a file that was edited locally: the edit is in the file under its new name."""
    files = {"f.txt": BASE, "g.txt": OTHER, "untouched.txt": "".join(f"u {n}\n" for n in range(20))}
    story = stamped(tmp_path, files)
    story.team({"f.txt": TEAM, "g.txt": OTHER + "mine\n"})
    new = {"docs/f.md": NEW, "docs/g.md": OTHER, "docs/untouched.md": files["untouched.txt"]}
    renames = {"f.txt": "docs/f.md", "g.txt": "docs/g.md", "untouched.txt": "docs/untouched.md"}
    story.release(new, 2, **({"changes": [{"since": "2.0.0", "rename": renames}]} if declared else {}))
    clean(story, {**new, "docs/f.md": BOTH, "docs/g.md": OTHER + "mine\n"})


@pytest.mark.parametrize("declared", [False, True])
def test_the_factory_renames_and_rewrites_what_the_team_edited(tmp_path: Path, declared: bool) -> None:
    """A renamed file clashes with an edit: the conflict is at the new name, and nothing is left at the old one."""
    story = stamped(tmp_path, {"f.txt": BASE})
    story.team({"f.txt": CLASH, "team.txt": "x\n"})
    changes = {"changes": [{"since": "2.0.0", "rename": {"f.txt": "g.txt"}}]}
    story.release({"g.txt": NEW}, 2, **(changes if declared else {}))
    # where nobody declared it, git found it, and tells both names
    names = MARKED if declared else MARKED.replace("yours", "yours:f.txt").replace("> factory", "> factory:g.txt")
    loud(story, {"g.txt": names, "team.txt": "x\n"}, {"g.txt": "123"})


def test_the_factory_renames_a_file_over_ten_releases(tmp_path: Path) -> None:
    """A file was renamed in each of ten releases: one sync brings the edit to the last name."""
    story = stamped(tmp_path, {"f1.txt": BASE})
    story.team({"f1.txt": TEAM})
    chain = [{"since": f"{n}.0.0", "rename": {f"f{n - 1}.txt": f"f{n}.txt"}} for n in range(2, 12)]
    story.release({"f11.txt": NEW}, 11, changes=chain)
    clean(story, {"f11.txt": BOTH})


def test_the_factory_renames_a_folder(tmp_path: Path) -> None:
    """A folder is renamed in which the team edited a file and added one: the edit goes along, the added file stays."""
    story = stamped(tmp_path, {f"old/{n}.txt": f"{n}\n" + BASE for n in "abc"})
    story.team({"old/a.txt": "a\n" + TEAM, "old/mine.txt": "mine\n"})
    story.release({f"new/deep/{n}.txt": f"{n}\n" + NEW for n in "abc"}, 2)
    tree = {"new/deep/a.txt": "a\n" + BOTH, "new/deep/b.txt": "b\n" + NEW, "new/deep/c.txt": "c\n" + NEW}
    clean(story, {**tree, "old/mine.txt": "mine\n"})


def test_the_factory_moves_everything_into_a_subfolder(tmp_path: Path) -> None:
    """The root of the files moves into a subfolder between versions: every edit moves along."""
    names = "abcde"
    story = stamped(tmp_path, {f"{n}.txt": f"{n}\n" + BASE for n in names})
    story.team({f"{n}.txt": f"{n}\n" + TEAM for n in "ace"})
    story.release({f"sub/{n}.txt": f"{n}\n" + NEW for n in names}, 2)
    clean(story, {f"sub/{n}.txt": f"{n}\n" + (BOTH if n in "ace" else NEW) for n in names})


def test_a_file_passes_to_another_component(tmp_path: Path) -> None:
    """A file of one component is another one's in the next version: it is merged as if nothing had happened."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": "g\n"})
    story.team({"f.txt": TEAM})
    other = {"templates/other/component.yaml": "summary: o\n", "templates/other/files/f.txt": NEW}
    story.release({"g.txt": "g\n"}, 2, blueprint={"components": ["core", "other"]}, also=other)
    clean(story, {"f.txt": BOTH, "g.txt": "g\n"})
    assert story.lock()["paths"]["f.txt"]["component"] == "other"


def test_an_answer_renames_files(tmp_path: Path) -> None:
    """An answer in a path changes: the files move, edits and all, and the team's own files stay where they are."""
    files = {"src/{{ package }}/a.py": "a\n" + BASE, "src/{{ package }}/b.py": "b\n" + BASE}
    story = stamped(tmp_path, files, questions={"package": {"default": "one"}})
    story.team({"src/one/a.py": "a\n" + TEAM, "src/one/mine.py": "mine\n"})
    tree = {"src/two/a.py": "a\n" + TEAM, "src/two/b.py": "b\n" + BASE, "src/one/mine.py": "mine\n"}
    clean(story, tree, "--data", "package=two")


def test_a_rename_onto_a_file_of_the_teams_own(tmp_path: Path) -> None:
    """A file is renamed to where the team has one of its own: both are kept, and a person decides."""
    story = stamped(tmp_path, {"f.txt": BASE})
    story.team({"f.txt": TEAM, "g.txt": "mine\n"})
    story.release({"g.txt": BASE}, 2, changes=[{"since": "2.0.0", "rename": {"f.txt": "g.txt"}}])
    assert story.sync("--json").code == 1
    after = contents(story.project)
    lines = {line for item in after.values() for line in item.content.decode().splitlines()}
    assert {"mine", "the team's"} <= lines
    assert {path for path, state in story.states().items() if state == "open"} == set(after)


# ---- the team moves ------------------------------------------------------------------------------


def test_the_team_moved_a_file_and_a_folder(tmp_path: Path) -> None:
    """The team moved a file and a folder: the factory's changes arrive where they are now, and keep arriving."""
    files = {"f.txt": BASE, "d/a.txt": "a\n" + BASE, "d/b.txt": "b\n" + BASE, "stays.txt": OTHER}
    story = stamped(tmp_path, files)
    (story.project / "mine").mkdir()
    git(story.project, "mv", "f.txt", "mine/renamed.txt")
    git(story.project, "mv", "d", "mine/folder")
    story.team({"mine/renamed.txt": TEAM})
    changed = {"f.txt": NEW, "d/a.txt": "a\n" + NEW, "d/b.txt": "b\n" + BASE, "stays.txt": OTHER}
    story.release(changed, 2)
    tree = {"mine/renamed.txt": BOTH, "mine/folder/a.txt": "a\n" + NEW, "mine/folder/b.txt": "b\n" + BASE}
    clean(story, {**tree, "stays.txt": OTHER})
    third = numbered(l3="the factory's", l9="third")
    story.release({**changed, "f.txt": third}, 3)
    tree["mine/renamed.txt"] = numbered(l3="the factory's", l9="third", l18="the team's")
    clean(story, {**tree, "stays.txt": OTHER})


def test_the_team_moved_a_file_and_both_changed_one_line(tmp_path: Path) -> None:
    """A change clashes with a file that the team moved: the file stays, and the new version waits where it was."""
    story = stamped(tmp_path, {"f.txt": BASE})
    git(story.project, "mv", "f.txt", "mine.txt")
    story.team({"mine.txt": CLASH})
    story.release({"f.txt": NEW}, 2)
    loud(story, {"mine.txt": CLASH, "f.txt.incoming": NEW}, {"f.txt": ""})


def test_both_moved_one_file_to_different_places(tmp_path: Path) -> None:
    """Team and factory renamed a file differently: the team's stays, the other place is an open conflict."""
    story = stamped(tmp_path, {"f.txt": BASE})
    git(story.project, "mv", "f.txt", "mine.txt")
    story.team({"mine.txt": TEAM})
    story.release({"theirs.txt": BASE}, 2)
    loud(story, {"mine.txt": TEAM, "theirs.txt.incoming": BASE}, {"theirs.txt": ""})


def test_the_team_moved_a_managed_file(tmp_path: Path) -> None:
    """The team moved a file that is promised: the change follows it, and `check` says that it is missing."""
    story = stamped(tmp_path, {"f.txt": BASE}, ownership={"f.txt": "managed"})
    git(story.project, "mv", "f.txt", "mine.txt")
    story.team({})
    story.release({"f.txt": NEW}, 2, ownership={"f.txt": "managed"})
    clean(story, {"mine.txt": NEW}, found=[("AF003", "f.txt")])


# ---- deletions -----------------------------------------------------------------------------------


def test_the_team_deleted_what_the_factory_changes(tmp_path: Path) -> None:
    """A file that was deleted locally and changed in the factory stays deleted, and every sync names it."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": "g\n"})
    story.team({"f.txt": None})
    story.release({"f.txt": NEW, "g.txt": "g\n"}, 2)
    data = clean(story, {"g.txt": "g\n"})
    assert (actions(data), story.states()) == ({"f.txt": "decline"}, {"f.txt": "declined"})
    story.release({"f.txt": BASE, "g.txt": "3\n"}, 3)
    assert actions(clean(story, {"g.txt": "3\n"})) == {"f.txt": "decline", "g.txt": "change"}


def test_a_deleted_file_is_no_pattern_for_others(tmp_path: Path) -> None:
    """The team deleted `test.txt` at the root: files of that name elsewhere, and odd names, are their own."""
    odd = [
        "sp ace",
        'quo"te',
        "ün ïcode",
        "-dash",
        "tab\there",
        "new\nline",
        "*",
        "!bang",
        "[ab]",
        "a?b",
        "'",
        "`x`",
        "$(x)",
    ]
    story = stamped(tmp_path, {"test.txt": "1\n", "sub/test.txt": "1\n", **dict.fromkeys(odd, "1\n"), "b": "1\n"})
    gone = dict.fromkeys(["test.txt", *odd[:-1]])
    story.team(gone)
    story.release({"test.txt": "2\n", "sub/test.txt": "2\n", **dict.fromkeys(odd, "2\n"), "b": "2\n"}, 2)
    data = clean(story, {"sub/test.txt": "2\n", odd[-1]: "2\n", "b": "2\n"})
    assert {path for path, action in actions(data).items() if action == "decline"} == set(gone)


@pytest.mark.parametrize("declared", [False, True])
def test_the_factory_deletes_what_the_team_edited(tmp_path: Path, declared: bool) -> None:
    """A file that the factory deletes, declared or not, was edited: it is kept, and a person decides."""
    story = stamped(tmp_path, {"d/f.txt": BASE, "d/emptied.txt": BASE, "g.txt": "g\n", "untouched.txt": "u\n"})
    story.team({"d/f.txt": TEAM, "d/emptied.txt": ""})
    removed = {"changes": [{"since": "2.0.0", "remove": ["d/f.txt", "d/emptied.txt", "untouched.txt"]}]}
    story.release({"g.txt": "g\n"}, 2, **(removed if declared else {}))
    loud(story, {"d/f.txt": TEAM, "d/emptied.txt": "", "g.txt": "g\n"}, {"d/f.txt": "", "d/emptied.txt": ""})


def test_what_the_factory_deletes_goes_and_what_the_team_added_stays(tmp_path: Path) -> None:
    """Files and folders that the factory deletes go; the team's files in them stay, ignored ones too."""
    files = {"d/a.txt": "a\n", "e/f/b.txt": "b\n", "g/c.txt": "c\n", "stays.txt": "s\n"}
    story = stamped(tmp_path, files)
    story.team({"d/mine.txt": "mine\n", ".gitignore": "*.log\n"})
    lay(story.project, {"g/run.log": "ignored\n"})
    story.release({"stays.txt": "s\n"}, 2)
    kept = {"d/mine.txt": "mine\n", ".gitignore": "*.log\n", "g/run.log": "ignored\n", "stays.txt": "s\n"}
    clean(story, kept)
    assert not (story.project / "e").exists()


def test_both_deleted_a_file(tmp_path: Path) -> None:
    """A file is gone on both sides: it is forgotten."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": "g\n"})
    story.team({"f.txt": None})
    story.release({"g.txt": "g\n"}, 2)
    clean(story, {"g.txt": "g\n"})
    assert list(story.lock()["paths"]) == ["g.txt"]


def test_a_file_that_the_team_deleted_comes_back_by_its_hand(tmp_path: Path) -> None:
    """The team puts a deleted file back, edited: it is as any other from then on."""
    story = stamped(tmp_path, {"f.txt": BASE})
    story.team({"f.txt": None})
    story.release({"f.txt": NEW}, 2)
    clean(story, {})
    story.team({"f.txt": numbered(l3="the factory's", l18="the team's")})
    story.release({"f.txt": numbered(l3="the factory's", l9="third")}, 3)
    clean(story, {"f.txt": numbered(l3="the factory's", l9="third", l18="the team's")})


# ---- files and folders ---------------------------------------------------------------------------


def test_a_file_becomes_a_folder_and_a_folder_a_file(tmp_path: Path) -> None:
    """File and folder change places in the factory, and nobody had edited them: they change places here."""
    story = stamped(tmp_path, {"f": "f\n", "d/x": "x\n", "d/e/y": "y\n"})
    story.release({"f/g": "g\n", "f/h/i": "i\n", "d": "d\n"}, 2)
    clean(story, {"f/g": "g\n", "f/h/i": "i\n", "d": "d\n"})


def test_an_edited_file_becomes_a_folder(tmp_path: Path) -> None:
    """The factory needs a folder where the team edited a file: the file stays, the new ones wait."""
    story = stamped(tmp_path, {"f": BASE, "g": "1\n"})
    story.team({"f": TEAM})
    story.release({"f/x": "x\n", "f/y": "y\n", "g": "2\n"}, 2)
    loud(story, {"f": TEAM, "g": "2\n"}, {"f": "", "f/x": "", "f/y": ""})
    assert cli("sync", "--show", "theirs", "f/x", cwd=story.project).out == "x\n"


def test_a_folder_in_which_the_team_works_becomes_a_file(tmp_path: Path) -> None:
    """The factory puts a file where the team has files in a folder: they stay, the new one lies beside."""
    story = stamped(tmp_path, {"d/x": "x\n"})
    story.team({"d/mine": "mine\n"})
    story.release({"d": "d\n"}, 2)
    loud(story, {"d/mine": "mine\n", "d.incoming": "d\n"}, {"d": ""})


def test_the_team_put_a_folder_where_its_file_was(tmp_path: Path) -> None:
    """The team made a folder of a file that the factory changes: that is a deletion, and the folder stays."""
    story = stamped(tmp_path, {"f": BASE})
    story.team({"f": None})
    story.team({"f/part 1": "1\n"})
    story.release({"f": NEW}, 2)
    assert actions(clean(story, {"f/part 1": "1\n"})) == {"f": "decline"}


# ---- names ---------------------------------------------------------------------------------------

NAMES = (
    "sp ace.txt",
    'quo"te.txt',
    "new\nline.txt",
    "tab\t.txt",
    "ünïcödé/日本.txt",
    "-dash.txt",
    "--help",
    "*.txt",
    "!bang.txt",
    "#hash.txt",
    ":(top)x",
    ":colon",
    "a'b`c$(d).txt",
    "trailing ",
    "bell\x07.txt",
    "{}.txt",
    "%s%0a.txt",
    "~",
)


def test_files_of_any_name_are_merged_deleted_renamed_and_in_conflict(tmp_path: Path) -> None:
    """Names with spaces, quotes, line breaks, stars, dashes and beyond ASCII meet each of a sync's endings."""
    story = stamped(tmp_path, {**{f"merged/{n}": BASE for n in NAMES}, **{f"gone/{n}": OTHER for n in NAMES}})
    story.team({f"merged/{n}": TEAM for n in NAMES})
    story.release({**{f"merged/{n}": NEW for n in NAMES}, **{f"new/{n}": "n\n" for n in NAMES}}, 2)
    clean(story, {**{f"merged/{n}": BOTH for n in NAMES}, **{f"new/{n}": "n\n" for n in NAMES}})
    story.team({f"merged/{n}": CLASH for n in NAMES} | {f"new/{n}": b"\0ours" for n in NAMES})
    third = numbered(l3="third")
    story.release({**{f"merged/{n}": third for n in NAMES}, **{f"new/{n}": b"\0new" for n in NAMES}}, 3)
    conflict = BASE.replace("line 3\n", marked("the team's\n", "third\n"))
    tree: dict[str, Content] = {f"merged/{n}": conflict for n in NAMES}
    tree |= {f"new/{n}": b"\0ours" for n in NAMES} | {f"new/{n}.incoming": b"\0new" for n in NAMES}
    loud(story, tree, {f"merged/{n}": "123" for n in NAMES} | {f"new/{n}": "" for n in NAMES})
    assert not [row for row in git(story.project, "status", "--porcelain").splitlines() if row.startswith("??")]
    before = git(story.project, "rev-parse", "HEAD")
    assert cli("sync", "--take", "theirs", *(f"./merged/{n}" for n in NAMES), cwd=story.project).code == 1
    assert cli("sync", "--take", "ours", *(f"new/{n}" for n in NAMES), cwd=story.project).code == 0
    assert contents(story.project) == {
        **{f"merged/{n}": file(third) for n in NAMES},
        **{f"new/{n}": file(b"\0ours") for n in NAMES},
    }
    assert git(story.project, "rev-parse", "HEAD") == before
    assert rules(story.project) == []


@pytest.mark.parametrize("name", ["a\\b.txt", "..", ".git/config", "sub/../../x", "x/.GIT/hooks/pre-commit"])
def test_a_name_that_leaves_the_project_is_refused(tmp_path: Path, name: str) -> None:
    """A name that points elsewhere, or that other systems would take for such a one, never reaches a project."""
    story = stamped(tmp_path, {"f.txt": "f\n"}, questions={"name": {"default": "x"}})
    story.release({"f.txt": "f\n", "d/{{ name }}": "x\n"}, 2, questions={"name": {"default": name}})
    refused(story)


@pytest.mark.parametrize("name", ["mi\\ne.txt", "back\\slash/f.txt", "ünï\ncode.txt", "caf\udce9.txt"])
def test_a_file_that_the_team_moved_to_a_name_of_its_own(tmp_path: Path, name: str) -> None:
    """The change follows a file to any name; to one that we never write (a backslash), it waits where the file was."""
    story = stamped(tmp_path, {"f.txt": BASE, "g.txt": "1\n"})
    (story.project / name).parent.mkdir(exist_ok=True)
    (story.project / "f.txt").rename(story.project / name)
    commit(story.project)
    story.release({"f.txt": NEW, "g.txt": "2\n"}, 2)
    if "\\" in name:
        loud(story, {name: BASE, "f.txt.incoming": NEW, "g.txt": "2\n"}, {"f.txt": ""})
    else:
        clean(story, {name: NEW, "g.txt": "2\n"})


# ---- modes and links -----------------------------------------------------------------------------


def test_executable_bits_follow_who_changed_them(tmp_path: Path) -> None:
    """The bit is added or removed here or there, alone and together with edits: mode and content are both right."""
    table: dict[str, tuple[Content, Content, Content, Content]] = {
        "added by the factory": (BASE, BASE, ran(BASE), ran(BASE)),
        "added by the factory to an edited file": (BASE, TEAM, ran(NEW), ran(BOTH)),
        "removed by the factory": (ran(BASE), ran(BASE), BASE, BASE),
        "removed by the factory from an edited file": (ran(BASE), ran(TEAM), NEW, BOTH),
        "added by the team": (BASE, ran(TEAM), NEW, ran(BOTH)),
        "removed by the team": (ran(BASE), TEAM, ran(NEW), BOTH),
        "added by both": (BASE, ran(BASE), ran(BASE), ran(BASE)),
    }
    story = stamped(tmp_path, {case: row[0] for case, row in table.items()})
    story.team({case: row[1] for case, row in table.items()})
    story.release({case: row[2] for case, row in table.items()}, 2)
    clean(story, {case: row[3] for case, row in table.items()})


@pytest.mark.parametrize("adds", [True, False])
def test_an_executable_bit_together_with_a_conflict(tmp_path: Path, adds: bool) -> None:
    """The factory changes the mode and a line that the team changed: markers, and the new mode."""
    before, after = (BASE, ran(NEW)) if adds else (ran(BASE), NEW)
    story = stamped(tmp_path, {"f": before, "f.toml": file("a = 1\n")._replace(mode=file(before).mode)})
    mine, theirs = file("a = 2\n")._replace(mode=file(before).mode), file("a = 3\n")._replace(mode=file(after).mode)
    story.team({"f": file(CLASH)._replace(mode=file(before).mode), "f.toml": mine})
    story.release({"f": after, "f.toml": theirs}, 2)
    tree = {"f": file(MARKED)._replace(mode=file(after).mode), "f.toml": mine, "f.toml.incoming": theirs}
    loud(story, tree, {"f": "123", "f.toml": ""})
    assert cli("sync", "--take", "theirs", "f", "f.toml", cwd=story.project).code == 0
    assert contents(story.project) == {"f": file(after), "f.toml": theirs}


def test_without_file_modes_the_index_says_what_is_executable(tmp_path: Path) -> None:
    """With `core.fileMode=false` the disk's bits mean nothing: the factory's bit and the team's are in git's index."""
    files: dict[str, Content] = {"new": BASE, "mine": BASE, "both": BASE, "back": ran(BASE)}
    story = stamped(tmp_path, files)
    git(story.project, "config", "core.fileMode", "false")
    git(story.project, "update-index", "--chmod=+x", "mine")
    story.team({"new": TEAM, "mine": TEAM, "both": ran(TEAM), "back": TEAM})
    story.release({"new": ran(NEW), "mine": NEW, "both": NEW, "back": NEW}, 2)
    result = story.sync("--json")
    assert result.code == 0, result.out
    assert {path: item.content for path, item in contents(story.project).items()} == dict.fromkeys(files, BOTH.encode())
    assert (rules(story.project), git(story.project, "diff", "--name-only")) == ([], "")
    modes = dict(row.split("\t")[::-1] for row in git(story.project, "ls-files", "-s").splitlines())
    assert {path: modes[path].split()[0] for path in files} == {
        "new": "100755",
        "mine": "100755",
        "both": "100644",
        "back": "100644",
    }


def test_links_are_retargeted_and_become_files(tmp_path: Path) -> None:
    """A link is retargeted, a file becomes a link, a link a file, on either side: links are data like any other."""
    table: dict[str, tuple[Content, Content, Content, Content]] = {
        "retargeted by the factory": (link("a"), link("a"), link("b"), link("b")),
        "retargeted by the team": (link("a"), link("b"), link("a"), link("b")),
        "retargeted by both, the same": (link("a"), link("b"), link("b"), link("b")),
        "file becomes link": (BASE, BASE, link("a"), link("a")),
        "link becomes file": (link("a"), link("a"), NEW, NEW),
        "the team made a link of it": (BASE, link("a"), BASE, link("a")),
    }
    shared = {"a": "a\n", "b": "b\n"}
    story = stamped(tmp_path, {**shared, **{case: row[0] for case, row in table.items()}})
    story.team({case: row[1] for case, row in table.items()})
    story.release({**shared, **{case: row[2] for case, row in table.items()}}, 2)
    clean(story, {**shared, **{case: row[3] for case, row in table.items()}})


def test_links_that_both_changed_are_a_conflict(tmp_path: Path) -> None:
    """Both retargeted a link, or one made a link of what the other edited: the team's stays, theirs lies beside."""
    table: dict[str, tuple[Content, Content, Content]] = {
        "both retargeted": (link("a"), link("b"), link("c")),
        "edited, becomes a link": (BASE, TEAM, link("a")),
        "made a link, changed": (BASE, link("a"), NEW),
    }
    shared = {"a": "a\n", "b": "b\n", "c": "c\n"}
    story = stamped(tmp_path, {**shared, **{case: row[0] for case, row in table.items()}})
    story.team({case: row[1] for case, row in table.items()})
    story.release({**shared, **{case: row[2] for case, row in table.items()}}, 2)
    mine = {case: row[1] for case, row in table.items()}
    beside = {f"{case}.incoming": row[2] for case, row in table.items()}
    loud(story, {**shared, **mine, **beside}, dict.fromkeys(table, ""))
    done = cli("sync", "--take", "theirs", *table, cwd=story.project)
    assert done.code == 0
    assert contents(story.project) == {
        path: file(content) for path, content in {**shared, **{case: row[2] for case, row in table.items()}}.items()
    }
    for case in ("both retargeted", "made a link, changed"):  # what is told brings a link back as a link
        hint = next(line for line in done.out.splitlines() if f"hint: what was in {case} is kept: " in line)
        subprocess.run(hint.split("`")[1], shell=True, cwd=story.project, check=True)  # noqa: S602 - as a person would
        assert contents(story.project)[case] == file(mine[case])


def test_a_folder_with_a_link_is_renamed(tmp_path: Path) -> None:
    """A folder that holds a link and an edited file is renamed: both move, and the link still is one."""
    story = stamped(
        tmp_path, {"old/f.txt": BASE, "old/link": link("f.txt"), "old/up": link("../top.txt"), "top.txt": "t\n"}
    )
    story.team({"old/f.txt": TEAM})
    story.release({"new/f.txt": NEW, "new/link": link("f.txt"), "new/up": link("../top.txt"), "top.txt": "t\n"}, 2)
    clean(story, {"new/f.txt": BOTH, "new/link": link("f.txt"), "new/up": link("../top.txt"), "top.txt": "t\n"})


def test_a_folder_becomes_a_link_and_a_link_a_folder(tmp_path: Path) -> None:
    """A folder of the factory becomes a link and the other way round: nothing is written through a link."""
    story = stamped(tmp_path, {"real/x": "x\n", "d/y": "y\n", "l": link("real")})
    story.release({"real/x": "x\n", "d": link("real"), "l/z": "z\n"}, 2)
    clean(story, {"real/x": "x\n", "d": link("real"), "l/z": "z\n"})


def test_a_link_that_leads_to_itself_becomes_a_folder(tmp_path: Path) -> None:
    """A link leads round in a circle, and the next version has a folder there: it is a link like any other."""
    story = stamped(tmp_path, {"loop": link("loop"), "a": link("b"), "b": link("a")})
    story.release({"loop/x": "x\n", "a/b/c": "c\n"}, 2)
    clean(story, {"loop/x": "x\n", "a/b/c": "c\n"})


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", "a/../../outside", ".git/config"])
def test_a_link_out_of_the_project_is_refused(tmp_path: Path, target: str) -> None:
    """The next version brings a link that leaves the project: nothing is written."""
    story = stamped(tmp_path, {"a/f.txt": "f\n"})
    story.release({"a/f.txt": "f\n", "link": link(target)}, 2)
    refused(story)
