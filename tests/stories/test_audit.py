"""`audit verify` and `audit prove`: an outsider's look at a project's logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ai_factory import proof
from ai_factory.project.trail import SIGN
from tests.kit import cli, put
from tests.stories.conftest import ORIGIN
from tests.test_proof import content, key_of, log, note, signed


def test_sound_logs_are_intact(logged: Path) -> None:
    result = cli("audit", "verify", cwd=logged)
    assert (result.code, result.out) == (0, "service.jsonl: intact, 7 events, 5 covered by a checkpoint\n")


def test_what_was_done_to_them_is_told(logged: Path) -> None:
    """Exit 1: a changed line, a log that is gone, one whose end is missing."""
    file = logged / "var/audit/service.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"n":2', b'"n":9'))
    found = cli("audit", "verify", "--json", cwd=logged)
    assert (found.code, found.data["logs"][0]["problems"]) == (1, ["line 2 was changed: its hash differs"])
    file.write_bytes(content(log(4)))
    problems = cli("audit", "verify", "--json", cwd=logged).data["logs"][0]["problems"]
    assert problems == [
        "the head file names event 7, the log ends at 4: its end was cut off",
        "a checkpoint names event 5, the log ends at 4",
    ]
    file.unlink()
    assert "service.jsonl is gone, and what lay beside it is not" in cli("audit", "verify", cwd=logged).out


def test_checkpoints_from_elsewhere_find_a_log_that_was_written_anew(logged: Path, tmp_path: Path) -> None:
    """Log, head and the checkpoints beside it agree; the one that was kept does not."""
    kept = tmp_path / "kept"
    kept.write_text(json.dumps({"log": "service.jsonl", "checkpoint": signed(note(log(6), ORIGIN))}) + "\n")
    assert cli("audit", "verify", "--against", str(kept), cwd=logged).code == 0
    other = json.dumps({"log": "service.jsonl", "checkpoint": signed(note(log(6), ORIGIN).replace("\n6\n", "\n5\n"))})
    kept.write_text(other + "\n")
    result = cli("audit", "verify", "--against", str(kept), cwd=logged)
    assert (result.code, result.out.splitlines()[1]) == (1, "  the first 5 events are not those of a checkpoint")


def test_signatures_are_asked_for_where_keys_are_known(logged: Path) -> None:
    """Also where what is listed is no key."""
    for key in ("/s+00000000+" + "A" * 44, "no key", "a+b+c"):
        put(logged, {"ops/audit.yaml": f"checkpoint_keys: ['{key}']\n"})
        result = cli("audit", "verify", cwd=logged)
        assert result.code == 1
        assert "the checkpoint of 5 events is signed by no known key" in result.out


def test_a_checkpoint_is_of_its_log(logged: Path) -> None:
    """One of another log, though its events agree; and one that calls itself another's."""
    beside = logged / "var/audit/service.checkpoints"
    beside.write_text(json.dumps({"log": "service.jsonl", "checkpoint": signed(note(log(5), "/s/reviews"))}) + "\n")
    result = cli("audit", "verify", cwd=logged)
    assert (result.code, result.out.splitlines()[1]) == (1, "  a checkpoint beside it is of /s/reviews")
    beside.write_text(json.dumps({"log": "other.jsonl", "checkpoint": note(log(6), ORIGIN)}) + "\n")
    (logged / "var/audit/service.jsonl").write_bytes(content(log(4)))
    assert "a checkpoint names event 6, the log ends at 4" in cli("audit", "verify", cwd=logged).out


def test_a_proof_that_would_not_hold_is_not_given(logged: Path) -> None:
    file = logged / "var/audit/service.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"n":3', b'"n":9'))
    result = cli("audit", "prove", "e3", cwd=logged)
    assert (result.code, result.out) == (2, "")
    assert "is not what its checkpoint covers: the event was changed: its hash differs" in result.err


def test_one_event_is_proved(logged: Path) -> None:
    """Under the newest checkpoint that covers it; the proof shows no other event."""
    result = cli("audit", "prove", "e3", cwd=logged)
    assert (result.code, list(proof.proof_problems(result.data, [key_of()]))) == (0, [])
    assert '"e2' not in result.out
    missing = cli("audit", "prove", "e6", cwd=logged)
    assert (missing.code, missing.err.splitlines()[0]) == (2, "error: no checkpoint of service.jsonl covers event 6")
    assert cli("audit", "prove", "e99", cwd=logged).code == 2


def test_an_event_is_proved_under_a_signature_alone(logged: Path) -> None:
    """A newer checkpoint that nobody signed is passed over; where no key of the project signed one, none is given."""
    beside = logged / "var/audit/service.checkpoints"
    newer = json.dumps({"log": "service.jsonl", "checkpoint": note(log(7), ORIGIN)}) + "\n"
    beside.write_text(beside.read_text() + newer)
    assert cli("audit", "prove", "e3", cwd=logged).data["checkpoint"] == signed(note(log(5), ORIGIN))
    message = "error: no checkpoint of service.jsonl that covers event 3 is signed by a key of `ops/audit.yaml`"
    for text in ("checkpoint_keys: []\n", f"checkpoint_keys: ['{key_of('/s/other')}']\n"):
        put(logged, {"ops/audit.yaml": text})
        result = cli("audit", "prove", "e3", cwd=logged)
        assert (result.code, result.out, result.err.splitlines()) == (2, "", [message, f"hint: {SIGN}"])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"var/audit/service.checkpoints": "no\n"}, "line 1: is no checkpoint"),
        ({"ops/audit.yaml": "a: [\n"}, "`ops/audit.yaml` line 2"),
        ({"ops/audit.yaml": "checkpoint_keys: a+b+c\n"}, "`checkpoint_keys` is no list of keys"),
        ({"var/audit/service.checkpoints": "[" * 100_000 + "\n"}, "line 1: is no checkpoint"),
        (
            {"var/audit/service.checkpoints": json.dumps({"log": "../x", "checkpoint": note(log(1))}) + "\n"},
            "line 1: its log is no name of a file",
        ),
    ],
)
def test_what_cannot_be_read_is_a_sentence(logged: Path, files: dict[str, str], message: str) -> None:
    put(logged, files)
    result = cli("audit", "verify", cwd=logged)
    assert result.code == 2
    assert message in result.err


def test_without_logs_nothing_is_known(project: Path) -> None:
    result = cli("audit", "verify", cwd=project)
    assert (result.code, result.out) == (2, "")
    assert "there is no audit log in" in result.err
