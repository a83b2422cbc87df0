"""Proves evidence bundles, and single events of audit logs. It needs Python alone: a bundle carries this file.

    python verify.py [BUNDLE]      a folder or zip: exit code 0 if all of it holds, else 1

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

MANIFEST = "manifest.json"


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
    return Checkpoint(origin, int(size), base64.b64decode(root), f"{text}\n".encode(), tuple(signed.splitlines()))


def signed(point: Checkpoint, keys: Iterable[str]) -> bool:
    """Whether one of these keys (`name+hash+key`) signed it; what is no key or no signature counts for nothing."""
    return any(_signed(point, key, line) for key in keys for line in point.signatures)


def _signed(point: Checkpoint, key: str, line: str) -> bool:
    try:
        (mark, by, given), (name, _, public) = line.split(" "), key.split("+", 2)
        signature, known = base64.b64decode(given)[4:], base64.b64decode(public)[1:]
    except ValueError:
        return False
    return (mark, by) == ("—", name) and verified(known, point.text, signature)


# ---- trees ---------------------------------------------------------------------------------------


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def leaf(line: bytes, own: str) -> str:
    """The hash of an event: of its line without the hash itself, which no data can name beforehand."""
    bare = line.replace(f'"hash":"{own}",'.encode(), b"", 1)
    return "sha256:" + hashlib.sha256(b"\x00" + bare).hexdigest()


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


def proof_problems(proof: Mapping[str, Any], keys: Sequence[str] = ()) -> Iterator[str]:
    """What is wrong with the proof of one event (`event` its line, `index` from 0, `size`, `path`, `checkpoint`)."""
    line = str(proof["event"]).encode()
    own = str(json.loads(line)["hash"])
    point = checkpoint(str(proof["checkpoint"]))
    path = [bytes.fromhex(step) for step in proof["path"]]
    if leaf(line, own) != own:
        yield "the event was changed: its hash differs"
    elif not included(bytes.fromhex(own.removeprefix("sha256:")), int(proof["index"]), point.size, path, point.root):
        yield "the path does not lead from the event to the root of the checkpoint"
    if keys and not signed(point, keys):
        yield "the checkpoint is signed by no known key"


# ---- Ed25519 (RFC 8032, section 5.1.7) -----------------------------------------------------------

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
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


BASE = _point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


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
    left, right = _times(scalar, BASE), _add(given, _times(digest, key))
    same = all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))
    return scalar < ORDER and same


# ---- bundles -------------------------------------------------------------------------------------

Read = Callable[[str], bytes | None]


def bundle_problems(read: Read, names: Iterable[str]) -> list[str]:
    """What is wrong with a bundle: a file that is not what the manifest says, or is not in it; a proof that fails."""
    try:
        manifest = json.loads(read(MANIFEST) or b"")
        files, keys = dict(manifest["files"]), list(manifest.get("checkpoint_keys", ()))
    except (ValueError, LookupError, TypeError):
        return [f"{MANIFEST} is missing or no manifest"]
    found = [f"{name} is not in the manifest" for name in sorted(set(names) - files.keys() - {MANIFEST})]
    for name, digest in sorted(files.items()):
        content = read(name)
        if content is None or "sha256:" + hashlib.sha256(content).hexdigest() != digest:
            found.append(f"{name} is missing" if content is None else f"{name} was changed: its digest differs")
        elif name.startswith("proofs/"):
            found += [f"{name}: {problem}" for problem in _guarded(content, keys)]
    return found


def _guarded(content: bytes, keys: Sequence[str]) -> list[str]:
    try:
        return list(proof_problems(json.loads(content), keys))
    except (ValueError, LookupError, TypeError, AttributeError):
        return ["it is no proof"]


def main(arguments: Sequence[str]) -> int:
    """Verify the bundle that is named, and say what is wrong with it."""
    place = arguments[0] if arguments else os.path.dirname(os.path.abspath(__file__))
    if os.path.isdir(place):
        walked = [os.path.join(folder, name) for folder, _, names in os.walk(place) for name in names]
        contents = {os.path.relpath(path, place).replace(os.sep, "/"): open(path, "rb").read() for path in walked}  # noqa: SIM115
    else:
        with zipfile.ZipFile(place) as archive:
            contents = {name: archive.read(name) for name in archive.namelist()}
    problems = bundle_problems(contents.get, contents)
    sys.stdout.write("".join(f"{problem}\n" for problem in problems) or f"{len(contents)} files, all as they were\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
