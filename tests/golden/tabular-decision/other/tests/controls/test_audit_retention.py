"""A signed root kept elsewhere outlives who holds the log; what is old or erased goes for good."""

import base64
import dataclasses
import hashlib
import json
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sme_loans.controls import audit
from sme_loans.controls.audit import (
    AuditLog,
    EventType,
    checkpoints,
    retention,
)
from sme_loans.controls.audit.__main__ import main
from sme_loans.controls.audit.chain import leaves
from sme_loans.controls.audit.privacy import Payloads
from sme_loans.controls.paths import Paths

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
PRIVACY = audit.privacy_from({})
OLD, NEW = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
SECRET = {"income": 20000, "note": "called about the second job"}
PLAN = """
source: /systems/test
sinks: [file]
retention:
  - { record: payloads, what: payloads, types: [decision], keep_days: 700 }
  - { record: decisions, what: events, types: [decision], keep_days: 800 }
  - { record: cases, what: files, files: "var/cases/*.json", keep_days: 700 }
"""


def written(folder: Path, events: int = 6) -> Path:
    """A log with some decisions in it."""
    path = folder / "service.jsonl"
    with audit.AuditLog(path, "/systems/test", audit.privacy_from({})) as log:
        for number in range(events):
            log.record(audit.EventType.DECISION, f"person {number}", {"n": number})
    return path


def test_roots_are_those_of_certificate_transparency() -> None:
    """The known vectors: an independent tool computes the same root from the same events."""
    assert checkpoints.root([]).hex() == hashlib.sha256().hexdigest()
    assert [checkpoints.root(LEAVES[: n + 1]).hex() for n in range(8)] == ROOTS


def test_known_proofs() -> None:
    """The vectors of the same test suite: leaf 6 of 8, and growth from 6 to 8."""
    assert [step.hex()[:8] for step in checkpoints.inclusion(LEAVES, 5)] == [
        "bc1a0643", "ca854ea1", "d37ee418",
    ]  # fmt: skip
    assert [step.hex()[:8] for step in checkpoints.consistency(LEAVES, 6)] == [
        "0ebc5d34", "ca854ea1", "d37ee418",
    ]  # fmt: skip


def test_every_proof_holds_and_no_other_does() -> None:
    """All sizes up to 20, each leaf and each earlier size; a wrong leaf, place or root fails."""
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(20)]
    for size in range(1, 21):
        tree, root = leaves[:size], checkpoints.root(leaves[:size])
        for index in range(size):
            proof = checkpoints.inclusion(tree, index)
            assert checkpoints.included(leaves[index], index, size, proof, root)
            assert not checkpoints.included(leaves[index], index, size, proof, b"0" * 32)
            assert not checkpoints.included(b"0" * 32, index, size, proof, root)
            assert not checkpoints.included(leaves[index], size, size, proof, root)
            assert not checkpoints.included(leaves[index], index, size, [*proof, root], root)
        for first in range(1, size + 1):
            proof, before = checkpoints.consistency(tree, first), checkpoints.root(leaves[:first])
            assert checkpoints.consistent(first, size, proof, before, root)
            assert not checkpoints.consistent(first, size, proof, b"0" * 32, root)
            assert not checkpoints.consistent(first, size, [*proof, root], before, root)
    with pytest.raises(ValueError, match="there is no leaf"):
        checkpoints.inclusion(leaves, 20)
    with pytest.raises(ValueError, match="there is no tree"):
        checkpoints.consistency(leaves, 0)


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
def signing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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
    signing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint, one event with its proof, growth since then; each proof is checked offline."""
    assert main(["checkpoint"]) == 0
    first = checkpoints.Checkpoint.parse(capsys.readouterr().out)
    written(signing.parent, events=5)
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
    signing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It counts what no checkpoint covers yet, and refuses a checkpoint of an unknown key."""
    assert main(["checkpoint"]) == 0
    (tmp_path / "kept.jsonl").write_text(capsys.readouterr().out)
    written(signing.parent, events=2)
    assert main(["verify", "--against", str(tmp_path / "kept.jsonl")]) == 0
    assert "8 events, 2 since the last checkpoint" in capsys.readouterr().err
    forged = checkpoints.Signer("/systems/test", bytes(32)).sign(audit.verify(signing).checkpoint())
    with checkpoints.file_of(signing).open("a") as file:
        file.write(forged.line() + "no checkpoint\n")
    assert main(["verify"]) == 1
    assert "not a checkpoint" in capsys.readouterr().err
    checkpoints.file_of(signing).write_text(forged.line())
    assert main(["verify"]) == 1
    assert "signed by no known key" in capsys.readouterr().err


