"""Is the project still what the factory promised? The lock against the files, as findings.

Pure: what it compares is handed to it. What each rule means stands in RULES.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from ai_factory.beside import Shadow, is_read_by_itself
from ai_factory.lock import Entry, Lock
from ai_factory.markers import first_marked_line, has_markers
from ai_factory.tree import File, blob_id, is_binary, normalized, word


class Rule(NamedTuple):
    """One thing that can be found; `group` is the word that `--fail-on` knows it by, `help` says what mends it."""

    title: str
    level: str
    group: str
    help: str


RULES: Mapping[str, Rule] = {
    "AF001": Rule(
        "behind",
        "note",
        "behind",
        "`ai-factory sync --plan` shows what a newer version brings; `ai-factory sync` applies it",
    ),
    "AF002": Rule(
        "managed file edited",
        "error",
        "drift",
        "`ai-factory diff FILE` shows the edit; `ai-factory restore FILE` puts the factory's version back",
    ),
    "AF003": Rule("managed file missing", "error", "drift", "`ai-factory restore FILE`"),
    "AF004": Rule("conflict open", "error", "conflict", "resolve the conflict, then `ai-factory sync --continue`"),
    "AF005": Rule(
        "lock or base not valid", "undetermined", "", "`git checkout -- .ai-factory` brings lock and base back"
    ),
    "AF006": Rule(
        "factory unreachable", "undetermined", "", "give an address that can be reached, or work with `--offline`"
    ),
    "AF007": Rule(
        "required control not met", "error", "gate", "`ai-factory gate` says what each control lacks and who has to act"
    ),
    "AF008": Rule(
        "waiver not valid",
        "error",
        "drift",
        "a waiver needs an approver who is not its owner, and a date that is not past: `ai-factory waive` writes one",
    ),
    "AF009": Rule(
        "approval not valid",
        "error",
        "gate",
        "`ai-factory approve ROLE` signs what is there now; of a warning, `--confirm` is enough",
    ),
    "AF010": Rule(
        "waived",
        "note",
        "",
        "nothing: somebody answers for it, in `.ai-factory/waivers.yaml`, until the date given there",
    ),
    "AF011": Rule(
        "unexpected file in a managed folder",
        "warning",
        "unexpected",
        "move the file out of the folder that is wholly managed",
    ),
    "AF012": Rule(
        "wanted but not applied",
        "warning",
        "wanted",
        "`ai-factory sync` applies what `.ai-factory/project.yaml` asks for",
    ),
}
FAIL_ON = ("drift", "conflict", "behind", "any", "never")


class Waiver(NamedTuple):
    """One deviation: the rule, the path or control it speaks of, and who answers for it until when."""

    rule: str
    reason: str
    owner: str
    approver: str
    until: str  # ISO date; the last day on which it holds
    path: str = ""
    control: str = ""

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is what this waiver speaks of."""
        here = self.path == finding.path if self.path else self.control in finding.controls
        return self.rule == finding.rule and here


class Finding(NamedTuple):
    """One rule that holds for one path, and the command that mends it.

    `line` is the first that differs, 0 where none is known; `owner` has to act; `waiver` covers it, or does not hold.
    """

    rule: str
    path: str
    message: str
    component: str = ""
    controls: tuple[str, ...] = ()
    hint: str = ""
    line: int = 0
    owner: str = ""
    waiver: Waiver | None = None
    weight: str = ""  # another level than that of its rule

    @property
    def level(self) -> str:
        return self.weight or RULES[self.rule].level

    @property
    def overdue(self) -> bool:
        """Whether the project is further behind than was allowed, or goes back to a version that was taken back."""
        return self.rule == "AF001" and self.weight == "error"


class Ground(NamedTuple):
    """What the files of a project are judged by, where that is more than its own lock.

    `doubted` is its own lock where nothing proves it: what that one does not call drift is left open. `known` is
    pristine content besides the base's; `agreed` are the waivers that others have seen, None where all count.
    """

    lock: Lock
    findings: tuple[Finding, ...] = ()
    behind: tuple[Finding, ...] | None = None
    doubted: Lock | None = None
    known: Mapping[str, bytes] = {}
    agreed: bytes | None = None
    notes: tuple[str, ...] = ()


def judged(ground: Ground, compared: Callable[[Lock], list[Finding]]) -> list[Finding]:
    """What is found by the lock of the ground; where another one is in doubt, what both find."""
    found = compared(ground.lock)
    if ground.doubted is None:
        return found
    other = {(finding.rule, finding.path) for finding in compared(ground.doubted)}
    return [finding for finding in found if (finding.rule, finding.path) in other]


