"""Signatures, trees, logs and bundles are proved with nothing but Python."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai_factory import logs, proof

# RFC 8032, section 7.1: tests 1, 2, 3 and SHA(abc): public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_signatures_of_the_standard_are_verified(key: str, message: str, signature: str) -> None:
    """And none of them with one bit changed, in key, message or signature."""
    given = [bytes.fromhex(part) for part in (key, message, signature)]
    assert proof.verified(given[0], given[1], given[2])
    for part, content in enumerate(given):
        for bit in range(0, len(content) * 8, 37):
            spoiled = bytearray(content)
            spoiled[bit // 8] ^= 1 << bit % 8
            assert not proof.verified(*(bytes(spoiled) if n == part else one for n, one in enumerate(given)))
    assert not proof.verified(given[0], given[1] + b"x", given[2])
    assert not proof.verified(given[0], given[1], given[2][:63])


SEED = b"seed of thirty-two bytes, a test"


def signature(seed: bytes, message: bytes) -> tuple[bytes, bytes]:
    """The public key of a seed, and what it signs a message with (RFC 8032, section 5.1.6)."""
    digest = hashlib.sha512(seed).digest()
    secret = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    public, one = _encoded(secret), int.from_bytes(hashlib.sha512(digest[32:] + message).digest(), "little")
    first = _encoded(one % proof.ORDER)
    hashed = int.from_bytes(hashlib.sha512(first + public + message).digest(), "little")
    return public, first + ((one + hashed * secret) % proof.ORDER).to_bytes(32, "little")


def _encoded(number: int) -> bytes:
    x, y, z, _ = proof._times(number, proof._point(proof.BASE))
    inverse = pow(z, proof.P - 2, proof.P)
    return ((y * inverse % proof.P) | (x * inverse % proof.P & 1) << 255).to_bytes(32, "little")


def signed(note: str) -> str:
    """A checkpoint with the signature of the seed."""
    _, made = signature(SEED, note.removesuffix("\n").encode())
    return f"{note}— /s {base64.b64encode(b'0000' + made).decode()}\n"


def key_of(name: str = "/s") -> str:
    """The public key of the seed as `checkpoint_keys` lists it."""
    public, _ = signature(SEED, b"")
    return f"{name}+30303030+{base64.b64encode(bytes([1]) + public).decode()}"


def event(number: int, previous: str, **data: Any) -> tuple[bytes, str]:
    """A line as a project writes it, and its hash."""
    told = {"data": data, "datacontenttype": "application/json", "id": f"e{number}", "previoushash": previous}
    told |= {"sequence": f"{number:012d}", "source": "/s", "type": data.pop("type", "ai.system.decision.v1")}
    bare = json.dumps(dict(sorted(told.items())), separators=(",", ":"))
    own = "sha256:" + hashlib.sha256(b"\x00" + bare.encode()).hexdigest()
    return bare.replace('"id":', f'"hash":"{own}","id":', 1).encode(), own


def log(size: int) -> list[bytes]:
    """The lines of a sound log."""
    lines: list[bytes] = []
    previous = logs.GENESIS
    for number in range(1, size + 1):
        line, previous = event(number, previous, n=number)
        lines.append(line)
    return lines


def content(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def head(lines: list[bytes]) -> dict[str, Any]:
    return {"sequence": len(lines), "hash": json.loads(lines[-1])["hash"]}


def note(lines: list[bytes], origin: str = "/s/log") -> str:
    """An unsigned checkpoint of these lines."""
    root = logs.root_of(logs.read_log(content(lines)).leaves)
    return f"{origin}\n{len(lines)}\n{base64.b64encode(root).decode()}\n\n"


def test_a_sound_log_has_no_problem() -> None:
    lines = log(9)
    found = logs.read_log(
        content(lines), head(lines), [proof.checkpoint(note(lines[:5])), proof.checkpoint(note(lines))]
    )
    assert (len(found.leaves), found.torn, found.problems) == (9, False, ())
    assert logs.read_log(b"", None).problems == ()


Spoil = Callable[[list[bytes]], list[bytes]]
SPOILT: list[tuple[Spoil, list[str]]] = [
    (lambda x: [*x[:2], x[2].replace(b'"n":3', b'"n":4'), *x[3:]], ["line 3 was changed: its hash differs"]),
    (
        lambda x: [*x[:2], *x[3:]],
        ["line 3 does not follow from the line before", "line 4 does not follow from the line before"],
    ),
    (lambda x: [x[1], x[0], *x[2:]], ["line 1 does not follow from the line before"]),
    (lambda x: [*x[:3], b"{}", *x[4:]], ["line 4 is no event"]),
    (lambda x: x[:3], ["the head file names event 5, the log ends at 3: its end was cut off"]),
    (lambda x: [b"[" * 100_000, *x[1:]], ["line 1 is no event"]),
]


@pytest.mark.parametrize(("spoil", "messages"), SPOILT)
def test_what_was_done_to_a_log_is_found(spoil: Spoil, messages: list[str]) -> None:
    """By its own lines and its head file."""
    lines = log(5)
    found = logs.read_log(content(spoil(lines)), head(lines)).problems
    assert found[: len(messages)] == tuple(messages)


def test_a_log_that_was_written_anew_is_found_by_its_checkpoint() -> None:
    """Chain and head are sound; the tree is another."""
    lines, other = log(5), log(4)
    line, _ = event(5, json.loads(other[-1])["hash"], n=99)
    other.append(line)
    kept = proof.checkpoint(note(lines))
    assert logs.read_log(content(other), head(other)).problems == ()
    assert logs.read_log(content(other), head(other), [kept]).problems == (
        "the first 5 events are not those of a checkpoint",
    )
    assert logs.read_log(content(lines[:3]), None, [kept]).problems == (
        "a checkpoint names event 5, the log ends at 3",
    )


def test_a_torn_end_is_told_from_tampering() -> None:
    lines = log(3)
    found = logs.read_log(content(lines) + b'{"data":', head(lines))
    assert (found.torn, found.problems) == (True, ())


def test_what_is_left_of_a_disposed_event_keeps_the_chain() -> None:
    """Its place is told, and so are the places that a disposal names."""
    lines = log(4)
    second = json.loads(lines[1])
    stub = {name: second[name] for name in ("hash", "previoushash", "sequence")} | {"disposed": True}
    lines[1] = json.dumps(stub).encode()
    data = {"what": "events", "log": "a.jsonl", "sequences": [[2, 3]], "type": logs.DISPOSAL}
    line, _ = event(5, json.loads(lines[-1])["hash"], **data)
    found = logs.read_log(content([*lines, line]))
    assert (found.problems, found.stubs, found.disposed) == ((), (2,), {"a.jsonl": frozenset({2, 3})})


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_every_event_can_be_proved_without_the_others(size: int) -> None:
    """Of a tree of any size; no proof fits another place, leaf or root."""
    lines = log(size)
    leaves = logs.read_log(content(lines)).leaves
    root = logs.root_of(leaves)
    for index, one in enumerate(leaves):
        path = logs.path_to(leaves, index)
        assert proof.included(one, index, size, path, root)
        assert not proof.included(one, index, size, path, b"\0" * 32)
        assert not proof.included(b"\0" * 32, index, size, path, root)
        assert not proof.included(one, (index + 1) % size, size, path, root) or size == 1
        assert not proof.included(one, index, size, [*path, root], root)


def proved(lines: list[bytes], index: int) -> dict[str, Any]:
    """The proof of one event as `audit prove` prints it."""
    leaves = logs.read_log(content(lines)).leaves
    path = [step.hex() for step in logs.path_to(leaves, index)]
    return {"event": lines[index].decode(), "index": index, "path": path, "checkpoint": signed(note(lines))}


UNSIGNED = "proofs/1.json: the checkpoint is signed by none of the keys"
GOOD = "4 files, all as the manifest says; signatures by keys of the bundle itself: give yours with --key"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder with a manifest, a document, the proof of an event, and the script that verifies it."""
    files = {"gate.json": b"{}", "proofs/1.json": json.dumps(proved(log(7), 3)).encode()}
    pack(tmp_path, files, [key_of()])
    return tmp_path


