"""Merkle roots over the events of a log, and signed statements of them to be kept elsewhere.

The tree is that of RFC 9162 (section 2.1): a root of 32 bytes stands for all events, and a proof
of some twenty hashes shows that one event is among them, or that a later log only added to an
earlier one, without showing any other event.

A checkpoint says how long a log was and what its root was, as a C2SP checkpoint in a signed note,
which other tools and public witnesses can read: origin, size, root, an empty line, Ed25519
signatures. Keep it where nobody here can write. The private key comes from the environment and is
never stored; the public ones stand in ops/audit.yaml.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .privacy import KeyRefused, in_production

SIGNING_KEY = "AUDIT_SIGNING_KEY"
ED25519 = b"\x01"
EMPTY = hashlib.sha256().digest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`log` is the file's name, `origin` its name in the world; `signatures` end the note."""

    log: str
    origin: str
    size: int
    root: bytes
    signatures: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def line(self) -> str:
        """One line of JSON with the note in it, to be kept with others in a file."""
        note = f"{self.text}\n" + "".join(f"{signature}\n" for signature in self.signatures)
        return json.dumps({"log": self.log, "checkpoint": note}, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, line: str) -> "Checkpoint":
        """Read such a line; ValueError if it is none."""
        try:
            found = json.loads(line)
            text, _, signatures = found["checkpoint"].partition("\n\n")
            origin, size, root = text.split("\n")[:3]
            signed = tuple(signatures.splitlines())
            return cls(found["log"], origin, int(size), base64.b64decode(root), signed)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a checkpoint: {line.strip()[:80]}") from error


def read(file: Path) -> list[Checkpoint]:
    """The checkpoints in a file; none if it is not there."""
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [Checkpoint.parse(line) for line in lines if line.strip()]


def file_of(log: Path) -> Path:
    """Where the checkpoints of a log are kept beside it: copy them elsewhere."""
    return log.with_suffix(".checkpoints")


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs as `name`, with a seed of 32 bytes."""

    name: str
    seed: bytes

    def sign(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with one more signature."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        made = Ed25519PrivateKey.from_private_bytes(self.seed).sign(checkpoint.text.encode())
        short = _short(self.name, self._public())
        line = f"— {self.name} {base64.b64encode(short + made).decode()}"
        return replace(checkpoint, signatures=(*checkpoint.signatures, line))

    def public_key(self) -> str:
        """What ops/audit.yaml lists under `checkpoint_keys`: name, short hash, public key."""
        key = base64.b64encode(ED25519 + self._public()).decode()
        return f"{self.name}+{_short(self.name, self._public()).hex()}+{key}"

    def _public(self) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()


def signer_from(environment: Mapping[str, str], name: str) -> Signer | None:
    """The signer with the key in AUDIT_SIGNING_KEY (base64 of 32 bytes), or None without a key.

    KeyRefused for a key that is none, and in production without one.
    """
    text = environment.get(SIGNING_KEY, "")
    if not text and not in_production(environment):
        return None
    try:
        seed = base64.b64decode(text, validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != 32:
        raise KeyRefused(f"{SIGNING_KEY} must be 32 bytes in base64: `audit keygen` makes one")
    return Signer(name, seed)


def signed(checkpoint: Checkpoint, keys: Sequence[str]) -> bool:
    """Whether one of these public keys signed the checkpoint."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for name, short, public in map(_public_key, keys):
        for line in checkpoint.signatures:
            mark, by, given = line.split(" ")
            content = base64.b64decode(given)
            if (mark, by, content[:4]) != ("—", name, short):
                continue
            try:
                key = Ed25519PublicKey.from_public_bytes(public)
                key.verify(content[4:], checkpoint.text.encode())
                return True
            except InvalidSignature:
                continue
    return False


def _public_key(text: str) -> tuple[str, bytes, bytes]:
    name, short, key = text.split("+", 2)
    return name, bytes.fromhex(short), base64.b64decode(key)[1:]


def _short(name: str, public: bytes) -> bytes:
    """The first bytes of a hash by which a signature tells its key (C2SP signed note)."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees; its leading byte keeps it apart from the hash of a leaf."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The root of a growing tree: leaves are added in order, only log2(n) hashes are kept."""

    def __init__(self, leaves: Sequence[bytes] = ()) -> None:
        self.size = 0
        self._full: list[bytes] = []
        for leaf in leaves:
            self.add(leaf)

    def add(self, leaf: bytes) -> None:
        """Add one leaf; two full subtrees of one size become one."""
        self.size += 1
        self._full.append(leaf)
        size = self.size
        while size % 2 == 0:
            right = self._full.pop()
            self._full[-1] = node(self._full[-1], right)
            size //= 2

    def root(self) -> bytes:
        """The hash of the whole tree."""
        if not self._full:
            return EMPTY
        *rest, top = self._full
        for left in reversed(rest):
            top = node(left, top)
        return top


def root(leaves: Sequence[bytes]) -> bytes:
    """The hash of the tree over these leaves."""
    return Frontier(leaves).root()


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that the leaf at `index` (from 0) is in the tree over `leaves`."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"there is no leaf {index} among {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion(leaves[:split], index), root(leaves[split:])]
    return [*inclusion(leaves[split:], index - split), root(leaves[:split])]


def consistency(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The proof that the tree over the `first` leaves grew into the tree over all of them."""
    if not 0 < first <= len(leaves):
        raise ValueError(f"there is no tree of {first} among {len(leaves)} leaves")
    return _subproof(leaves, first, whole=True)


def included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], known: bytes) -> bool:
    """Whether the proof shows the leaf at `index` in the tree of `size` with this root."""
    if not 0 <= index < size:
        return False
    here, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if here % 2 or here == last:
            found = node(step, found)
            while here % 2 == 0 and here:
                here, last = here // 2, last // 2
        else:
            found = node(found, step)
        here, last = here // 2, last // 2
    return last == 0 and found == known


def consistent(
    first: int, size: int, proof: Sequence[bytes], known_first: bytes, known: bytes
) -> bool:
    """Whether the proof shows that the tree of `size` only added to the tree of `first`."""
    if first == size:
        return not proof and known_first == known
    if not 0 < first < size or not proof:
        return False
    steps = [known_first, *proof] if first & (first - 1) == 0 else list(proof)
    return _replayed(first, size, steps) == (known_first, known)


def _replayed(first: int, size: int, steps: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The roots of both trees as the proof gives them (RFC 9162, section 2.1.4.2)."""
    here, last = first - 1, size - 1
    while here % 2:
        here, last = here // 2, last // 2
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if here % 2 or here == last:
            old, new = node(step, old), node(step, new)
            while here % 2 == 0 and here:
                here, last = here // 2, last // 2
        else:
            new = node(new, step)
        here, last = here // 2, last // 2
    return (old, new) if last == 0 else None


def _subproof(leaves: Sequence[bytes], first: int, whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if whole else [root(leaves)]
    split = _split(len(leaves))
    if first <= split:
        return [*_subproof(leaves[:split], first, whole), root(leaves[split:])]
    return [*_subproof(leaves[split:], first - split, whole=False), root(leaves[:split])]


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
