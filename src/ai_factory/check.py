"""Is the project still what the factory promised? The lock against the files, as findings.

Pure: what it compares is handed to it. What each rule means stands in RULES.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ai_factory.lock import Entry, Lock
from ai_factory.markers import has_markers
from ai_factory.tree import File, blob_id, word


class Rule(NamedTuple):
    """One thing that `check` can find; `group` is the word that `--fail-on` knows it by."""

    title: str
    level: str
    group: str


RULES: Mapping[str, Rule] = {
    "AF001": Rule("behind", "note", "behind"),
    "AF002": Rule("managed file edited", "error", "drift"),
    "AF003": Rule("managed file missing", "error", "drift"),
    "AF004": Rule("conflict open", "error", "conflict"),
    "AF005": Rule("lock or base not valid", "undetermined", ""),
    "AF006": Rule("factory unreachable", "undetermined", ""),
    "AF007": Rule("required control not met", "error", "gate"),
    "AF008": Rule("waiver not valid", "error", "drift"),
    "AF009": Rule("approval not valid", "error", "gate"),
    "AF010": Rule("waived", "note", ""),
    "AF011": Rule("unexpected file in a managed folder", "warning", "unexpected"),
    "AF012": Rule("wanted but not applied", "warning", "wanted"),
}
FAIL_ON = ("drift", "conflict", "behind", "any", "never")


class Finding(NamedTuple):
    """One rule that holds for one path, and the command that mends it."""

    rule: str
    path: str
    message: str
    component: str = ""
    controls: tuple[str, ...] = ()
    hint: str = ""
    weight: str = ""  # another level than that of its rule

    @property
    def level(self) -> str:
        return self.weight or RULES[self.rule].level


def compare(lock: Lock, ours: Mapping[str, File], unexpected: Iterable[str] = (), modes: bool = True) -> list[Finding]:
    """The findings of AF002, AF003, AF004 and AF011, sorted by path.

    `ours` holds the files of the lock's paths that exist; `modes` is false where the executable bit means nothing.
    """
    found = [
        finding
        for path, entry in lock.paths.items()
        for judge in (_open, _marked, _missing, _edited)
        for finding in judge(path, entry, ours.get(path), modes)
    ]
    found += [
        Finding("AF011", path, "is in a folder where every file is the factory's", hint="move it elsewhere")
        for path in unexpected
    ]
    return sorted(found, key=lambda finding: (finding.path, finding.rule))


def _open(path: str, entry: Entry, file: File | None, modes: bool) -> list[Finding]:
    if entry.state != "open":
        return []
    hint = f"resolve it, then run `ai-factory sync --continue` (or `ai-factory sync --take ours {word(path)}`)"
    return [Finding("AF004", path, "has an open conflict", entry.component, entry.controls, hint)]


def _marked(path: str, entry: Entry, file: File | None, modes: bool) -> list[Finding]:
    if entry.state == "open" or file is None or not has_markers(file.content) or blob_id(file.content) == entry.base:
        return []
    hint = "keep the lines that are right, and remove the markers"
    return [Finding("AF004", path, "holds conflict markers", entry.component, entry.controls, hint)]


def _promised(entry: Entry) -> bool:
    return entry.ownership == "managed" and entry.state not in ("local", "open")


def _missing(path: str, entry: Entry, file: File | None, modes: bool) -> list[Finding]:
    if not _promised(entry) or file is not None:
        return []
    return [Finding("AF003", path, "is missing", entry.component, entry.controls, _restore(path))]


def _edited(path: str, entry: Entry, file: File | None, modes: bool) -> list[Finding]:
    if not _promised(entry) or file is None:
        return []
    if blob_id(file.content) != entry.base:
        message = "was edited"
    elif modes and file.mode != entry.mode:
        message = f"has mode {file.mode}, not {entry.mode}"
    else:
        return []
    return [Finding("AF002", path, message, entry.component, entry.controls, _restore(path))]


def _restore(path: str) -> str:
    return f"`ai-factory restore {word(path)}` puts it back, `ai-factory diff {word(path)}` shows what differs"


def verdict(findings: Iterable[Finding], fail_on: Iterable[str]) -> int:
    """The exit code: 2 when something cannot be determined, 1 when a finding is one to fail on, else 0."""
    groups = set(fail_on)
    code = 0
    for finding in findings:
        rule = RULES[finding.rule]
        if rule.level == "undetermined":
            return 2
        if "never" not in groups and (rule.group in groups or ("any" in groups and rule.group)):
            code = 1
    return code
