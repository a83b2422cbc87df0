"""Proves evidence bundles, and single events of audit logs. It needs Python alone: a bundle carries this file.

    python verify.py [BUNDLE] [--key KEY]...      a folder or zip: exit code 0 if all of it holds, 1 if not, 2 misused

An event is a line of JSON; its `hash` is SHA-256 over a zero byte and the line without that member. The hashes of a
log are the leaves of a Merkle tree (RFC 9162, section 2.1). A checkpoint is a signed note (C2SP): origin, size, root,
and Ed25519 signatures (RFC 8032) over these.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

MANIFEST, GATE, PROOFS = "manifest.json", "gate.json", "proofs/"


class Checkpoint(NamedTuple):
    """How long a log was, what the root of its tree was, and who signed that."""

    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: tuple[str, ...]


def checkpoint(note: str) -> Checkpoint:
    """Read a note. Raises ValueError for what is none."""
    text, _, signed = note.partition("\n\n")
    origin, size, root = text.split("\n")[:3]
    if not size.isdecimal():
        raise ValueError("a log of no size")
    return Checkpoint(origin, int(size), base64.b64decode(root), f"{text}\n".encode(), tuple(signed.splitlines()))


def signed(point: Checkpoint, keys: Iterable[str]) -> bool:
    """Whether one of these keys (`name+hash+key`) signed it; what is no key or no signature counts for nothing."""
    for key, line in ((key, line) for key in keys for line in point.signatures):
        with suppress(ValueError):
            (mark, by, given), (name, _, public) = line.split(" "), key.split("+", 2)
            signature, known = base64.b64decode(given)[4:], base64.b64decode(public)[1:]
            if (mark, by) == ("—", name) and verified(known, point.text, signature):
                return True
    return False


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaf(line: bytes, own: str) -> str:
    """The hash of an event: of its line without the hash itself, which no data can name beforehand."""
    return "sha256:" + hashlib.sha256(b"\x00" + line.replace(f'"hash":"{own}",'.encode(), b"", 1)).hexdigest()


def included(one: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path leads from the leaf at `index` to the root of a tree of `size`."""
    here, last, found = index, size - 1, one
    for step in path:
        if here % 2 or here == last:
            found = node(step, found)
            while here % 2 == 0 and here:
                here, last = here // 2, last // 2
        else:
            found = node(found, step)
        here, last = here // 2, last // 2
    return 0 <= index < size and last == 0 and found == root


def proof_problems(proof: Mapping[str, Any], keys: Sequence[str]) -> Iterator[str]:
    """What is wrong with the proof of one event (`event` its line, `index` from 0, `path`, `checkpoint`)."""
    line = str(proof["event"]).encode()
    own = str(json.loads(line)["hash"])
    point = checkpoint(str(proof["checkpoint"]))
    path = [bytes.fromhex(step) for step in proof["path"]]
    if leaf(line, own) != own:
        yield "the event was changed: its hash differs"
    elif not included(bytes.fromhex(own.removeprefix("sha256:")), int(proof["index"]), point.size, path, point.root):
        yield "the path does not lead from the event to the root of the checkpoint"
    if not signed(point, keys):
        yield "the checkpoint is signed by none of the keys"


P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
BASE = (4 * pow(5, P - 2, P) % P).to_bytes(32, "little")
Point = tuple[int, int, int, int]


def _add(one: Point, two: Point) -> Point:
    a, b = (one[1] - one[0]) * (two[1] - two[0]) % P, (one[1] + one[0]) * (two[1] + two[0]) % P
    c, d = 2 * one[3] * two[3] * D % P, 2 * one[2] * two[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number: int, point: Point) -> Point:
    found: Point = (0, 1, 1, 0)
    while number:
        found = _add(found, point) if number & 1 else found
        point, number = _add(point, point), number >> 1
    return found


def _point(encoded: bytes) -> Point:
    """The point of 32 bytes. Raises ValueError for none."""
    y, sign = int.from_bytes(encoded, "little") & ((1 << 255) - 1), encoded[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("no point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def verified(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the key signed the message."""
    if len(public) != 32 or len(signature) != 64:
        return False
    try:
        key, given = _point(public), _point(signature[:32])
    except ValueError:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    digest = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    left, right = _times(scalar, _point(BASE)), _add(given, _times(digest, key))
    same = all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
    return scalar < ORDER and same


def bundle_problems(contents: Mapping[str, bytes], given: Sequence[str] = ()) -> Iterator[str]:
    """What is wrong: files that are not what the manifest says; proofs that fail by the keys given, else by its own."""
    try:
        manifest = json.loads(contents[MANIFEST])
        files, named = dict(manifest["files"]), list(manifest["checkpoint_keys"])
    except (ValueError, LookupError, TypeError, RecursionError):
        yield f"{MANIFEST} is missing or no manifest"
        return
    yield from (f"{name} is not in the manifest" for name in sorted(contents.keys() - files.keys() - {MANIFEST}))
    yield from (f"{name} is missing" for name in sorted({*files, GATE} - contents.keys()))
    for name, content in sorted(contents.items()):
        if name in files and "sha256:" + hashlib.sha256(content).hexdigest() != files[name]:
            yield f"{name} was changed: its digest differs"
        elif name.startswith(PROOFS):
            yield from (f"{name}: {problem}" for problem in _guarded(content, given or named))


def _guarded(content: bytes, keys: Sequence[str]) -> list[str]:
    try:
        return list(proof_problems(json.loads(content), keys))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return ["it is no proof"]


def opened(place: str) -> dict[str, bytes]:
    """The files of a folder or a zip. Raises ValueError for links, names that stand twice, and what is neither."""
    if not os.path.isdir(place):
        with zipfile.ZipFile(place) as archive:
            if len({*archive.namelist()}) != len(archive.namelist()):
                raise ValueError("a name stands twice in the archive")
            return {name: archive.read(name) for name in archive.namelist()}
    paths = [os.path.join(folder, name) for folder, names, files in os.walk(place) for name in (*names, *files)]
    if links := [path for path in paths if os.path.islink(path)]:
        raise ValueError(f"{links[0]} is a link")
    paths = [path for path in paths if os.path.isfile(path)]
    return {os.path.relpath(path, place).replace(os.sep, "/"): open(path, "rb").read() for path in paths}


def main(arguments: Sequence[str]) -> int:
    """Verify the bundle that is named, with keys after `--key`, and say what is wrong with it."""
    keys = [key for flag, key in pairwise([*arguments, ""]) if flag == "--key"]
    rest = [word for flag, word in pairwise(["", *arguments]) if "--key" not in (flag, word)]
    if "" in keys or len(rest) > 1 or "".join(rest).startswith("-"):
        sys.stdout.write("usage: python verify.py [BUNDLE] [--key KEY]...\n")
        return 2
    try:
        contents = opened(rest[0] if rest else os.path.dirname(os.path.abspath(__file__)))
        problems = list(bundle_problems(contents, keys))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        contents, problems = {}, [f"no bundle: {error}"]
    by = "signatures by " + ("the keys given" if keys else "keys of the bundle itself: give yours with --key")
    by = by if any(name.startswith(PROOFS) for name in contents) else "no event is proved"
    lines = problems or [f"{len(contents)} files, all as the manifest says; {by}"]
    sys.stdout.write("".join(line.encode("unicode_escape").decode() + "\n" for line in lines))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
