"""The base: the same files give the same bytes, and a hostile zip gives one sentence."""

from __future__ import annotations

import io
import random
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_factory import base
from ai_factory.base import Base
from ai_factory.errors import FactoryError, LockError
from ai_factory.tree import EXECUTABLE, LINK, REGULAR, File, blob_id
from tests.kit import refusal

BASE = Base(
    {"b": File(b"two", EXECUTABLE), "a/ü \n": File(b"one\r\n\0"), "c": File(b"b", LINK), "empty": File(b"")},
    {"a/x": File(b"incoming")},
)


def test_a_base_is_read_back_as_it_was() -> None:
    assert base.read(base.write(BASE)) == BASE


def test_the_same_files_give_the_same_bytes_in_any_order() -> None:
    turned = Base(dict(reversed(list(BASE.files.items()))), BASE.theirs)
    assert base.write(turned) == base.write(BASE)


def test_entries_are_stored_sorted_and_dateless() -> None:
    """Git packs the versions of such a zip well against each other."""
    with zipfile.ZipFile(io.BytesIO(base.write(BASE))) as archive:
        rows = [(info.filename, info.date_time, info.compress_type) for info in archive.infolist()]
    assert rows == [(name, base.EPOCH, zipfile.ZIP_STORED) for name in ("a/ü \n", "b", "c", "empty", "theirs/a/x")]


paths = st.text("ab/.ü", min_size=1, max_size=6).filter(lambda path: not {"", ".", ".."} & set(path.split("/")))
links = st.just(File(b"b", LINK))  # one that leads out of its tree is refused
contents = st.builds(File, st.binary(max_size=20), st.sampled_from([REGULAR, EXECUTABLE]))
trees = st.dictionaries(paths, contents | links, max_size=4)


@given(trees, trees)
def test_any_base_is_read_back(files: dict[str, File], theirs: dict[str, File]) -> None:
    assert base.read(base.write(Base(files, theirs))) == Base(files, theirs)


IDS = {path: blob_id(file.content) for path, file in BASE.files.items()}


def test_single_files_are_read_without_a_zip_library() -> None:
    """Those that are asked for, where they have the content that they must have."""
    content = base.write(BASE)
    assert base.pristine(content, IDS) == {path: file.content for path, file in BASE.files.items()}
    assert base.pristine(content, {"b": IDS["c"], "c": IDS["c"], "a/x": IDS["b"], "none": IDS["b"]}) == {"c": b"b"}


@given(trees, trees)
def test_single_files_of_any_base_are_read(files: dict[str, File], theirs: dict[str, File]) -> None:
    ids = {path: blob_id(file.content) for path, file in files.items()}
    found = base.pristine(base.write(Base(files, theirs)), ids)
    assert found == {path: file.content for path, file in files.items()}


@given(st.binary(max_size=80) | st.builds(lambda cut, more: base.write(BASE)[:cut] + more, st.integers(0), st.binary()))
def test_of_a_broken_base_nothing_wrong_is_read(content: bytes) -> None:
    """And nothing is raised: a check says AF005 of it anyway."""
    whole = {path: file.content for path, file in BASE.files.items()}
    assert base.pristine(content, IDS).items() <= whole.items()


def test_entries_that_overlap_take_no_more_room_than_the_base() -> None:
    """A list of entries could name one large content a thousand times."""
    large = b"x" * 100_000
    names = [f"f{number}" for number in range(50)]
    content = base.write(Base({name: File(large) for name in names}, {}))
    whole = base.pristine(content, dict.fromkeys(names, blob_id(large)))
    start = content.index(b"PK\1\2")
    rows = content[start : -base.END].split(b"PK\1\2")[1:]
    shared = b"".join(b"PK\1\2" + row[:38] + bytes(4) + row[42:] for row in rows)
    first = content[: base.HEAD + 2 + len(large)]
    end = content[-base.END :]
    end = end[:16] + len(first).to_bytes(4, "little") + end[20:]
    found = base.pristine(first + shared + end, dict.fromkeys(names, blob_id(large)))
    assert (len(whole), len(found)) == (50, 1)


def zipped(names: list[str], mode: int = 0o100644, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = compression
            archive.writestr(info, b"x")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/.git/config", "a\\b", "a/", "theirs/../x", "theirs//x"])
def test_a_path_that_leaves_the_project_is_refused(name: str) -> None:
    error = refusal(lambda: base.read(zipped([name])))
    assert (type(error), error.message, error.hint) == (
        LockError,
        f"`.ai-factory/base` is broken: the path {name!r} points outside its folder or into git's own",
        "bring it back with `git checkout -- .ai-factory/base`",
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "File is not a zip file"),
        (b"PK\x05\x06", "File is not a zip file"),
        (zipped(["a"], compression=zipfile.ZIP_DEFLATED), "its entries are compressed"),
        (zipped(["a"], mode=0o100777), "`a` has a mode that git does not know"),
        (zipped(["a"], mode=0o040000), "`a` has a mode that git does not know"),
    ],
)
def test_what_is_no_base_is_refused(content: bytes, reason: str) -> None:
    assert refusal(lambda: base.read(content)).message == f"`.ai-factory/base` is broken: {reason}"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_path_named_twice_is_refused() -> None:
    assert (
        refusal(lambda: base.read(zipped(["a", "a"]))).message == "`.ai-factory/base` is broken: it names a path twice"
    )


def test_more_than_the_limit_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    content = zipped(["a", "b"])
    monkeypatch.setattr(base, "LIMIT", len(content) - 1)
    assert refusal(lambda: base.read(content)).message == "`.ai-factory/base` is broken: it is too large"


def test_an_encrypted_entry_is_refused() -> None:
    content = bytearray(zipped(["a"]))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert type(refusal(lambda: base.read(bytes(content)))) is LockError


def test_no_damage_makes_it_crash() -> None:
    good, chance = zipped(["a", "b/c"]), random.Random(1)  # noqa: S311, the same damage each time
    for _ in range(1000):
        broken = bytearray(good)
        for _ in range(chance.randint(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            base.read(bytes(broken))
        except FactoryError as error:
            assert type(error) is LockError  # noqa: PT017, most damage is refused, some does no harm
