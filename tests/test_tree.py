"""Files as values: ids are git's own, and no path, link or name leaves its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_factory import tree
from ai_factory.errors import FactoryError
from ai_factory.tree import EXECUTABLE, LINK, File
from tests.kit import commit, git, put, refusal

contents = st.binary(max_size=64) | st.text("a\r\n\0", max_size=20).map(str.encode)


def test_ids_of_blobs_and_trees_are_those_of_git(tmp_path: Path) -> None:
    """Also where git's order differs from that of text: a folder sorts as if its name ended in a slash."""
    files = {"a.txt": b"one", "a/b": b"two", "a-b": b"", "z/y/x": b"three", "é \n": b"four", "a0": b"\0"}
    put(tmp_path, files)
    (tmp_path / "run").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "run").chmod(0o755)
    (tmp_path / "link").symlink_to("a/b")
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    made = {path: File(content) for path, content in files.items()}
    made |= {"run": File(b"#!/bin/sh\n", EXECUTABLE), "link": File(b"a/b", LINK)}
    assert tree.tree_id(made) == git(tmp_path, "rev-parse", "HEAD^{tree}")
    assert tree.blob_id(b"two") == git(tmp_path, "rev-parse", "HEAD:a/b")


def test_the_tree_without_files_has_the_id_of_gits_empty_tree() -> None:
    assert tree.tree_id({}) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@given(contents)
def test_line_endings_do_not_change_an_id(content: bytes) -> None:
    lf = tree.normalized(content)
    assert tree.normalized(lf) == lf or b"\r\r\n" in content
    assert tree.blob_id(content) == tree.raw_blob_id(lf)


def test_a_nul_beyond_the_first_8000_bytes_does_not_make_a_file_binary() -> None:
    text = b"a\r\n" + b"x" * 8000
    assert [tree.is_binary(text[:7999] + b"\0"), tree.is_binary(text[:8000] + b"\0")] == [True, False]
    assert tree.normalized(text + b"\0") == b"a\n" + b"x" * 8000 + b"\0"


@pytest.mark.parametrize(
    ("content", "model", "result"),
    [
        (b"a\nb\n", b"x\r\ny\r\n", b"a\r\nb\r\n"),
        (b"a\r\nb\n", b"x\r\n", b"a\r\nb\r\n"),
        (b"a\nb\n", b"x\r\ny\n", b"a\nb\n"),  # a mixed file is no model
        (b"a\nb\n", b"x\n", b"a\nb\n"),
        (b"a\nb\n", b"", b"a\nb\n"),
        (b"a\n\0", b"x\r\n", b"a\n\0"),
        (b"a\n", b"x\r\n\0", b"a\n"),
    ],
)
def test_a_file_keeps_the_endings_that_its_model_uses_throughout(content: bytes, model: bytes, result: bytes) -> None:
    assert tree.with_endings_of(content, model) == result


def test_under_gives_the_files_below_a_folder() -> None:
    files = {"a/b": File(b"1"), "a/c/d": File(b"2"), "ab/c": File(b"3"), "a": File(b"4")}
    assert tree.under(files, "a") == tree.under(files, "a/") == {"b": File(b"1"), "c/d": File(b"2")}


@pytest.mark.parametrize(
    "path", ["a", "a/b", ".gitignore", ".github/x", "a..b", "...", " ", "git~2", "-", "ünï/x", "a\nb"]
)
def test_a_path_that_stays_in_its_folder_is_given_back(path: str) -> None:
    assert tree.check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\\b", "a\0b"),
        *(
            ".git",
            ".git/config",
            "a/.git/hooks/x",
            ".GIT/x",
            ".Git",
            "git~1/x",
            "GIT~1",
            ".git./x",
            ".git ",
            ".git . .",
        ),
        *(".g\u200cit/x", ".git\ufeff", "\u202e.git/x", ".git::$INDEX_ALLOCATION/x", ".git:x"),
    ],
)
def test_a_path_that_leaves_its_folder_or_names_gits_own_is_refused(path: str) -> None:
    assert refusal(lambda: tree.check_path(path)).message == (
        f"the path {path!r} points outside its folder or into git's own"
    )


