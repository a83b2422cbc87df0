"""One root stands for all events; a signed root kept elsewhere outlives whoever holds the log."""

import base64
import dataclasses
import hashlib
import json
from pathlib import Path

import pytest

from late_orders.controls import audit
from late_orders.controls.audit import checkpoints, merkle
from late_orders.controls.audit.__main__ import main

# The tree of RFC 6962 and 9162 implementations: these leaves, and the roots over the first n.
LEAVES = [
    hashlib.sha256(b"\x00" + bytes.fromhex(content)).digest()
    for content in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SEED = bytes(range(32))
SIGNER = checkpoints.Signer("/systems/test", SEED)


def written(folder: Path, events: int = 6) -> Path:
    """A log with some decisions in it."""
    path = folder / "service.jsonl"
    with audit.AuditLog(path, "/systems/test", audit.privacy_from({})) as log:
        for number in range(events):
            log.record(audit.EventType.DECISION, f"person {number}", {"n": number})
    return path


def test_roots_are_those_of_certificate_transparency() -> None:
    """The known vectors: an independent tool computes the same root from the same events."""
    assert merkle.root([]).hex() == hashlib.sha256().hexdigest()
    assert [merkle.root(LEAVES[: n + 1]).hex() for n in range(8)] == ROOTS


def test_known_proofs() -> None:
    """The vectors of the same test suite: leaf 6 of 8, and growth from 6 to 8."""
    assert [step.hex()[:8] for step in merkle.inclusion(LEAVES, 5)] == [
        "bc1a0643", "ca854ea1", "d37ee418",
    ]  # fmt: skip
    assert [step.hex()[:8] for step in merkle.consistency(LEAVES, 6)] == [
        "0ebc5d34", "ca854ea1", "d37ee418",
    ]  # fmt: skip


def test_every_proof_holds_and_no_other_does() -> None:
    """All sizes up to 20, each leaf and each earlier size; a wrong leaf, place or root fails."""
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(20)]
    for size in range(1, 21):
        tree, root = leaves[:size], merkle.root(leaves[:size])
        for index in range(size):
            proof = merkle.inclusion(tree, index)
            assert merkle.included(leaves[index], index, size, proof, root)
            assert not merkle.included(leaves[index], index, size, proof, b"0" * 32)
            assert not merkle.included(b"0" * 32, index, size, proof, root)
            assert not merkle.included(leaves[index], size, size, proof, root)
            assert not merkle.included(leaves[index], index, size, [*proof, root], root)
        for first in range(1, size + 1):
            proof, before = merkle.consistency(tree, first), merkle.root(leaves[:first])
            assert merkle.consistent(first, size, proof, before, root)
            assert not merkle.consistent(first, size, proof, b"0" * 32, root)
            assert not merkle.consistent(first, size, [*proof, root], before, root)
    with pytest.raises(ValueError, match="there is no leaf"):
        merkle.inclusion(leaves, 20)
    with pytest.raises(ValueError, match="there is no tree"):
        merkle.consistency(leaves, 0)


def test_a_checkpoint_is_a_signed_note(tmp_path: Path) -> None:
    """Three lines, an empty one, a signature by name and key hash: others can read and check it."""
    point = SIGNER.sign(audit.verify(written(tmp_path)).checkpoint())
    assert checkpoints.Checkpoint.parse(point.line()) == point
    origin, size, root, empty, signature = json.loads(point.line())["checkpoint"].splitlines()
    assert (origin, size, empty) == ("/systems/test/service", "6", "")
    assert len(base64.b64decode(root)) == 32
    assert signature.startswith("— /systems/test ")
    assert len(base64.b64decode(signature.split()[2])) == 4 + 64


def test_only_the_key_that_is_listed_counts(tmp_path: Path) -> None:
    """Another key, a changed size and no signature at all are refused."""
    point = audit.verify(written(tmp_path)).checkpoint()
    mine, other = SIGNER, checkpoints.Signer("/systems/test", bytes(32))
    assert checkpoints.signed(mine.sign(point), [mine.public_key()])
    assert checkpoints.signed(other.sign(mine.sign(point)), [mine.public_key()])
    assert not checkpoints.signed(other.sign(point), [mine.public_key()])
    assert not checkpoints.signed(point, [mine.public_key()])
    grown = dataclasses.replace(mine.sign(point), size=7)
    assert not checkpoints.signed(grown, [mine.public_key()])


