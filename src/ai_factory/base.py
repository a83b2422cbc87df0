"""`.ai-factory/base`: the pristine content that each managed and merged file descends from, as one zip.

Stored, sorted, fixed dates: the same trees give the same bytes, and git packs the versions well against
each other. An open conflict keeps its incoming version beside the base, as `theirs/PATH`.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ai_factory.errors import FactoryError, LockError
from ai_factory.lock import BASE, MODES
from ai_factory.tree import File, Tree, blob_id, check_link, check_path

if TYPE_CHECKING:  # loaded where a base is read or written
    import zipfile

THEIRS = "theirs/"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold
LIMIT = 64 * 1024 * 1024  # bytes of a zip that is read at most, and so of its content: nothing in it is compressed
DIRECTORY_LIMIT = 4 * 1024 * 1024  # bytes of the list of its entries: 10,000 take one
END = 22  # bytes of the record with which a zip ends
_UTF_8 = 0x800  # the one flag that an entry may have: its name is UTF-8
ENTRY, HEAD = 46, 30  # bytes of a row in its list of entries, and of what precedes a file, both without the names


class Base(NamedTuple):
    """The pristine files by path, and the incoming files of open conflicts."""

    files: Tree
    theirs: Tree


def write(base: Base) -> bytes:
    """The zip's bytes."""
    return packed({**base.files, **{THEIRS + path: file for path, file in base.theirs.items()}})


def packed(entries: Tree) -> bytes:
    """A zip of these files: stored, sorted, with one date, so that the same files give the same bytes."""
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, file in sorted(entries.items()):
            info = zipfile.ZipInfo(path, EPOCH)
            info.create_system = 3  # Unix, wherever this runs: the mode lies in the upper half
            info.external_attr = int(file.mode, 8) << 16
            archive.writestr(info, file.content)
    return buffer.getvalue()


def read(content: bytes) -> Base:
    """The files in a base.

    Raises LockError when it is no such zip: broken, compressed, too large, or with a path that leaves the project.
    """
    import zipfile

    try:
        _check_end(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            _check(infos, len(content))
            entries = {info.filename: File(_stored(content, info), f"{info.external_attr >> 16:o}") for info in infos}
            for path, file in entries.items():
                check_link(path.removeprefix(THEIRS), file)
    except FactoryError as error:
        raise _broken(error.message) from None
    except (zipfile.BadZipFile, RuntimeError, ValueError, EOFError, OSError) as error:
        raise _broken(str(error)) from None
    theirs = {path.removeprefix(THEIRS): file for path, file in entries.items() if path.startswith(THEIRS)}
    return Base({path: file for path, file in entries.items() if not path.startswith(THEIRS)}, theirs)


def _stored(content: bytes, info: zipfile.ZipInfo) -> bytes:
    """The content of a file that is stored as it is, as `ZipFile.read` gives it, in a tenth of its time.

    Raises ValueError where the header before it, or its checksum, is not what the list of entries says.
    """
    begin = info.header_offset + HEAD
    head = content[info.header_offset : begin]
    name, extra = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
    data = content[begin + name + extra : begin + name + extra + info.file_size]
    spelled = info.orig_filename.encode("utf-8" if info.flag_bits & _UTF_8 else "cp437")
    if head[:4] != b"PK\3\4" or content[begin : begin + name] != spelled or info.flag_bits & ~_UTF_8:
        raise ValueError(f"the entry of {info.filename!r} is not the file before it")
    if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
        raise ValueError(f"the content of {info.filename!r} is damaged")
    return data


def pristine(content: bytes, wanted: Mapping[str, str]) -> dict[str, bytes]:
    """The content of those paths, read off the bytes: `check` has no time to load a zip library.

    `wanted` maps a path to the blob id that its content must have; what is not found so is left out.
    """
    try:
        _check_end(content)
    except ValueError:
        return {}
    found: dict[str, bytes] = {}
    room = len(content)  # entries that overlap would hold more than there is
    for path, begin, size in _entries(content):
        if path not in wanted or size > room:
            continue
        part = content[begin : begin + size]
        room -= size
        if blob_id(part) == wanted[path]:
            found[path] = part
    return found


def _entries(content: bytes) -> Iterator[tuple[str, int, int]]:
    """Path, begin and size of each file by the zip's list of entries, as far as it can be followed."""
    number = int.from_bytes
    place = number(content[-END + 16 : -END + 20], "little")
    while content[place : place + 4] == b"PK\1\2":
        row = content[place : place + ENTRY]
        size, start = number(row[20:24], "little"), number(row[42:46], "little")
        name, extra, comment = (number(row[at : at + 2], "little") for at in (28, 30, 32))
        head = content[start : start + HEAD]
        begin = start + HEAD + number(head[26:28], "little") + number(head[28:30], "little")
        yield content[place + ENTRY : place + ENTRY + name].decode("utf-8", "replace"), begin, size
        place += ENTRY + name + extra + comment


def _check_end(content: bytes) -> None:
    """Raise ValueError before anything is unpacked from what nobody wrote as a base."""
    if len(content) > LIMIT:
        raise ValueError("it is too large")
    end = content[-END:]
    # a comment, or the signs of a zip of more than 4 GiB, would let the list of entries be somewhere else
    plain = end[:4] == b"PK\5\6" and end[20:] == b"\0\0" and content[-END - 20 : -END][:4] != b"PK\6\7"
    if len(content) >= END and not plain:
        raise ValueError("it does not end as a base does")
    if int.from_bytes(end[12:16], "little") > DIRECTORY_LIMIT:
        raise ValueError("it lists too much")


def _check(infos: list[zipfile.ZipInfo], size: int) -> None:
    import zipfile

    for info in infos:
        check_path(info.filename)
        if f"{info.external_attr >> 16:o}" not in MODES:
            raise ValueError(f"`{info.filename}` has a mode that git does not know")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise ValueError("its entries are compressed")
    if sum(info.file_size for info in infos) > size:
        raise ValueError("its entries overlap")
    if len({info.filename for info in infos}) < len(infos):
        raise ValueError("it names a path twice")


def _broken(reason: str) -> LockError:
    return LockError(f"`{BASE}` is broken: {reason}", f"bring it back with `git checkout -- {BASE}`")