def compare(
    lock: Lock,
    ours: Mapping[str, File],
    unexpected: Iterable[str] = (),
    modes: bool = True,
    shadows: Iterable[Shadow] = (),
) -> list[Finding]:
    """The findings of AF002, AF003, AF004 and AF011, sorted by path.

    `ours` holds the files of the lock's paths that exist; `modes` is false where the executable bit means nothing.
    `unexpected` and `shadows` are what lies beside them.
    """
    found = [finding for path, entry in lock.paths.items() for finding in _of_path(path, entry, ours.get(path), modes)]
    return in_order([*found, *beside(lock, unexpected, shadows)])


def beside(lock: Lock, unexpected: Iterable[str], shadows: Iterable[Shadow]) -> list[Finding]:
    """The findings on what lies beside the files of the lock: AF011, and AF002 for what does not run."""
    found = [_shadowed(shadow, lock.paths[shadow.path]) for shadow in shadows]
    return found + [_unexpected(path, lock.paths) for path in unexpected]


def in_order(found: Iterable[Finding]) -> list[Finding]:
    """The findings by path and rule."""
    return sorted(found, key=lambda finding: (finding.path, finding.rule))


def _of_path(path: str, entry: Entry, file: File | None, modes: bool) -> Iterator[Finding]:
    """What is found of one path. What is as the base has it holds no marks of ours, whatever its lines look like."""
    promised = entry.ownership == "managed" and entry.state != "local"
    if entry.state == "open":
        hint = f"resolve it, then run `ai-factory sync --continue` (or `ai-factory sync --take ours {word(path)}`)"
        line = first_marked_line(file.content) if file else 0
        yield _finding("AF004", path, entry, "has an open conflict", hint, line)
    elif file is None:
        if promised:
            yield _finding("AF003", path, entry, "is missing", _restore(path))
    elif blob_id(file.content) != entry.base:
        if has_markers(file.content):
            hint, line = "keep the lines that are right, and remove the markers", first_marked_line(file.content)
            yield _finding("AF004", path, entry, "holds conflict markers", hint, line)
        if promised:
            yield _finding("AF002", path, entry, "was edited", _restore(path))
    elif promised and modes and file.mode != entry.mode:
        yield _finding("AF002", path, entry, f"has mode {file.mode}, not {entry.mode}", _restore(path))


def _finding(rule: str, path: str, entry: Entry, message: str, hint: str, line: int = 0) -> Finding:
    return Finding(rule, path, message, entry.component, entry.controls, hint, line)


def _shadowed(shadow: Shadow, entry: Entry) -> Finding:
    what = f"its bytecode `{shadow.other}` is taken unread" if shadow.unread else f"it is shadowed by `{shadow.other}`"
    hint = f"remove what runs in its place: `rm {word(shadow.other)}`"
    return _finding("AF002", shadow.path, entry, f"is not what runs: {what}", hint)


def _unexpected(path: str, paths: Collection[str]) -> Finding:
    why, weight = "is in a folder where every file is the factory's", ""
    if is_read_by_itself(path, paths):
        why, weight = f"{why}, and is read by itself: the files there do something else then", "error"
    return Finding("AF011", path, why, hint="move it elsewhere", weight=weight)


def _restore(path: str) -> str:
    return f"`ai-factory restore {word(path)}` puts it back, `ai-factory diff {word(path)}` shows what differs"


def located(findings: Iterable[Finding], ours: Mapping[str, File], base: Mapping[str, bytes]) -> list[Finding]:
    """The findings, those of AF002 with the first line that differs from the base, where its content is at hand."""
    return [
        finding._replace(line=first_difference(base[finding.path], ours[finding.path].content))
        if finding.rule == "AF002" and finding.path in base
        else finding
        for finding in findings
    ]


def first_difference(base: bytes, ours: bytes) -> int:
    """The number of our first line that differs, our last where only later ones are gone; 0 where lines say nothing."""
    if is_binary(base) or is_binary(ours) or normalized(base) == normalized(ours):
        return 0
    before, now = normalized(base).split(b"\n"), normalized(ours).split(b"\n")
    pairs = zip(before, now, strict=False)
    line = next((number for number, (was, is_) in enumerate(pairs, 1) if was != is_), min(len(before), len(now)) + 1)
    return max(1, min(line, len(now) - (not now[-1])))


def verdict(findings: Iterable[Finding], fail_on: Iterable[str]) -> int:
    """The exit code: 2 when something cannot be determined, 1 when a finding is one to fail on, else 0."""
    groups = frozenset(fail_on)
    code = 0
    for finding in findings:
        if finding.level == "undetermined":
            return 2
        if fails(finding, groups):
            code = 1
    return code


def fails(finding: Finding, fail_on: Container[str]) -> bool:
    """Whether the finding is one to fail on: no one that is known, and too far behind where a limit was set."""
    group = RULES[finding.rule].group if finding.level != "error" or finding.rule != "AF011" else "drift"
    asked = group in fail_on or ("any" in fail_on and group != "") or finding.overdue
    return "never" not in fail_on and asked and finding.weight != "note"