def test_a_rewritten_log_is_caught_by_a_checkpoint(tmp_path: Path) -> None:
    """Who rewrites the log and its head still cannot rewrite what was taken away before."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "live").mkdir()
    kept = SIGNER.sign(audit.verify(written(tmp_path / "kept", events=3)).checkpoint())
    forged = written(tmp_path / "live", events=4)
    keys = [SIGNER.public_key()]
    assert audit.verify(forged, keys=keys).intact
    assert [found.kind for found in audit.verify(forged, [kept], keys).findings] == ["altered"]
    other = dataclasses.replace(kept, log="other.jsonl")
    assert {found.kind for found in audit.verify(forged, [other], keys).findings} == {"checkpoint"}


def test_a_log_goes_on_behind_its_checkpoint(tmp_path: Path) -> None:
    """Adding is no finding; cutting the end off is one, also when the head goes with it."""
    kept = audit.verify(written(tmp_path)).checkpoint()
    path = written(tmp_path, events=2)
    assert audit.verify(path, [kept]).findings == ()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:5]))
    path.with_suffix(".head.json").unlink()
    assert [found.kind for found in audit.verify(path, [kept]).findings] == ["head", "truncated"]


def test_the_key_comes_from_the_environment() -> None:
    """None without one, refused when it is none; production signs or makes no checkpoint."""
    key = base64.b64encode(SEED).decode()
    assert checkpoints.signer_from({}, "/s") is None
    assert checkpoints.signer_from({"AUDIT_SIGNING_KEY": key}, "/s") == checkpoints.Signer(
        "/s", SEED
    )
    for wrong in ({"AUDIT_SIGNING_KEY": "short"}, {"ENVIRONMENT": "production"}):
        with pytest.raises(audit.KeyRefused, match="32 bytes"):
            checkpoints.signer_from(wrong, "/s")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose checkpoints are signed, with a log."""
    monkeypatch.setenv("PROJECT_ROOT", str(tmp_path))
    monkeypatch.setenv("AUDIT_DIR", "audit")
    monkeypatch.setenv("AUDIT_SIGNING_KEY", base64.b64encode(SEED).decode())
    (tmp_path / "ops").mkdir()
    key = SIGNER.public_key()
    (tmp_path / "ops" / "audit.yaml").write_text(
        f"source: /systems/test\nsinks: [file]\ncheckpoint_keys: ['{key}']\n"
    )
    return written(tmp_path / "audit")


def test_the_commands_prove_without_showing(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint, one event with its proof, growth since then; each proof is checked offline."""
    assert main(["checkpoint"]) == 0
    first = checkpoints.Checkpoint.parse(capsys.readouterr().out)
    written(home.parent, events=5)
    for question in (["--sequence", "3"], ["--since", "6"], ["--sequence", "3", "--size", "6"]):
        assert main(["prove", "--log", "service", *question]) == 0
        proof = capsys.readouterr().out
        (tmp_path / "proof.json").write_text(proof)
        assert main(["check", str(tmp_path / "proof.json")]) == 0
        assert "holds for" in capsys.readouterr().out
        assert "person" not in proof or len(proof.split('"event"')) == 2
        wrong = proof.replace('\\"n\\":2', '\\"n\\":9').replace('"first": 6', '"first": 5')
        (tmp_path / "proof.json").write_text(wrong)
        assert main(["check", str(tmp_path / "proof.json")]) == 1
        capsys.readouterr()
    assert json.loads(proof)["root"] == base64.b64encode(first.root).decode()


def test_verify_checks_signatures(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It counts what no checkpoint covers yet, and refuses a checkpoint of an unknown key."""
    assert main(["checkpoint"]) == 0
    (tmp_path / "kept.jsonl").write_text(capsys.readouterr().out)
    written(home.parent, events=2)
    assert main(["verify", "--against", str(tmp_path / "kept.jsonl")]) == 0
    assert "8 events, 2 since the last checkpoint" in capsys.readouterr().err
    forged = checkpoints.Signer("/systems/test", bytes(32)).sign(audit.verify(home).checkpoint())
    with checkpoints.file_of(home).open("a") as file:
        file.write(forged.line() + "no checkpoint\n")
    assert main(["verify"]) == 1
    assert "not a checkpoint" in capsys.readouterr().err
    checkpoints.file_of(home).write_text(forged.line())
    assert main(["verify"]) == 1
    assert "signed by no known key" in capsys.readouterr().err


def test_keygen_makes_a_pair(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints for the environment and for ops/audit.yaml belong together."""
    assert main(["keygen"]) == 0
    secret, public = capsys.readouterr().out.splitlines()
    made = checkpoints.signer_from(dict([secret.split("=", 1)]), "/systems/test")
    assert made is not None
    assert public == f"# checkpoint_keys: [{made.public_key()}]"