def test_keygen_makes_a_pair(signing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints for the environment and for ops/audit.yaml belong together."""
    assert main(["keygen"]) == 0
    secret, public = capsys.readouterr().out.splitlines()
    made = checkpoints.signer_from(dict([secret.split("=", 1)]), "/systems/test")
    assert made is not None
    assert public == f"# checkpoint_keys: [{made.public_key()}]"


def log_of(paths: Paths, clock: datetime = NEW) -> AuditLog:
    """The log of the service."""
    return AuditLog(paths.audit / "service.jsonl", "/systems/test", PRIVACY, clock=lambda: clock)


@pytest.fixture
def home(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A project with two old decisions, an old deployment, a new decision, and a case on file."""
    monkeypatch.setenv("PROJECT_ROOT", str(paths.root))
    monkeypatch.delenv("AUDIT_DIR", raising=False)
    paths.ops.mkdir()
    (paths.ops / "audit.yaml").write_text(PLAN)
    with log_of(paths, OLD) as log:
        log.record(EventType.DECISION, "A-1", {"outcome": "refer"}, payload=SECRET)
        log.record(EventType.DEPLOYMENT, "model 1", {})
        log.record(EventType.DECISION, "A-2", {"outcome": "decline"}, payload={"income": 1})
    with log_of(paths) as log:
        log.record(EventType.DECISION, "A-1", {"outcome": "approve"}, payload=SECRET)
    case = paths.var / "cases" / "1.json"
    case.parent.mkdir()
    case.write_text("{}")
    os.utime(case, (OLD.timestamp(), OLD.timestamp()))
    return paths


def state(paths: Paths) -> audit.Verification:
    """The service's log."""
    return audit.verify(paths.audit / "service.jsonl")


def test_a_payload_is_apart_from_the_chain(home: Paths) -> None:
    """It can be read back by event; the log and what sinks get hold only a salted digest."""
    first, *_ = audit.read_events(home.audit / "service.jsonl")
    assert Payloads.of(home.audit / "service.jsonl").read(first["id"]) == SECRET
    assert b"second job" not in (home.audit / "service.jsonl").read_bytes()
    digests = [e["data"].get("payload_digest") for e in audit.read_events(state(home).path)]
    assert len(set(digests)) == 4, "the same payload has another digest each time"
    assert (home.audit / "service.payloads.db").stat().st_mode & 0o077 == 0
    with log_of(home) as log, pytest.raises(ValueError, match="hand in a payload"):
        log.record(EventType.INCIDENT, "s", {"payload_digest": "sha256:00"})


def test_a_payload_that_was_changed_or_removed_is_found(home: Paths) -> None:
    """Nobody changes or loses a payload unseen."""
    with sqlite3.connect(home.audit / "service.payloads.db") as database:
        database.execute("UPDATE payload SET content = '{}' WHERE rowid = 1")
        database.execute("DELETE FROM payload WHERE rowid = 2")
    database.close()
    assert [(found.kind, found.message) for found in state(home).findings] == [
        ("payload", "the payload of event 1 was changed"),
        ("payload", "the payload of event 3 is missing"),
    ]


def test_erasure_destroys_one_person_and_nothing_else(
    home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run first; then both payloads are gone, and log, checkpoint and proof still hold."""
    kept = state(home).checkpoint()
    tree = leaves(home.audit / "service.jsonl")
    proof, root = checkpoints.inclusion(tree, 0), checkpoints.root(tree)
    assert main(["erase", "--subject", "A-1"]) == 0
    assert "payloads of 2 events in service.jsonl (1, 4)" in capsys.readouterr().out
    assert state(home).findings == ()
    assert main(["erase", "--subject", "A-1", "--apply"]) == 0
    store = Payloads.of(home.audit / "service.jsonl")
    events = list(audit.read_events(home.audit / "service.jsonl"))
    for place in (0, 3):
        with pytest.raises(audit.PayloadErased):
            store.read(events[place]["id"])
    assert store.read(events[2]["id"]) == {"income": 1}
    assert b"second job" not in (home.audit / "service.payloads.db").read_bytes()
    checked = audit.verify(home.audit / "service.jsonl", [kept])
    assert checked.findings == ()
    assert checkpoints.included(leaves(checked.path)[0], 0, 4, proof, root)
    logged = list(audit.read_events(home.audit / "operations.jsonl"))
    assert [event["type"] for event in logged] == ["ai.system.disposal.v1"]
    assert logged[0]["data"]["sequences"] == [[1, 1], [4, 4]]
    assert "A-1" not in (home.audit / "operations.jsonl").read_text()


def test_the_rule_disposes_of_what_is_due_and_says_so(
    home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dry run, then: old payloads and decisions go, the rest stays; each disposal is on record."""
    kept = state(home).checkpoint()
    assert main(["dispose"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "payloads: payloads of 2 events in service.jsonl (1, 3)",
        "decisions: events of 2 events in service.jsonl (1, 3)",
        "cases: 1 files, var/cases/1.json … var/cases/1.json",
    ]
    assert state(home).sequence == 4
    assert main(["dispose", "--apply"]) == 0
    log = home.audit / "service.jsonl"
    assert [event["sequence"] for event in audit.read_events(log)] == [f"{n:012d}" for n in (2, 4)]
    assert audit.verify(log, [kept]).findings == ()
    assert len(list(audit.read_events(home.audit / "operations.jsonl"))) == 3
    assert not list((home.var / "cases").iterdir())
    assert main(["verify"]) == 0
    with log_of(home) as again:
        assert again.record(EventType.DECISION, "A-9", {}).sequence == 5
    assert retention.due(home, NEW) == []
    capsys.readouterr()
    assert main(["prove", "--log", "service", "--sequence", "2"]) == 0
    assert main(["prove", "--log", "service", "--sequence", "1"]) == 1
    wanted = "audit prove: event 1 of service.jsonl was disposed of: only its hash is left\n"
    assert capsys.readouterr().err == wanted


def test_an_event_that_vanished_without_a_record_is_found(home: Paths) -> None:
    """Putting a stub in place of an event hides nothing, nor does losing the record."""
    retention.dispose(home, retention.due(home, NEW))
    for file in home.audit.glob("operations.*"):
        file.unlink()
    assert [found.kind for found in state(home).findings] == ["disposed", "disposed"]
    assert not state(home).intact


def test_a_hold_stops_everything(home: Paths) -> None:
    """Neither the rule nor a request touches a person on hold."""
    held = PRIVACY.pseudonym("A-1")
    plan = PLAN + "holds: [{ subject: '" + held + "', reason: dispute }]\n"
    (home.ops / "audit.yaml").write_text(plan)
    assert [due.places for due in retention.due(home, NEW)] == [(3,), (3,), ()]
    assert main(["erase", "--subject", "A-1", "--apply"]) == 1
    assert len(Payloads.of(state(home).path).digests()) == 3


def test_a_hold_is_of_a_pseudonym_that_a_command_prints(
    home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the settings are refused for a hold of another form; an idle hold is named."""
    (home.ops / "audit.yaml").write_text(PLAN + "holds: [{ subject: A-1 }]\n")
    assert main(["dispose", "--apply"]) == 1
    refused = capsys.readouterr().err
    assert "`holds`: a subject is no pseudonym; `.venv/bin/python -m " in refused
    assert refused.count("\n") == 1 and "A-1" not in refused
    assert main(["pseudonym", "A-1"]) == 0
    given, address = capsys.readouterr().out.split()
    assert [given, address] == [PRIVACY.pseudonym("A-1"), PRIVACY.actor("A-1")]
    held = "holds: [{ subject: '" + given + "' }, { subject: '" + address + "' }]\n"
    (home.ops / "audit.yaml").write_text(PLAN + held)
    assert [due.places for due in retention.due(home, NEW)] == [(3,), (3,), ()]
    assert main(["dispose"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert told[:-1] == [f"the hold of {address} keeps nothing: no event is about it"]


def test_a_hold_keeps_the_stored_cases(home: Paths) -> None:
    """The case of whoever is on hold stays, that of another goes and the event says which."""
    with log_of(home, OLD) as log:
        log.record(EventType.DECISION, "A-1", {"decision_id": "1"})
        log.record(EventType.DECISION, "A-2", {"decision_id": "2"})
    other = home.var / "cases" / "2.json"
    other.write_text("{}")
    os.utime(other, (OLD.timestamp(), OLD.timestamp()))
    held = PRIVACY.pseudonym("A-1")
    plan = PLAN + "holds: [{ subject: '" + held + "', reason: dispute }]\n"
    (home.ops / "audit.yaml").write_text(plan)
    files = [due for due in retention.due(home, NEW) if due.what == "files"]
    assert files == [retention.Disposal("cases", "files", files=("var/cases/2.json",))]
    retention.dispose(home, files)
    assert [file.name for file in (home.var / "cases").iterdir()] == ["1.json"]
    (logged,) = audit.read_events(home.audit / "operations.jsonl")
    assert logged["data"] == {"record": "cases", "what": "files", "files": 1, "ids": ["2"]}


def test_nothing_is_disposed_of_that_a_sink_has_not_got(home: Paths) -> None:
    """The log is the spool: what waits in it stays."""
    (home.ops / "audit.yaml").write_text(PLAN.replace("[file]", "[file, stdout]"))
    assert [due.record for due in retention.due(home, NEW)] == ["payloads", "cases"]


def test_a_log_in_use_is_not_shortened(home: Paths) -> None:
    """The writer would go on behind the old end; nothing is recorded either."""
    decisions = [due for due in retention.due(home, NEW) if due.what == "events"]
    with log_of(home), pytest.raises(audit.WriterBusy):
        retention.dispose(home, decisions)
    assert not (home.audit / "operations.jsonl").exists()
    assert state(home).intact


def test_a_payload_without_its_event_goes_at_the_next_start(home: Paths) -> None:
    """A crash between the two leaves nothing about a person behind."""
    path = home.audit / "service.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]))
    path.with_suffix(".head.json").write_text(
        '{"sequence": 0, "hash": "' + audit.events.GENESIS + '"}'
    )
    assert len(state(home).orphans) == 1
    with log_of(home):
        assert state(home).orphans == ()


def test_the_rules_of_this_project_can_be_applied(project: Paths) -> None:
    """ops/audit.yaml as it stands disposes of nothing on its first day."""
    chosen = audit.settings(project.ops / "audit.yaml")
    assert {rule.what for rule in chosen.retention} == {"payloads", "events", "files"}
    assert min(rule.keep_days for rule in chosen.retention) >= 183
    assert retention.due(project, datetime.now(UTC) + timedelta(days=1)) == []
    assert checkpoints.read(project.audit / "none") == []


def test_erasure_takes_the_stored_cases_and_says_where_there_is_nothing(
    home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """The case of the person's decision goes, another's stays; an unknown person is no success."""
    with log_of(home) as log:
        log.record(EventType.DECISION, "A-3", {"decision_id": "3"})
    for name in ("3", "4"):
        (home.var / "cases" / f"{name}.json").write_text("{}")
    assert main(["erase", "--subject", "A-3", "--apply"]) == 0
    assert "erasure request: 1 files, var/cases/3.json" in capsys.readouterr().out
    assert [file.name for file in sorted((home.var / "cases").iterdir())] == ["1.json", "4.json"]
    for apply in ([], ["--apply"]):
        assert main(["erase", "--subject", "nobody", *apply]) == 1
        said = capsys.readouterr().err
        assert "nothing is found" in said and "done" not in said


def test_erasure_finds_a_person_by_the_identifier_and_by_the_address(home: Paths) -> None:
    """Whom a record is about is taken as given, who asked by their address in any spelling."""
    with log_of(home) as log:
        log.record(EventType.DECISION, "Jane.Doe@x.org", {}, payload={"n": 1})
        asker = PRIVACY.actor("Jane.Doe@x.org")
        log.record(EventType.DECISION, asker, {"decision_id": "5"}, payload={"n": 2})
    (home.var / "cases" / "5.json").write_text("{}")
    assert main(["erase", "--subject", " jane.doe@x.org", "--apply"]) == 0
    assert len(Payloads.of(state(home).path).digests()) == 4
    assert not (home.var / "cases" / "5.json").exists()
    assert main(["erase", "--subject", "Jane.Doe@x.org", "--apply"]) == 0
    assert len(Payloads.of(state(home).path).digests()) == 3
    held = PLAN + "holds: [{ subject: '" + asker + "', reason: dispute }]\n"
    (home.ops / "audit.yaml").write_text(held)
    assert main(["erase", "--subject", "JANE.DOE@x.org", "--apply"]) == 1


@pytest.mark.parametrize("content", ["", "{}", "[]", "3", '{"root": 1}', '{"root": "", "size": 1}'])
def test_what_is_no_proof_is_refused_in_a_sentence(
    signing: Path, tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the file."""
    (tmp_path / "proof.json").write_text(content)
    assert main(["check", str(tmp_path / "proof.json")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"audit check: {tmp_path}/proof.json is no proof that `prove` printed: ")
    assert said.count("\n") == 1


def test_a_proof_is_of_a_tree_that_there_is(
    signing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sizes and places begin at 1, and none is larger than the log."""
    for option in ("--size", "--sequence", "--since"):
        for number in ("0", "-1"):
            asked = [option, number, *(["--sequence", "1"] if option == "--size" else [])]
            with pytest.raises(SystemExit) as refused:
                main(["prove", "--log", "service", *asked])
            assert refused.value.code == 2
            assert f"argument {option}: {number} is below 1" in capsys.readouterr().err
    assert main(["prove", "--log", "service", "--sequence", "1", "--size", "7"]) == 1
    said = capsys.readouterr()
    wanted = "audit prove: service.jsonl has 6 events: there is no tree of 7\n"
    assert (said.out, said.err) == ("", wanted)


def test_delivery_passes_over_a_log_in_use_and_goes_on(
    home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """The logs behind it get their turn; its own writer delivers it, so that is no failure."""
    log_of(home).close()
    with AuditLog(home.audit / "zz.jsonl", "/systems/test", PRIVACY) as log:
        log.record(EventType.DEPLOYMENT, "model 1", {})
    (home.ops / "audit.yaml").write_text(PLAN.replace("[file]", "[file, stdout]"))
    with log_of(home):
        assert main(["deliver"]) == 0
        said = capsys.readouterr()
        assert said.err == "service: in use, passed over: its writer delivers it itself\n"
        assert said.out.encode() == (home.audit / "zz.jsonl").read_bytes()
    assert main(["deliver"]) == 0
    said = capsys.readouterr()
    assert (said.out.encode(), said.err) == ((home.audit / "service.jsonl").read_bytes(), "")


def test_delivery_goes_on_behind_a_log_that_does_not_verify(
    home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is a failure, but none of the other logs."""
    with AuditLog(home.audit / "zz.jsonl", "/systems/test", PRIVACY) as log:
        log.record(EventType.DEPLOYMENT, "model 1", {})
    (home.ops / "audit.yaml").write_text(PLAN.replace("[file]", "[file, stdout]"))
    damaged = home.audit / "service.jsonl"
    damaged.write_bytes(damaged.read_bytes().replace(b"decline", b"approve"))
    assert main(["deliver"]) == 1
    said = capsys.readouterr()
    assert said.out.encode() == (home.audit / "zz.jsonl").read_bytes()
    assert said.err.splitlines()[1:] == ["stdout: 4 events of service wait"]


def test_a_disposal_before_its_time_is_reported(
    home: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rule's own is counted; one that somebody did by hand, under whatever name, is named."""
    assert main(["dispose", "--apply"]) == 0
    assert main(["verify"]) == 0
    assert "4 events, 2 of them disposed of" in capsys.readouterr().err
    with log_of(home) as log:
        log.record(EventType.DECISION, "A-3", {})
        log.record(EventType.DECISION, "A-4", {})
    forged = retention.Disposal("x", "events", "service.jsonl", (6,))
    retention.dispose(home, [forged])
    assert state(home).intact
    assert main(["verify"]) == 1
    said = capsys.readouterr().err
    assert "3 of them disposed of" in said
    assert "service.jsonl: event 6 went before its rule allows" in said
