"""Git at work: odd names, exact bytes, and merges that nothing of the project or the person can change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from ai_factory import git
from ai_factory.errors import MachineError, ProjectError, UnreachableError, UsageError
from ai_factory.git import Names, Release, Stage
from ai_factory.merge import Input, MergedTrees, Note, Side
from ai_factory.tree import EXECUTABLE, LINK, REGULAR, Blob, File, raw_blob_id
from ai_factory.workspace import Folder
from tests.kit import IDENTITY, commit, files, put, refusal, snapshot
from tests.kit import git as run

ODD = (
    *(
        "a b/c d.txt",
        'quo"te',
        "back\\slash",
        "new\nline",
        "tab\t",
        "ünï/çödé",
        "-dash",
        "--option=x",
        "'",
        "$HOME",
        "*.md",
    ),
    *(
        ":(top)x",
        "#x",
        "!x",
        " lead",
        "trail ",
        "\udcff\udc80raw",
        "a;b|c&d",
        "{a,b}",
        "~",
        "%s",
        "\x7f\x01",
        "CON",
        "-/-",
    ),
)
NAMES = Names("yours", "factory-v2")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository on the branch `main`."""
    run(tmp_path, "init", "-q", "-b", "main", "work")
    return tmp_path / "work"


def head(folder: Path) -> dict[str, Blob]:
    return git.list_tree(str(folder), run(folder, "rev-parse", "HEAD"))


def test_who_wrote_a_file_wrote_it_under_each_of_its_names(repository: Path) -> None:
    """Also where it was moved twice, edited on the way, moved by a merge, and where it lies in a folder of its own."""
    text = "".join(f"line {number}\n" for number in range(30))

    def by(who: str) -> None:
        run(repository, "add", "-A")
        run(repository, "commit", "-q", "-m", "work", "--author", f"{who} <{who}@x.example>")

    put(repository, {"draft.md": text, "other.md": "other\n"})
    by("bo")
    run(repository, "mv", "draft.md", "second.md")
    put(repository, {"second.md": f"{text}more\n"})
    by("ann")
    run(repository, "checkout", "-q", "-b", "side", "HEAD~1")
    put(repository, {"side.txt": "x\n"})
    by("cy")
    run(repository, "checkout", "-q", "main")
    run(repository, "merge", "-q", "--no-commit", "--no-ff", "side")
    (repository / "in").mkdir()
    run(repository, "mv", "second.md", "in/final.md")
    by("dee")
    told = git.authors(str(repository / "in"), ["final.md", "none.md"])
    who = {*(f"{one}@x.example" for one in ("bo", "ann", "dee")), IDENTITY["GIT_COMMITTER_EMAIL"]}
    assert told == {"final.md": who, "none.md": set()}
    assert git.authors(str(repository), ["other.md", "in/final.md"]) == {
        "other.md": {"bo@x.example", IDENTITY["GIT_COMMITTER_EMAIL"]},
        "in/final.md": told["final.md"],
    }


# ---- reading -------------------------------------------------------------------------------------


def test_files_with_odd_names_are_listed_and_read(repository: Path) -> None:
    put(repository, {name: f"content of {number}\n" for number, name in enumerate(ODD)})
    commit(repository)
    listed = head(repository)
    assert listed == {name: Blob(REGULAR, raw_blob_id(b"content of %d\n" % number)) for number, name in enumerate(ODD)}
    contents = git.read_blobs(str(repository), (blob.id for blob in listed.values()))
    assert {name: contents[listed[name].id] for name in ODD} == {
        name: b"content of %d\n" % number for number, name in enumerate(ODD)
    }


def test_only_the_folders_asked_for_are_listed_with_modes(repository: Path) -> None:
    put(repository, {"a/x": "", "a b/y": "", "ab/z": "", "w": ""})
    (repository / "a/x").chmod(0o755)
    (repository / "a/link").symlink_to("x")
    commit(repository)
    found = git.list_tree(str(repository), "HEAD", ["a", "a b", "none"])
    assert {path: blob.mode for path, blob in found.items()} == {"a b/y": REGULAR, "a/link": LINK, "a/x": EXECUTABLE}


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n\0\xff", b"x" * 1_000_000, b"blob 3\nabc\n"])
def test_blobs_are_read_to_the_byte(content: bytes, repository: Path) -> None:
    put(repository, {"a": content, "b": b"after"})
    commit(repository)
    ids = [raw_blob_id(content), raw_blob_id(b"after"), raw_blob_id(content)]
    assert git.read_blobs(str(repository), ids) == {ids[0]: content, ids[1]: b"after"}


def test_no_blob_is_read_without_starting_git(tmp_path: Path) -> None:
    assert git.read_blobs(f"{tmp_path}/none", []) == {}


def test_a_blob_that_is_missing_is_named(repository: Path) -> None:
    missing = "0" * 39 + "1"
    error = refusal(lambda: git.read_blobs(str(repository), [missing]))
    assert (type(error), error.message) == (MachineError, f"the object {missing} is not in `{repository}`")
    assert git.existing(str(repository), [missing]) == []


