"""Whatever is done to a log afterwards is found, and a crash is not taken for tampering."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from claims_router.controls import audit
from claims_router.controls.audit.__main__ import main

Lines = list[bytes]


def written(folder: Path, events: int = 4) -> Path:
    """A log with some decisions in it."""
    path = folder / "service.jsonl"
    clock = lambda: datetime(2026, 1, 5, 9, 30, tzinfo=UTC)  # noqa: E731
    with audit.AuditLog(path, "/systems/test", audit.privacy_from({}), clock=clock) as log:
        for number in range(events):
            log.record(audit.EventType.DECISION, f"person {number}", {"probability": 0.1 * number})
    return path


def kinds(path: Path) -> set[str]:
    """The kinds of finding in a log."""
    return {finding.kind for finding in audit.verify(path).findings}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (1e-6, "0.000001"),
        (1e-7, "1e-7"), (1.5e-9, "1.5e-9"), (1e20, "100000000000000000000"), (1e21, "1e+21"),
        (333333333.33333329, "333333333.3333333"), (4.5, "4.5"), (2e-3, "0.002"),
        (9007199254740994.0, "9007199254740994"), (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
    ],
)  # fmt: skip
def test_numbers_have_the_one_form_of_rfc_8785(number: float, text: str) -> None:
    """The values of RFC 8785, appendix B, and the borders between plain and exponent form."""
    assert audit.canonical(number) == text.encode()


def test_keys_are_sorted_by_utf_16_units_and_text_is_not_escaped() -> None:
    """The example of RFC 8785, section 3.2.3: a code point beyond 2**16 sorts before U+FB33."""
    value = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert list(json.loads(audit.canonical(value)).values()) == [2, 4, 6, 7, 1, 5, 3]
    assert audit.canonical({"a": "é\n"}) == '{"a":"é\\n"}'.encode()


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, {1: "a"}, {"a": {1, 2}}])
def test_what_json_cannot_carry_exactly_is_refused(value: object) -> None:
    """A hash over an ambiguous value would prove nothing."""
    with pytest.raises(ValueError, match=r"JSON|2\*\*53|key"):
        audit.canonical(value)


def test_an_untouched_log_verifies(tmp_path: Path) -> None:
    """All events are counted and there is nothing to report."""
    state = audit.verify(written(tmp_path))
    assert (state.intact, state.events, state.sequence, state.findings) == (True, 4, 4, ())


def change(lines: Lines) -> Lines:
    """Turn a probability into another one."""
    return [lines[0], lines[1].replace(b"0.1}", b"0.9}"), *lines[2:]]


def rehash(lines: Lines) -> Lines:
    """Change an event and give it a hash that fits."""
    event = json.loads(change(lines)[1])
    event["hash"] = audit.events.chained_hash({k: v for k, v in event.items() if k != "hash"})
    return [lines[0], audit.canonical(event), *lines[2:]]


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (change, {"altered"}),
        (rehash, {"broken-link"}),
        (lambda lines: [lines[0], *lines[2:]], {"out-of-order", "broken-link"}),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], {"out-of-order", "broken-link"}),
        (lambda lines: [lines[0], lines[0], *lines[1:]], {"out-of-order", "broken-link"}),
        (lambda lines: lines[:-1], {"truncated"}),
        (lambda lines: [], {"truncated"}),
        (lambda lines: [lines[0], b"{}", *lines[2:]], {"unreadable", "broken-link"}),
        (lambda lines: [lines[0] + b" ", *lines[1:]], {"altered"}),
    ],
)  # fmt: skip
def test_tampering_is_found(
    tmp_path: Path, tamper: Callable[[Lines], Lines], expected: set[str]
) -> None:
    """Each line changed, re-hashed, removed, reordered, doubled, cut off or emptied is found."""
    path = written(tmp_path)
    lines = tamper(path.read_bytes().splitlines())
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    assert kinds(path) == expected
    assert not audit.verify(path).intact


def test_a_log_that_is_gone_is_found_by_its_head(tmp_path: Path) -> None:
    """Deleting the file is the crudest cut."""
    written(tmp_path).unlink()
    assert [state.intact for state in audit.verify_folder(tmp_path)] == [False]


def test_a_missing_head_is_not_taken_as_proof(tmp_path: Path) -> None:
    """Without its head file the end of a log cannot be shown."""
    path = written(tmp_path)
    path.with_suffix(".head.json").unlink()
    assert kinds(path) == {"head"}


def test_a_torn_tail_is_told_apart_from_tampering(tmp_path: Path) -> None:
    """A crash leaves half a line that nobody was promised; the next writer sets it aside."""
    path = written(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"data":{"probab')
    assert audit.verify(path).torn
    assert audit.verify(path).intact
    with audit.AuditLog(path, "/systems/test", audit.privacy_from({})):
        pass
    state = audit.verify(path)
    assert (state.findings, state.events) == ((), 5)
    assert b"torn tail set aside" in path.read_bytes().splitlines()[-1]
    assert [file.read_bytes() for file in tmp_path.glob("*.torn-*")] == [b'{"data":{"probab']


def test_half_of_an_acknowledged_event_is_tampering(tmp_path: Path) -> None:
    """The head file names the last event that was acknowledged: cutting it is no torn tail."""
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    assert kinds(path) == {"torn", "truncated"}
    assert not audit.verify(path).intact


def test_a_checkpoint_kept_elsewhere_catches_a_rewritten_log(tmp_path: Path) -> None:
    """Who rewrites the log and its head still cannot rewrite what was taken away before."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "live").mkdir()
    kept = audit.checkpoint(written(tmp_path / "kept", events=3))
    forged = written(tmp_path / "live", events=4)
    assert audit.verify(forged).intact
    assert [finding.kind for finding in audit.verify(forged, kept).findings] == ["altered"]


def test_the_command_reports_by_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 without a log, 0 when intact, 1 when not; a checkpoint is one JSON line a log."""
    monkeypatch.setenv("PROJECT_ROOT", str(tmp_path))
    monkeypatch.setenv("AUDIT_DIR", "audit")
    assert main(["verify"]) == 2
    path = written(tmp_path / "audit")
    assert main(["verify"]) == 0
    capsys.readouterr()
    assert main(["checkpoint"]) == 0
    line = capsys.readouterr().out
    assert json.loads(line)["sequence"] == 4
    (tmp_path / "kept.jsonl").write_text(line)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    path.with_suffix(".head.json").unlink()
    assert main(["verify", "--against", str(tmp_path / "kept.jsonl")]) == 1
    assert "names event 4, the log ends at 3" in capsys.readouterr().err