def pack(folder: Path, files: dict[str, bytes], keys: list[str]) -> None:
    """A bundle of these files, and of the script."""
    files = {**files, "verify.py": Path(proof.__file__).read_bytes()}
    told = {name: "sha256:" + hashlib.sha256(part).hexdigest() for name, part in files.items()}
    files[proof.MANIFEST] = json.dumps({"files": told, "checkpoint_keys": keys}).encode()
    for name, part in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(part)


def run(*arguments: str, folder: Path) -> tuple[int, list[str]]:
    """The script alone, in an isolated Python without any package."""
    command = [sys.executable, "-I", "-S", str(folder / "verify.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return done.returncode, done.stdout.splitlines()


def test_a_bundle_is_verified_by_its_own_script(bundle: Path) -> None:
    """As a folder, and as a zip."""
    assert run(folder=bundle) == (0, [GOOD])
    with zipfile.ZipFile(bundle.parent / "b.zip", "w") as archive:
        for path in sorted(bundle.rglob("*.*")):
            archive.write(path, str(path.relative_to(bundle)))
    assert run(str(bundle.parent / "b.zip"), folder=bundle) == (0, [GOOD])


def test_what_was_done_to_a_bundle_is_found(bundle: Path) -> None:
    (bundle / "gate.json").write_text("[]")
    (bundle / "more.json").write_text("{}")
    assert run(folder=bundle) == (1, ["more.json is not in the manifest", "gate.json was changed: its digest differs"])
    (bundle / "gate.json").unlink()
    (bundle / "more.json").unlink()
    assert run(folder=bundle) == (1, ["gate.json is missing"])
    (bundle / proof.MANIFEST).write_text("{")
    assert run(folder=bundle) == (1, ["manifest.json is missing or no manifest"])


def test_a_forger_needs_the_key_that_the_reader_has(bundle: Path) -> None:
    """The bundle's own keys prove little: who holds it can name others."""
    key = "/s+00000000+" + base64.b64encode(b"\x01" + bytes.fromhex(VECTORS[0][0])).decode()
    assert run("--key", key, folder=bundle) == (1, [UNSIGNED])
    assert run("--key", key, "--key", key_of(), folder=bundle) == (0, [GOOD.partition("keys of")[0] + "the keys given"])


@pytest.mark.parametrize("keys", [[], ["no key"], [key_of("/s/other")]])
def test_a_checkpoint_that_nobody_signed_proves_nothing(bundle: Path, keys: list[str]) -> None:
    """Whether the bundle names no key, or others than the one that signed."""
    pack(bundle, {"gate.json": b"{}", "proofs/1.json": (bundle / "proofs/1.json").read_bytes()}, keys)
    assert run(folder=bundle) == (1, [UNSIGNED])


def test_a_bundle_without_proofs_speaks_of_no_signature(bundle: Path) -> None:
    """Whatever key is given: there is nothing that it could have signed."""
    (bundle / "proofs/1.json").unlink()
    pack(bundle, {"gate.json": b"{}"}, [])
    for arguments in ((), ("--key", key_of())):
        said = ["3 files, all as the manifest says; no event is proved"]
        assert run(*arguments, folder=bundle) == (0, said)


@pytest.mark.parametrize("arguments", [["--key", ""], ["--key"], [".", "--key"], ["--keys", "a"], [".", "."]])
def test_a_key_that_is_none_does_not_fall_back_on_those_of_the_bundle(bundle: Path, arguments: list[str]) -> None:
    """As where a variable of a script is empty."""
    assert run(*arguments, folder=bundle) == (2, ["usage: python verify.py [BUNDLE] [--key KEY]..."])


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "no"])
def test_a_proof_of_another_form_is_none(bundle: Path, text: str) -> None:
    (bundle / "proofs/1.json").write_text(text)
    told = json.loads((bundle / proof.MANIFEST).read_text())
    told["files"]["proofs/1.json"] = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    (bundle / proof.MANIFEST).write_text(json.dumps(told))
    assert run(folder=bundle) == (1, ["proofs/1.json: it is no proof"])


