"""Signed statements of how long a log was and what it held, to be kept where nobody here can write.

The text is a C2SP checkpoint in a signed note, which other tools and public witnesses can read:
origin, size, Merkle root, an empty line, Ed25519 signatures. The private key comes from the
environment and is never stored; the public ones stand in ops/audit.yaml.
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