def test_releases_are_tags_with_the_commits_that_they_name(repository: Path) -> None:
    first = commit(repository)
    run(repository, "tag", "v1")
    second = commit(repository)
    run(repository, "tag", "-a", "-m", "x", "team/v2")
    assert git.releases(str(repository)) == [Release("team/v2", second), Release("v1", first)]


@pytest.mark.parametrize("reference", ["v1", "main", "HEAD"])
def test_a_reference_is_resolved(reference: str, repository: Path) -> None:
    sha = commit(repository)
    run(repository, "tag", "-a", "-m", "x", "v1")
    assert git.resolve(str(repository), reference) == git.resolve(str(repository), sha) == sha


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    error = refusal(lambda: git.run(["status"], f"{tmp_path}/none"))
    assert (type(error), error.message) == (MachineError, f"there is no folder `{tmp_path}/none`")


def test_missing_git_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refusal(lambda: git.run(["status"], str(tmp_path)))
    assert (type(error), error.message, error.hint) == (
        MachineError,
        "git is not installed",
        "install git 2.38 or newer",
    )


def test_the_state_of_a_project_is_told_relative_to_it(repository: Path) -> None:
    put(repository, {"p/a b": "1", "p/ü": "1", "p/gone": "1", "other": "1"})
    sha = commit(repository)
    put(repository, {"p/a b": "2", "p/new\nline": "1", "other": "2", "p/gone": None, "p/staged": "1"})
    run(repository, "add", "p/staged")
    found = git.status(str(repository / "p"))
    assert (found.head, found.dirty, found.untracked, found.unmerged) == (
        sha,
        ("a b", "gone", "staged"),
        frozenset({"new\nline"}),
        frozenset(),
    )
    assert found.tracked == dict.fromkeys(["a b", "gone", "staged", "ü"], Blob(REGULAR, raw_blob_id(b"1")))


def test_ignored_paths_are_told(repository: Path) -> None:
    put(repository, {".gitignore": "*.log\n/x y/\n", "p/.gitignore": "ü\n"})
    paths = ["a.log", "x y/z", "b", "p/ü", "-n.log", "new\nline.log"]
    assert git.ignored(str(repository), paths) == {"a.log", "x y/z", "p/ü", "-n.log", "new\nline.log"}
    assert git.ignored(str(repository / "p"), ["ü", "b"]) == {"ü"}
    assert git.ignored(str(repository), []) == set()


def test_what_is_untracked_or_ignored_does_not_depend_on_the_person(repository: Path) -> None:
    """A fleet must see what a laptop sees."""
    home = Path(os.environ["HOME"])
    put(home, {".gitconfig": f"[status]\n showUntrackedFiles = no\n[core]\n excludesFile = {home}/i\n", "i": "*.log\n"})
    put(repository, {"a.log": "1", "b": "1"})
    assert git.status(str(repository)).untracked == frozenset({"a.log", "b"})
    assert git.ignored(str(repository), ["a.log", "b"]) == set()


def test_a_folder_outside_a_work_tree_is_refused(tmp_path: Path, repository: Path) -> None:
    assert git.repository_of(str(repository)).top == str(repository)
    error = refusal(lambda: git.repository_of(str(tmp_path)))
    assert (type(error), error.message) == (ProjectError, f"`{tmp_path}` lies in no git work tree")


# ---- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_contents_are_stored_as_objects_in_the_repositorys_own_hash(form: str, tmp_path: Path) -> None:
    run(tmp_path, "init", "-q", f"--object-format={form}")
    contents = [b"", b"text\r\n", b"\0\xff\n", b"data 3\nabc", b"text\r\n"]
    (tmp_path / "in/side").mkdir(parents=True)
    ids = git.store(str(tmp_path / "in/side"), contents)
    assert os.listdir(tmp_path / "in/side") == []
    assert ids == {content: raw_blob_id(content, form) for content in contents}
    assert git.read_blobs(str(tmp_path), ids.values()) == {identity: content for content, identity in ids.items()}
    assert git.store(str(tmp_path), []) == {}
    assert git.store(str(tmp_path), [b"alone"]) == {b"alone": raw_blob_id(b"alone", form)}
    assert git.read_blobs(str(tmp_path), [raw_blob_id(b"alone", form)]) == {raw_blob_id(b"alone", form): b"alone"}
    assert git.object_id(b"x", git.project_objects(str(tmp_path))) == raw_blob_id(b"x", form)


def test_contents_are_stored_whatever_a_killed_process_left(tmp_path: Path) -> None:
    """A killed git leaves a pack without its index, and a lock on the pack."""
    run(tmp_path, "init", "-q")
    contents = [b"one", b"two"]
    ids = git.store(str(tmp_path), contents)
    (pack,) = (tmp_path / ".git/objects/pack").glob("*.pack")
    pack.with_suffix(".idx").unlink()
    pack.with_suffix(".keep").write_text("fast-import\n")
    assert git.store(str(tmp_path), contents) == ids
    assert git.read_blobs(str(tmp_path), ids.values()) == {identity: content for content, identity in ids.items()}


