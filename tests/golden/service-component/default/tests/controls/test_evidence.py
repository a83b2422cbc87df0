"""Evidence is byte-stable, tied to its inputs, and honest about numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from claims_router.controls import evidence
from claims_router.controls.paths import Paths


def _input(paths: Paths, relative: str, text: str) -> Path:
    path = paths.root / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_digest_is_the_sha256_of_the_bytes(paths: Paths) -> None:
    """The digest of `abc` is the one published in FIPS 180-4."""
    path = _input(paths, "a.txt", "abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert evidence.digest(path) == f"sha256:{expected}"


def test_same_content_gives_same_bytes_in_any_order(paths: Paths) -> None:
    """Key order and noise below the sixth decimal leave no trace."""
    source = _input(paths, "a.txt", "abc")
    first = evidence.write(paths, "x", {"a": 0.1, "b": [1]}, [source]).read_bytes()
    second = evidence.write(paths, "x", {"b": [1], "a": 0.1 + 1e-9}, [source]).read_bytes()
    assert first == second and first.endswith(b"\n")


def test_record_holds_schema_name_inputs_and_content(paths: Paths) -> None:
    """The whole record, outside a git repository."""
    source = _input(paths, "data/a.txt", "abc")
    evidence.write(paths, "x", {"auc": 0.12345678, "zero": -0.0}, [source])
    record = evidence.read(paths, "x")
    assert record == {
        "schema": "evidence/1",
        "name": "x",
        "commit": None,
        "inputs": {"data/a.txt": evidence.digest(source)},
        "content": {"auc": 0.123457, "zero": 0.0},
    }


def test_a_new_commit_alone_changes_nothing(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each commit of the evidence would make it differ again."""
    for commit, value, kept in (("c1", 1, "c1"), ("c2", 1, "c1"), ("c3", 2, "c3")):
        monkeypatch.setattr(evidence, "_commit", lambda _, found=commit: found)
        evidence.write(paths, "x", {"value": value}, [])
        assert evidence.read(paths, "x")["commit"] == kept


def test_not_a_number_is_refused_and_leaves_the_old_file(paths: Paths) -> None:
    """NaN is not JSON; a failed write changes nothing."""
    target = evidence.write(paths, "x", {"auc": 0.5}, [])
    before = target.read_bytes()
    with pytest.raises(ValueError):
        evidence.write(paths, "x", {"auc": float("nan")}, [])
    assert target.read_bytes() == before


def test_changed_and_missing_inputs_are_stale(paths: Paths) -> None:
    """What git keeps must still match; what it ignores may be absent, but not different."""
    kept, gone = _input(paths, "kept.txt", "1"), _input(paths, "gone.txt", "1")
    absent, other = _input(paths, "var/absent", "1"), _input(paths, "var/other", "1")
    evidence.write(paths, "x", {}, [kept, gone, absent, other])
    assert evidence.stale(paths, "x") == []
    gone.unlink()
    absent.unlink()
    other.write_text("2")
    assert evidence.stale(paths, "x") == ["gone.txt", "var/other"]


def test_an_input_outside_the_project_is_refused(paths: Paths, tmp_path: Path) -> None:
    """Evidence can only speak of files that a reader of the project can find."""
    inner = Paths.of(tmp_path / "inner")
    outside = _input(paths, "outside.txt", "1")
    with pytest.raises(ValueError):
        evidence.write(inner, "x", {}, [outside])


def test_evidence_is_plain_json(paths: Paths) -> None:
    """Any tool can read it."""
    target = evidence.write(paths, "x", {"n": 3}, [])
    assert json.loads(target.read_text())["content"] == {"n": 3}