def test_what_is_no_bundle_is_said(bundle: Path) -> None:
    """A name twice, a link, no zip, nothing at all; and names reach no terminal raw."""
    with zipfile.ZipFile(bundle.parent / "twice.zip", "w") as archive:
        archive.writestr("gate.json", "{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("gate.json", "[]")
    assert run(str(bundle.parent / "twice.zip"), folder=bundle) == (
        1,
        ["no bundle: a name stands twice in the archive"],
    )
    assert run(str(bundle.parent / "none.zip"), folder=bundle)[0] == 1
    assert run(str(bundle / "verify.py"), folder=bundle) == (1, ["no bundle: File is not a zip file"])
    (bundle / "x\x1b[2J").write_text("x")
    assert run(folder=bundle) == (1, ["x\\x1b[2J is not in the manifest"])
    (bundle / "link").symlink_to("/")
    assert run(folder=bundle)[1][0].startswith("no bundle: ")


def test_a_proof_that_proves_nothing_is_found() -> None:
    """The event, its place, or the signature of the checkpoint."""
    sound = proved(log(7), 3)
    assert list(proof.proof_problems(sound, [key_of()])) == []
    changed = {**sound, "event": sound["event"].replace('"n":4', '"n":5')}
    assert list(proof.proof_problems(changed, [key_of()])) == ["the event was changed: its hash differs"]
    message = "the path does not lead from the event to the root of the checkpoint"
    assert list(proof.proof_problems({**sound, "index": 2}, [key_of()])) == [message]
    key = "/s+00000000+" + base64.b64encode(b"\x01" + bytes.fromhex(VECTORS[0][0])).decode()
    assert list(proof.proof_problems(sound, [key])) == ["the checkpoint is signed by none of the keys"]


def test_the_script_stays_short() -> None:
    """An auditor reads it in a sitting: 200 lines, and nothing but the standard library."""
    text = Path(proof.__file__).read_text("utf-8")
    assert len(text.splitlines()) <= 200
    assert "ai_factory" not in text.split('"""', 2)[2]