def staged(folder: Path) -> dict[str, list[str]]:
    """What the index holds: `mode id stage` by path."""
    rows = run(folder, "ls-files", "--stage", "-z").split("\0")
    found: dict[str, list[str]] = {}
    for entry, _, path in (row.partition("\t") for row in rows if row):
        found.setdefault(path, []).append(entry)
    return found


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_paths_are_staged_as_given(form: str, tmp_path: Path) -> None:
    run(tmp_path, "init", "-q", f"--object-format={form}")
    put(tmp_path, {"p/gone": "1", "p/kept": "1", "p/file": "1", "p/dir/x": "1", "p/both": "1"})
    commit(tmp_path)
    one, two, three = git.store(str(tmp_path), [b"1", b"2", b"3"]).values()
    git.stage(
        str(tmp_path / "p"),
        [
            Stage("both", sides=(Blob(REGULAR, one), Blob(REGULAR, two), Blob(EXECUTABLE, three))),
            Stage("added", sides=(None, Blob(REGULAR, two), Blob(REGULAR, three))),
            Stage("gone"),
            Stage("file"),
            Stage("file/x", Blob(REGULAR, two)),
            Stage("dir/x"),
            Stage("dir", Blob(LINK, three)),
            Stage("odd \n'\"ü", Blob(EXECUTABLE, two)),
            Stage("never"),
        ],
    )
    assert staged(tmp_path) == {
        "p/added": [f"{REGULAR} {two} 2", f"{REGULAR} {three} 3"],
        "p/both": [f"{REGULAR} {one} 1", f"{REGULAR} {two} 2", f"{EXECUTABLE} {three} 3"],
        "p/dir": [f"{LINK} {three} 0"],
        "p/file/x": [f"{REGULAR} {two} 0"],
        "p/kept": [f"{REGULAR} {one} 0"],
        "p/odd \n'\"ü": [f"{EXECUTABLE} {two} 0"],
    }
    assert git.status(str(tmp_path / "p")).unmerged == {"both", "added"}


def test_a_conflict_in_the_index_can_be_staged_clean_again(repository: Path) -> None:
    one, two = git.store(str(repository), [b"1", b"2"]).values()
    sides = (Blob(REGULAR, one), Blob(REGULAR, two), None)
    git.stage(str(repository), [Stage("a", sides=sides), Stage("b", sides=sides)])
    git.stage(str(repository), [Stage("a", Blob(REGULAR, two)), Stage("b")])
    assert staged(repository) == {"a": [f"{REGULAR} {two} 0"]}


def test_staging_runs_no_filter_of_the_project(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    put(repository, {".gitattributes": "* filter=trap\n", "a": "1"})
    run(repository, "config", "filter.trap.clean", f"touch {trap}; cat")
    identity = git.store(str(repository), [b"1"])[b"1"]
    git.stage(str(repository), [Stage("a", Blob(REGULAR, identity))])
    assert (staged(repository), trap.exists()) == ({"a": [f"{REGULAR} {identity} 0"]}, False)


def on_disk(folder: Path, *paths: str) -> dict[str, File]:
    return Folder(str(folder)).read_all(paths)


def test_a_first_commit_holds_exactly_the_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's own ignore rules, hooks, templates and signing say."""
    home = Path(os.environ["HOME"])
    put(home, {"ignore": "*.log\n", "hooks/pre-commit": "#!/bin/sh\nexit 1\n", "template/info/exclude": "*\n"})
    (home / "hooks/pre-commit").chmod(0o755)
    put(home, {".gitconfig": f"""\
[core]\n excludesFile = {home}/ignore\n hooksPath = {home}/hooks\n autocrlf = true
[init]\n templateDir = {home}/template\n[commit]\n gpgSign = true\n"""})  # fmt: skip
    put(tmp_path, {"a.log": "1\r\n", "-x": "2", "ü \n": "3", ":(top)y": "4", "left out": "5"})
    author = git.first_commit(str(tmp_path), on_disk(tmp_path, "a.log", "-x", "ü \n", ":(top)y"), "Begin")
    assert (author.is_known, author.signs) == (True, True)
    assert head(tmp_path) == {
        path: Blob(REGULAR, raw_blob_id(content))
        for path, content in {"a.log": b"1\r\n", "-x": b"2", "ü \n": b"3", ":(top)y": b"4"}.items()
    }
    assert run(tmp_path, "log", "--format=%an <%ae> %s") == "Test <test@example.org> Begin"
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name)
    put(tmp_path, {"other/a": "1"})
    assert not git.first_commit(str(tmp_path / "other"), on_disk(tmp_path / "other", "a"), "Begin").is_known
    assert run(tmp_path / "other", "log", "--format=%an <%ae>|%cn") == "ai-factory <noreply@invalid>|ai-factory"


