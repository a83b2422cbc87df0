"""The Merkle tree of RFC 9162 (section 2.1) over the events of a log.

A root of 32 bytes stands for all events. A proof of some twenty hashes shows that one event is
among them, or that a later log only added to an earlier one, without showing any other event.
"""

import hashlib
from collections.abc import Sequence

EMPTY = hashlib.sha256().digest()


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