@given(st.text("./\\g~1iIT :\0a\u200c", max_size=12))
def test_an_accepted_path_lies_in_its_folder_and_outside_gits(path: str) -> None:
    try:
        tree.check_path(path)
    except FactoryError:
        return
    parts = path.split("/")
    assert not {"", ".", "..", ".git", "git~1"} & {part.lower() for part in parts}
    assert (Path("/root") / path).is_relative_to("/root")


def test_two_paths_that_differ_only_in_case_are_refused() -> None:
    tree.check_case(["a", "b/a", "b/c"])
    assert (
        refusal(lambda: tree.check_case(["README", "a", "readme"])).message
        == "`README` and `readme` differ only in case"
    )
    assert refusal(lambda: tree.check_case(["ß", "ss"])).message == "`ss` and `ß` differ only in case"


def test_a_file_that_is_a_folder_elsewhere_is_refused() -> None:
    tree.check_folders(["a/b", "ab", "a.b/c"])
    assert refusal(lambda: tree.check_folders(["a/b/c", "a/b"])).message == (
        "`a/b` is a file, and `a/b/c` needs it to be a folder"
    )


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", "b"),
        ("a", "./b/c"),
        ("d/a", "../b"),
        ("d/e/a", "../../b/c"),
        ("d/a", ".."),
        ("a", "..b"),
        ("a", ".gitignore"),
    ],
)
def test_a_link_within_the_tree_is_fine(path: str, target: str) -> None:
    tree.check_link(path, File(target.encode(), LINK))


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("a", "/etc/passwd"),
        ("a", ".."),
        ("d/a", "../../b"),
        ("a", "b/../../c"),
        ("d/a", "b/.."),
        ("a", ""),
        ("a", "b\0c"),
    ],
)
def test_a_link_that_may_leave_the_tree_is_refused(path: str, target: str) -> None:
    """Also by way of another link: `x/..` is not where it seems when `x` is a link."""
    assert refusal(lambda: tree.check_link(path, File(target.encode(), LINK))).message == (
        f"the link `{path}` points outside its folder, to {target!r}"
    )


def test_a_link_into_gits_own_folder_is_refused() -> None:
    assert refusal(lambda: tree.check_link("a", File(b".git/hooks", LINK))).message == (
        "the link `a` points into git's own folder, to '.git/hooks'"
    )


def test_only_links_have_targets() -> None:
    tree.check_link("a", File(b"/etc/passwd"))


def test_the_digest_is_the_sha256_that_the_lock_records() -> None:
    assert tree.digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# ---- what a disk without case takes for one --------------------------------------------------------


@pytest.mark.parametrize(
    ("coming", "there", "found"),
    [
        (["readme.md"], ["README.md"], {"readme.md": "README.md"}),
        (["README.md"], ["README.md"], {}),
        (["readme.md"], ["README.md", "readme.md"], {}),  # both are there already
        (["docs/a.md"], ["Docs/b.md"], {"docs/a.md": "Docs"}),  # the folder
        (["docs/a.md"], ["docs/b.md"], {}),
        (["Docs/A.md"], ["docs/a.md"], {"Docs/A.md": "docs/a.md"}),
        (["a/b"], ["A"], {"a/b": "A"}),  # a folder here, a file there
        (["A"], ["a/b"], {"A": "a"}),
        (["stra\u00dfe"], ["STRASSE"], {"stra\u00dfe": "STRASSE"}),
        (["caf\u00e9"], ["cafe\u0301"], {"caf\u00e9": "cafe\u0301"}),  # an accent apart
        (["a"], [], {}),
        ([], ["a"], {}),
        (["x"], ["X", "other/X"], {"x": "X"}),
    ],
)
def test_case_twins(coming: list[str], there: list[str], found: dict[str, str]) -> None:
    assert tree.case_twins(coming, there) == found
