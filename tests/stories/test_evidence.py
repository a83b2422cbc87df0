"""`evidence`: one archive that an outsider verifies without us."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.approving import DAY, assessed
from tests.kit import cli, commit, git, put


def verified(archive: Path, folder: Path) -> tuple[int, str]:
    """What the script says that the bundle carries, run by a Python without any package."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    command = [sys.executable, "-I", "-S", "verify.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_a_bundle_holds_records_results_and_proofs(logged: Path, tmp_path: Path) -> None:
    """Neither code nor logs; it verifies in an empty environment."""
    put(logged, {"governance/system.yaml": "name: small\n", ".gitignore": "var/\n"})
    assessed(logged, tmp_path)
    head = commit(logged)
    result = cli("evidence", "-o", str(tmp_path / "b.zip"), "--event", "e3", *DAY, cwd=logged)
    digest = hashlib.sha256((tmp_path / "b.zip").read_bytes()).hexdigest()
    said = f"wrote {tmp_path / 'b.zip'}: 12 files, gate not passed: the bundle says so\nsha256 {digest}\n"
    assert (result.code, result.out) == (0, said)
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("manifest.json"))
    assert [name for name in names if not name.startswith("project/")] == [
        "README.txt",
        "gate.json",
        "manifest.json",
        "proofs/1.json",
        "verify.py",
    ]
    assert not [name for name in names if "/src/" in name or "/var/" in name]
    assert (manifest["commit"], manifest["passed"], manifest["as_of"]) == (head, False, "2026-11-26")
    code, said = verified(tmp_path / "b.zip", tmp_path / "opened")
    assert (code, said.partition(";")[0]) == (0, "12 files, all as the manifest says")
    (tmp_path / "opened/gate.json").write_text("{}")
    assert verified(tmp_path / "b.zip", tmp_path / "again")[0] == 0


def test_the_same_state_gives_the_same_bytes(project: Path, tmp_path: Path) -> None:
    assessed(project, tmp_path)
    for name in ("one.zip", "two.zip"):
        assert cli("evidence", "-o", str(tmp_path / name), *DAY, cwd=project).code == 0
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert git(project, "status", "--porcelain", "-uall").splitlines() == [
        "?? governance/applicability.json",
        "?? governance/facts.yaml",
    ]


def test_nothing_is_overwritten(project: Path, tmp_path: Path) -> None:
    assessed(project, tmp_path)
    (tmp_path / "b.zip").write_text("mine")
    result = cli("evidence", "-o", str(tmp_path / "b.zip"), cwd=project)
    assert (result.code, (tmp_path / "b.zip").read_text()) == (2, "mine")
    assert "is there already" in result.err


def test_an_event_that_is_nowhere_stops_it(logged: Path, tmp_path: Path) -> None:
    assessed(logged, tmp_path)
    result = cli("evidence", "-o", str(tmp_path / "b.zip"), "--event", "none", cwd=logged)
    assert (result.code, (tmp_path / "b.zip").exists()) == (2, False)


def test_a_bundle_that_would_not_verify_is_not_made(logged: Path, tmp_path: Path) -> None:
    """Its proofs would stand under a checkpoint that nobody signed."""
    assessed(logged, tmp_path)
    put(logged, {"ops/audit.yaml": "checkpoint_keys: []\n"})
    result = cli("evidence", "-o", str(tmp_path / "b.zip"), "--event", "e3", cwd=logged)
    assert (result.code, (tmp_path / "b.zip").exists()) == (2, False)
    assert "is signed by a key of `ops/audit.yaml`" in result.err
