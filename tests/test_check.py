"""`check` as a pure function: each rule with a project that breaks it and one that does not."""

from __future__ import annotations

import pytest

from ai_factory import check
from ai_factory.check import Finding
from ai_factory.lock import Entry, Lock, Origin
from ai_factory.tree import EXECUTABLE, REGULAR, File, blob_id

BASE = File(b"one\ntwo\n")
MARKED = File(b"one\n<<<<<<< yours\na\n=======\nb\n>>>>>>> factory\n")
HINT = "`ai-factory restore p` puts it back, `ai-factory diff p` shows what differs"


def lock(**entries: Entry) -> Lock:
    return Lock(Origin("embedded", "embedded", "1", "", ""), "1", {}, {}, "", entries)


def entry(ownership: str = "managed", state: str = "", base: File = BASE, mode: str = REGULAR) -> Entry:
    return Entry("core", ownership, mode, blob_id(base.content), "1", ("AUD-01",), state)


def found(row: Entry, file: File | None, *, modes: bool = True) -> list[Finding]:
    return check.compare(lock(p=row), {"p": file} if file else {}, modes=modes)


EDITED = [Finding("AF002", "p", "was edited", "core", ("AUD-01",), HINT)]
MISSING = [Finding("AF003", "p", "is missing", "core", ("AUD-01",), HINT)]
OPEN = [
    Finding(
        "AF004",
        "p",
        "has an open conflict",
        "core",
        ("AUD-01",),
        "resolve it, then run `ai-factory sync --continue` (or `ai-factory sync --take ours p`)",
        line=2,
    )
]
UNMARKED = [OPEN[0]._replace(line=0)]
LEFT = [
    Finding(
        "AF004",
        "p",
        "holds conflict markers",
        "core",
        ("AUD-01",),
        "keep the lines that are right, and remove the markers",
        line=2,
    )
]


@pytest.mark.parametrize(
    ("row", "file", "findings"),
    [
        (entry(), BASE, []),
        (entry(), File(b"one\r\ntwo\r\n"), []),  # line endings are no edit
        (entry(), File(b"one\n"), EDITED),
        (entry(), None, MISSING),
        (entry("merged"), File(b"x"), []),
        (entry("merged"), None, []),
        (entry("seeded"), File(b"x"), []),
        (entry("seeded"), None, []),
        (Entry("core", "produced"), None, []),
        (Entry("core", "produced"), File(b"x"), []),
        (entry(state="local"), File(b"x"), []),
        (entry(state="local"), None, []),
        (entry(state="open"), MARKED, OPEN),
        (entry(state="open"), None, UNMARKED),
        (entry("merged", "open"), BASE, UNMARKED),
        (entry(state="declined"), None, MISSING),  # declined, and AF003 until restored or waived
        (entry("merged", "declined"), None, []),
        (entry("merged"), MARKED, LEFT),
        (entry(), MARKED, [*EDITED, *LEFT]),
        (entry("merged", base=MARKED), MARKED, []),  # the factory's own text about conflicts
    ],
)
def test_a_path_is_judged_by_its_ownership_and_state(row: Entry, file: File | None, findings: list[Finding]) -> None:
    assert found(row, file) == findings


def test_a_changed_mode_is_an_edit_where_modes_mean_anything() -> None:
    run = File(BASE.content, EXECUTABLE)
    assert found(entry(), run) == [EDITED[0]._replace(message="has mode 100755, not 100644")]
    assert found(entry(), run, modes=False) == []


def test_findings_are_sorted_by_path_and_rule() -> None:
    findings = check.compare(lock(b=entry(), a=entry(), c=entry(state="open")), {"a": MARKED}, ["z", "B"])
    assert [(finding.rule, finding.path, finding.level) for finding in findings] == [
        ("AF011", "B", "warning"),
        ("AF002", "a", "error"),
        ("AF004", "a", "error"),
        ("AF003", "b", "error"),
        ("AF004", "c", "error"),
        ("AF011", "z", "warning"),
    ]


@pytest.mark.parametrize(
    ("rules", "fail_on", "code"),
    [
        ([], ("drift", "conflict"), 0),
        (["AF002"], ("drift", "conflict"), 1),
        (["AF003"], ("conflict",), 0),
        (["AF004"], ("drift", "conflict"), 1),
        (["AF001"], ("drift", "conflict"), 0),
        (["AF001"], ("behind",), 1),
        (["AF008"], ("drift",), 1),
        (["AF010"], ("any",), 0),
        (["AF011"], ("drift", "conflict"), 0),
        (["AF011"], ("any",), 1),
        (["AF002", "AF004"], ("never",), 0),
        (["AF005"], ("never",), 2),
        (["AF002", "AF006"], ("drift",), 2),
        (["AF006", "AF002"], ("drift",), 2),
    ],
)
def test_the_exit_code_follows_what_to_fail_on_and_2_is_never_masked(
    rules: list[str], fail_on: tuple[str, ...], code: int
) -> None:
    assert check.verdict([Finding(rule, "p", "m") for rule in rules], fail_on) == code


@pytest.mark.parametrize(
    ("base", "ours", "line"),
    [
        (b"a\nb\nc\n", b"a\nX\nc\n", 2),
        (b"a\nb\n", b"a\nb\nc\n", 3),
        (b"a\nb\nc\n", b"a\n", 1),  # what is gone has no line of ours: the last one before it
        (b"a\nb\n", b"", 1),
        (b"", b"a\n", 1),
        (b"a\nb\n", b"a\nb", 2),  # the line end of the last line
        (b"a\nb\n", b"a\r\nb\r\n", 0),
        (b"a\r\nb\r\n", b"a\nX\n", 2),
        (b"a\nb\n", b"a\nb\n", 0),
        (b"a\0\n", b"b\n", 0),
        (b"a\n", b"\0b\n", 0),
    ],
)
def test_the_first_line_that_differs(base: bytes, ours: bytes, line: int) -> None:
    assert check.first_difference(base, ours) == line


def test_a_line_is_told_where_the_base_is_at_hand() -> None:
    """Of an edit alone: what is missing has no lines, and a changed mode changes none."""
    ours = {"p": File(b"one\nTWO\n"), "run": File(BASE.content, EXECUTABLE)}
    findings = check.compare(lock(p=entry(), gone=entry(), run=entry()), ours)
    base = {"p": BASE.content, "gone": BASE.content, "run": BASE.content}
    assert [(one.path, one.line) for one in check.located(findings, ours, base)] == [("gone", 0), ("p", 2), ("run", 0)]
    assert check.located(findings, ours, {}) == findings