def test_a_commit_takes_its_paths_and_nothing_else(repository: Path) -> None:
    put(repository, {"a": "1", "b": "1", ":(top)c": "1"})
    first = commit(repository)
    put(repository, {"a": "2", "b": "2", ":(top)c": "2"})
    run(repository, "add", "-A")
    git.commit(str(repository), "Some", ["a", ":(top)c"])
    assert run(repository, "log", "-1", "--format=%an %s") == "Test Some"
    assert sorted(run(repository, "diff", "--name-only", first, "HEAD").splitlines()) == [":(top)c", "a"]
    assert run(repository, "status", "--porcelain") == "M  b"


def test_a_persons_own_hook_may_refuse_a_commit(repository: Path) -> None:
    put(repository, {"a": "1", ".git/hooks/pre-commit": "#!/bin/sh\necho no >&2\nexit 1\n"})
    (repository / ".git/hooks/pre-commit").chmod(0o755)
    run(repository, "add", "a")
    error = refusal(lambda: git.commit(str(repository), "x", ["a"]))
    assert (type(error), error.message) == (MachineError, "git failed: `git commit --quiet`: no")


def test_no_hook_nor_monitor_of_the_project_runs_while_its_state_is_told(repository: Path, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    put(repository, {"a": "1"})
    commit(repository)
    for name in ("post-index-change", "post-checkout", "monitor"):
        put(repository, {f".git/hooks/{name}": f"#!/bin/sh\ntouch {trap}\n"})
        (repository / f".git/hooks/{name}").chmod(0o755)
    run(repository, "config", "core.fsmonitor", f"{repository}/.git/hooks/monitor")
    git.status(str(repository))
    identity = git.store(str(repository), [b"2"])[b"2"]
    git.stage(str(repository), [Stage("a", Blob(REGULAR, identity))])
    git.describe(str(repository))
    assert not trap.exists()


def test_a_folder_is_described_by_its_newest_tag(repository: Path, tmp_path: Path) -> None:
    assert git.describe(str(tmp_path)) == ""
    assert git.describe(str(repository)) == ""
    put(repository, {"a": "1"})
    sha = commit(repository)
    assert sha.startswith(git.describe(str(repository)))
    run(repository, "tag", "v1")
    assert git.describe(str(repository)) == "v1"
    put(repository, {"a": "2"})
    assert git.describe(str(repository)) == "v1-dirty"


def test_a_mirror_follows_new_moved_and_deleted_tags_and_branches(repository: Path, tmp_path: Path) -> None:
    mirror, url = str(tmp_path / "mirror.git"), f"file://{repository}"
    first = commit(repository)
    for name in ("v1", "moved", "gone"):
        run(repository, "tag", name)
    git.update_mirror(url, mirror)
    assert git.releases(mirror) == [Release(name, first) for name in ("gone", "moved", "v1")]
    run(repository, "commit", "-q", "--amend", "--allow-empty", "-m", "other history")
    second = run(repository, "rev-parse", "HEAD")
    run(repository, "tag", "-f", "moved")
    run(repository, "tag", "-d", "gone")
    git.update_mirror(url, mirror)
    assert git.releases(mirror) == [Release("moved", second), Release("v1", first)]
    assert git.resolve(mirror, "main") == second


# ---- merging -------------------------------------------------------------------------------------

TEXT = "".join(f"line {number}\n" for number in range(1, 11))


def merged(base: Input, ours: Input, theirs: Input, names: Names = NAMES, objects: str = "") -> MergedTrees:
    return git.merge_trees(base, ours, theirs, names, objects)


def contents(result: MergedTrees) -> dict[str, str]:
    return {path: file.content.decode() for path, file in result.files.items() if isinstance(file, File)}


def test_changes_in_different_places_merge() -> None:
    result = merged(
        files({"a": TEXT, "b": "b\n", "gone": "x\n", "gone too": "y\n"}),
        files({"a": TEXT.replace("line 2\n", "ours\n"), "b": "b\n", "mine": "m\n", "gone too": "y\n"}),
        files({"a": TEXT.replace("line 9\n", "theirs\n"), "b": "c\n", "new": "n\n", "gone": "x\n"}),
    )
    assert result == MergedTrees(
        files(
            {
                "a": TEXT.replace("line 2\n", "ours\n").replace("line 9\n", "theirs\n"),
                "b": "c\n",
                "mine": "m\n",
                "new": "n\n",
            }
        ),
        {},
        (Note("Auto-merging", ("a",), "Auto-merging a"),),
    )


def test_changes_in_one_place_conflict_with_markers_and_all_sides() -> None:
    result = merged(files({"a": "1\n2\n3\n"}), files({"a": "1\nours\n3\n"}), files({"a": "1\ntheirs\n3\n"}))
    assert result.files == files({"a": "1\n<<<<<<< yours\nours\n=======\ntheirs\n>>>>>>> factory-v2\n3\n"})
    assert result.conflicts == {
        "a": (Side(1, File(b"1\n2\n3\n")), Side(2, File(b"1\nours\n3\n")), Side(3, File(b"1\ntheirs\n3\n")))
    }
    assert [(note.kind, note.paths) for note in result.notes] == [
        ("Auto-merging", ("a",)),
        ("CONFLICT (contents)", ("a",)),
    ]


def test_a_file_edited_here_and_deleted_there_conflicts() -> None:
    result = merged(files({"a": TEXT, "b": TEXT * 2}), files({"a": TEXT + "more\n"}), files({"b": TEXT * 2 + "x\n"}))
    assert result.conflicts == {
        "a": (Side(1, File(TEXT.encode())), Side(2, File((TEXT + "more\n").encode()))),
        "b": (Side(1, File((TEXT * 2).encode())), Side(3, File((TEXT * 2 + "x\n").encode()))),
    }
    assert contents(result) == {"a": TEXT + "more\n", "b": TEXT * 2 + "x\n"}
    assert [note.kind for note in result.notes] == ["CONFLICT (modify/delete)"] * 2


def test_a_rename_on_either_side_is_followed() -> None:
    ours, theirs = TEXT.replace("line 2\n", "ours\n"), TEXT.replace("line 9\n", "theirs\n")
    both = ours.replace("line 9\n", "theirs\n")
    assert contents(merged(files({"a": TEXT}), files({"a": ours}), files({"new/b": theirs}))) == {"new/b": both}
    assert contents(merged(files({"a": TEXT}), files({"moved": ours}), files({"a": theirs}))) == {"moved": both}


def test_a_file_that_each_side_moved_elsewhere_is_noted() -> None:
    result = merged(files({"a": TEXT}), files({"here": TEXT}), files({"there": TEXT}))
    assert (contents(result), sorted(result.conflicts)) == ({"here": TEXT, "there": TEXT}, ["a", "here", "there"])
    assert result.notes[0].kind == "CONFLICT (rename/rename)"
    assert result.notes[0].paths == ("a", "here", "there")


def test_a_file_beside_a_renamed_folder_stays_where_it_is() -> None:
    """Renaming many files of a folder says nothing about a new one in it."""
    base = {f"old/{number}": f"{number}\n" * 9 for number in range(4)}
    moved = {path.replace("old", "new"): text for path, text in base.items()}
    result = merged(files(base), files({**base, "old/mine": "m\n"}), files(moved))
    assert contents(result) == {**moved, "old/mine": "m\n"}


def test_modes_merge_like_content() -> None:
    base = {"a": File(TEXT.encode()), "b": File(b"b\n")}
    ours = {"a": File(TEXT.encode(), EXECUTABLE), "b": File(b"b\n")}
    theirs = {"a": File(TEXT.replace("line 9\n", "x\n").encode()), "b": File(b"b\n", EXECUTABLE)}
    assert merged(base, ours, theirs).files == {
        "a": File(TEXT.replace("line 9\n", "x\n").encode(), EXECUTABLE),
        "b": File(b"b\n", EXECUTABLE),
    }


def test_a_binary_conflict_keeps_our_bytes() -> None:
    result = merged(files({"a": b"\0base"}), files({"a": b"\0ours"}), files({"a": b"\0theirs"}))
    assert result.files == files({"a": b"\0ours"})
    assert [side.stage for side in result.conflicts["a"]] == [1, 2, 3]


def test_odd_names_merge_too() -> None:
    base = files(dict.fromkeys(ODD, TEXT))
    ours = files(dict.fromkeys(ODD, TEXT.replace("line 2\n", "ours\n")))
    theirs = files(dict.fromkeys(ODD, TEXT.replace("line 9\n", "theirs\n")))
    both = TEXT.replace("line 2\n", "ours\n").replace("line 9\n", "theirs\n")
    result = merged(base, ours, theirs)
    assert (result.files, result.conflicts) == (files(dict.fromkeys(ODD, both)), {})
    assert set(merged(files({}), ours, theirs).conflicts) == set(ODD)


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_inputs_may_be_objects_of_the_project_and_come_back_unread(form: str, tmp_path: Path) -> None:
    run(tmp_path, "init", "-q", f"--object-format={form}")
    ids = git.store(str(tmp_path), [b"mine\n", TEXT.encode()])
    mine, text = Blob(REGULAR, ids[b"mine\n"]), Blob(EXECUTABLE, ids[TEXT.encode()])
    module = Blob(git.SUBMODULE, ids[b"mine\n"])
    before = snapshot(tmp_path)
    result = merged(
        files({"a": TEXT}),
        {"mine": mine, "moved": text, "sub": module},
        files({"a": TEXT + "more\n"}),
        objects=git.project_objects(str(tmp_path)),
    )
    assert result.files == {"mine": mine, "moved": File((TEXT + "more\n").encode(), EXECUTABLE), "sub": module}
    assert (result.conflicts, snapshot(tmp_path)) == ({}, before)


def test_a_file_and_a_folder_of_one_name_conflict() -> None:
    result = merged(files({}), files({"a": "file\n"}), files({"a/b": "below\n"}))
    assert ("a/b", sorted(result.conflicts)) == ("a/b", ["a~yours"])
    assert contents(result) == {"a/b": "below\n", "a~yours": "file\n"}


HOSTILE: Mapping[str, str] = {
    ".gitattributes": "* merge=trap filter=trap diff=trap\na merge=union\nb -merge\n*.x text eol=crlf\n",
    ".gitmodules": '[submodule "x"]\n path = x\n url = ext::touch pwned\n',
}


def test_nothing_of_the_project_runs_or_decides(tmp_path: Path) -> None:
    """Neither its merge drivers, filters, hooks and attributes, nor those of the person's configuration."""
    work, trap = tmp_path / "work", tmp_path / "ran"
    run(tmp_path, "init", "-q", "work")
    put(
        work,
        {**HOSTILE, ".git/info/attributes": "* merge=trap\n", ".git/hooks/post-checkout": f"#!/bin/sh\ntouch {trap}\n"},
    )
    (work / ".git/hooks/post-checkout").chmod(0o755)
    for key in ("merge.trap.driver", "filter.trap.clean", "filter.trap.smudge", "diff.trap.textconv", "core.fsmonitor"):
        run(work, "config", key, f"touch {trap}; cat")
    plain = files({"a": "1\n", "b": "1\n", "c": TEXT})
    ours = {**plain, **files({"a": "2\n", "b": "2\n", "c": TEXT.replace("line 2\n", "x\n")})}
    theirs = {**plain, **files({"a": "3\n", "b": "3\n", "c": TEXT.replace("line 9\n", "y\n")})}
    without = merged(plain, ours, theirs)
    attributes = files(HOSTILE)
    with_ = merged(
        {**attributes, **plain}, {**attributes, **ours}, {**attributes, **theirs}, objects=f"{work}/.git/objects"
    )
    assert {path: file for path, file in with_.files.items() if path not in HOSTILE} == without.files
    assert (with_.conflicts, sorted(with_.conflicts), trap.exists()) == (without.conflicts, ["a", "b"], False)


@pytest.mark.parametrize(
    "config",
    [
        "[merge]\n conflictStyle = diff3\n",
        "[merge]\n renames = false\n directoryRenames = true\n renameLimit = 1\n",
        "[diff]\n renames = false\n algorithm = patience\n renameLimit = 1\n",
        "[core]\n autocrlf = true\n attributesFile = ~/attributes\n quotePath = false\n",
        "[merge]\n default = binary\n",
        "[merge]\n verbosity = 0\n",
        "[i18n]\n logOutputEncoding = latin1\n",
        "[init]\n defaultBranch = yours\n templateDir = ~/template\n defaultObjectFormat = sha256\n",
    ],
)
def test_the_result_is_the_same_whatever_the_person_configured(config: str) -> None:
    arguments = (
        files({"a": "1\n2\n3\n", "b": TEXT, "c\r": "x\r\ny\r\n"}),
        files({"a": "1\nours\n3\n", "b": TEXT.replace("line 2\n", "ours\n"), "c\r": "x\r\ny\r\n"}),
        files({"a": "1\ntheirs\n3\n", "moved": TEXT.replace("line 9\n", "theirs\n"), "c\r": "x\r\nz\r\n"}),
    )
    plain = merged(*arguments)
    home = Path(os.environ["HOME"])
    put(home, {".gitconfig": config, "attributes": "* merge=union\n", "template/config": "[merge]\n default = union\n"})
    assert merged(*arguments) == plain


@pytest.mark.parametrize(
    "variable", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_EXTERNAL_DIFF"]
)
def test_gits_own_variables_do_not_reach_it(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
    assert contents(merged(files({"a": "1\n"}), files({"a": "1\n"}), files({"a": "2\n"}))) == {"a": "2\n"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (Names("same", "same"), ("same", "same-2")),
        (Names("HEAD", "base"), ("HEAD-yours", "base")),
        (Names("a b..c", "-x"), ("a-b-c", "x")),
        (Names("", "~^:?*["), ("yours", "factory")),
        (Names("a" * 40, "x.lock"), ("a" * 40 + "-yours", "x")),
        (Names("refs/heads/x", "main"), ("refs-heads-x", "main")),
    ],
)
def test_the_names_of_the_sides_are_labels_and_nothing_else(names: Names, labels: tuple[str, str]) -> None:
    result = merged(files({"a": "1\n"}), files({"a": "2\n"}), files({"a": "3\n"}), names)
    assert contents(result) == {"a": f"<<<<<<< {labels[0]}\n2\n=======\n3\n>>>>>>> {labels[1]}\n"}


def test_the_scratch_repository_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    merged(files({"a": "1\n"}), files({"a": "2\n"}), files({"a": "3\n"}))
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_equals_another_file_of_the_projects_is_read_all_the_same(repository: Path) -> None:
    both = TEXT.replace("line 2\n", "ours\n").replace("line 9\n", "theirs\n")
    copy = Blob(REGULAR, git.store(str(repository), [both.encode()])[both.encode()])
    result = merged(
        files({"a": TEXT}),
        {"copy": copy, **files({"a": TEXT.replace("line 2\n", "ours\n")})},
        files({"a": TEXT.replace("line 9\n", "theirs\n")}),
        objects=git.project_objects(str(repository)),
    )
    assert (result.files, result.conflicts) == ({"copy": copy, **files({"a": both})}, {})


# ---- versions and mirrors ------------------------------------------------------------------------


def test_a_reference_is_a_tag_then_a_branch_then_a_commit(repository: Path) -> None:
    first = commit(repository, "one")
    run(repository, "tag", "both")
    run(repository, "branch", "sub/branch")
    second = commit(repository, "two")
    run(repository, "branch", "both")
    asked = ("both", "sub/branch", first[:10], "main", "main~1")
    found = [git.resolve(str(repository), reference) for reference in asked]
    assert found == [first, first, first, second, first]


@pytest.mark.parametrize(
    "reference",
    [
        *("", "v9", "-x", "--output=x", "--", "v1\nmain", "main\n", "main main", "main commit 1", "x commit y"),
        *("main:a", "main^{tree}", "\0", "\udcff", "0" * 40, "../main", "tree-tag"),
    ],
)
def test_what_names_no_commit_is_the_persons_to_mend(repository: Path, reference: str) -> None:
    put(repository, {"a": "a\n"})
    commit(repository)
    run(repository, "tag", "tree-tag", "HEAD^{tree}")
    error = refusal(lambda: git.resolve(str(repository), reference))
    assert (type(error), error.message) == (UsageError, f"the factory has no version `{reference}`")


def test_what_cannot_be_reached_leaves_the_mirror_as_it_was(repository: Path, tmp_path: Path) -> None:
    """And none where there was none: an empty one would look like a factory without releases."""
    mirror, url, nowhere = str(tmp_path / "mirror.git"), str(repository), str(tmp_path / "nowhere")
    error = refusal(lambda: git.update_mirror(nowhere, mirror))
    assert (type(error), error.message, error.hint) == (
        UnreachableError,
        f"the factory `{nowhere}` cannot be reached: '{nowhere}' does not appear to be a git repository",
        "check the address, the network and your access to it",
    )
    assert not os.path.exists(mirror)
    commit(repository)
    run(repository, "tag", "v1")
    git.update_mirror(url, mirror)
    before = git.releases(mirror)
    repository.rename(tmp_path / "elsewhere")
    assert type(refusal(lambda: git.update_mirror(url, mirror))) is UnreachableError
    assert git.releases(mirror) == before


# ---- a person's own commit -----------------------------------------------------------------------


def test_a_persons_own_hook_may_refuse_it(repository: Path) -> None:
    put(repository, {"a": "1\n"})
    sha = commit(repository)
    executable(repository / ".git/hooks/pre-commit", "echo error: not today >&2; exit 1")
    put(repository, {"a": "2\n"})
    error = refusal(lambda: git.commit(str(repository), "second", ["a"]))
    assert (type(error), error.message) == (MachineError, "git failed: `git commit --quiet`: error: not today")
    assert run(repository, "rev-parse", "HEAD") == sha


def test_the_first_commit_has_the_persons_name_where_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in IDENTITY:
        monkeypatch.delenv(name)
    run(tmp_path, "config", "--global", "user.name", "Own")
    run(tmp_path, "config", "--global", "user.email", "own@example.org")
    put(tmp_path, {"a": "1\n"})
    assert git.first_commit(str(tmp_path), on_disk(tmp_path, "a"), "Begin").is_known
    assert run(tmp_path, "log", "--format=%an <%ae> %cn <%ce>") == "Own <own@example.org> Own <own@example.org>"


# ---- settings of strangers -----------------------------------------------------------------------


def executable(place: Path, script: str) -> str:
    put(place.parent, {place.name: f"#!/bin/sh\n{script}\n"})
    place.chmod(0o755)
    return str(place)


HOOKS = ("pre-commit", "commit-msg", "post-commit", "post-index-change", "reference-transaction", "post-checkout")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A file that every hook, driver and filter of the hostile settings writes."""
    return tmp_path / "ran"


@pytest.fixture
def settings(tmp_path: Path, trap: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """A home, and files for a repository, that run a command wherever git heeds them."""
    home = tmp_path / "hostile home"
    touch = executable(home / "touch", f"echo $0 >> '{trap}'; exit 1")
    for hook in HOOKS:
        executable(home / "hooks" / hook, f"echo {hook} >> '{trap}'; exit 1")
    attributes = "* merge=evil filter=evil diff=evil text eol=crlf\n"
    put(home, {"attributes": attributes, ".config/git/attributes": attributes, "ignore": "*\n"})
    put(home, {".config/git/ignore": "*\n", "template/description": "evil\n", "template/hooks/pre-commit": touch})
    config = home / ".gitconfig"
    for key, value in {
        "core.attributesFile": f"{home}/attributes",
        "core.excludesFile": f"{home}/ignore",
        "core.hooksPath": f"{home}/hooks",
        "core.fsmonitor": f"'{touch}'",
        "core.autocrlf": "true",
        "init.templateDir": f"{home}/template",
        "commit.gpgSign": "true",
        "gpg.program": touch,
        "filter.evil.clean": f"'{touch}'",
        "filter.evil.smudge": f"'{touch}'",
        "merge.evil.driver": f"'{touch}'",
        "merge.default": "evil",
        "merge.conflictStyle": "diff3",
        "merge.renames": "false",
        "diff.evil.textconv": f"'{touch}'",
    }.items():
        run(tmp_path, "config", "--file", str(config), key, value)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'merge.default=evil' 'merge.renames=false'")
    return {".git/config": config.read_text(), ".git/info/attributes": attributes, ".gitattributes": attributes}


def infect(repository: Path, settings: Mapping[str, str]) -> None:
    own = (repository / ".git/config").read_text()
    put(repository, {**settings, ".git/config": own + settings[".git/config"]})


@pytest.mark.usefixtures("settings")
def test_the_hostile_settings_would_run(repository: Path, trap: Path) -> None:
    """Without this, the tests below would prove nothing."""
    put(repository, {"a": "1\n"})
    run(repository, "add", "--force", "a")
    assert {Path(line).name for line in trap.read_text().splitlines()} == {"touch", "post-index-change"}


@pytest.mark.usefixtures("settings")
def test_nothing_of_a_person_runs_while_a_project_is_born(tmp_path: Path, trap: Path) -> None:
    root = tmp_path / "born"
    put(root, {"crlf.txt": b"a\r\n", "x.log": b"\0", "left out": "1\n"})
    assert git.first_commit(str(root), on_disk(root, "crlf.txt", "x.log"), "Begin").is_known
    ids = {"crlf.txt": raw_blob_id(b"a\r\n"), "x.log": raw_blob_id(b"\0")}
    assert head(root) == {path: Blob(REGULAR, identity) for path, identity in ids.items()}
    assert git.run(["log", "--format=%an %G? %s"], str(root)) == b"Test N Begin\n"
    assert [place.exists() for place in (trap, root / ".git/description", root / ".git/hooks")] == [False] * 3


def test_a_file_that_a_partial_clone_lacks_is_told_in_a_sentence(repository: Path) -> None:
    """With the command that fetches it: a merge fetches nothing."""
    lacking = Blob(REGULAR, "1" * 40)
    objects = git.project_objects(str(repository))
    error = refusal(
        lambda: git.merge_trees({"a": lacking}, {"a": lacking}, files({"b": "1"}), Names("y", "f"), objects)
    )
    assert "it is a partial clone" in error.message
    assert error.hint == "fetch them all: `git fetch --refetch --no-filter`"


def test_nothing_of_a_project_runs_while_it_is_read_staged_and_merged(
    repository: Path, settings: Mapping[str, str], trap: Path
) -> None:
    root = str(repository)
    put(repository, {"a": "1\n", "b": "1\n"})
    infect(repository, settings)
    one, two = (Blob(REGULAR, identity) for identity in git.store(root, [b"1\n", b"2\n"]).values())
    git.stage(root, [Stage("a", one), Stage("b", sides=(one, two, one))])
    assert git.ignored(root, ["a", "x"]) == set()
    assert git.read_blobs(root, [one.id]) == {one.id: b"1\n"}
    assert (git.content_of(root, ":2:./b"), git.content_of(root, "HEAD:./b")) == (b"2\n", None)
    result = git.merge_trees({"a": one}, {"a": two, "b": one}, {"a": one, "c": one}, NAMES, git.project_objects(root))
    assert result == MergedTrees({"a": two, "b": one, "c": File(b"1\n")}, {}, ())
    assert not trap.exists()


def test_nothing_runs_while_the_state_of_a_project_is_told(
    repository: Path, settings: Mapping[str, str], trap: Path
) -> None:
    """Not even the filter that git would ask whether a file differs from what was committed."""
    put(repository, {"a": "1\n"})
    root = str(repository)
    git.stage(root, [Stage("a", Blob(REGULAR, git.store(root, [b"2\n"])[b"2\n"]))])
    infect(repository, settings)
    assert git.status(root).dirty == ("a",)
    git.describe(root)
    assert not trap.exists()


def test_a_repository_of_another_user_is_read_where_the_person_trusts_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = commit(repository)
    isolated = git.isolated
    monkeypatch.setattr(
        "ai_factory.git.process.isolated", lambda *names: isolated(*names) | {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    )
    hint = "the repository belongs to another user: `git config --global --add safe.directory PATH`"
    error = refusal(lambda: git.status(str(repository)))
    assert (type(error), error.hint) == (MachineError, hint)
    run(repository, "config", "--global", "--add", "safe.directory", str(repository))
    assert git.status(str(repository)).head == sha
