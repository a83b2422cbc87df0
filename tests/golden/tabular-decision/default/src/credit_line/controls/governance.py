"""Checks what people have to decide before a release: facts, risks, and approvals that still hold.

Commands: `check` (what is missing for a release), `card` (write the model card), `digests` (the
subjects of an approval, to paste into governance/approvals.yaml).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from . import evidence
from .card import CardRefused, write_card
from .paths import Paths

Committers = Callable[[str], set[str]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way of a release, and what mends it."""

    subject: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}\n  hint: {self.hint}"


def release_findings(paths: Paths, today: date) -> list[Finding]:
    """Everything that blocks a release on `today`; empty means that nothing does."""
    return [
        *check_system(_load(paths.governance / "system.yaml")),
        *check_risks(_load(paths.governance / "risk-assessment.yaml"), today),
        *check_approvals(paths, today, committers(paths.root)),
        *check_evidence(paths),
    ]


def check_system(system: Mapping[str, Any]) -> list[Finding]:
    """The system says where it is used, and no prohibited use was found by two people."""
    where = "governance/system.yaml"
    screen = system["prohibited_use_screen"]
    gaps = [
        (f"`{fact}` is empty", "which duties apply depends on it")
        for fact in ("jurisdictions", "roles")
        if not system[fact]
    ]
    for question, answer in screen["answers"].items():
        if answer is True:
            gaps.append((f"prohibited use: {question}", "a yes stops the system: ask legal"))
    if not all(isinstance(answer, bool) for answer in screen["answers"].values()):
        gaps.append(("a screening question has no answer", "answer true or false"))
    people = {screen["answered_by"], screen["reviewed_by"]}
    if None in people or len(people) < 2:
        message = "the screen was not answered and reviewed by two people"
        gaps.append((message, "name the one who answered and another one who reviewed"))
    return [Finding(where, message, hint) for message, hint in gaps]


def check_risks(register: Mapping[str, Any], today: date) -> list[Finding]:
    """Each risk has an owner, a control if high, an accepted residual, a review in date."""
    return [
        Finding(f"risk {risk['id']}", message, hint)
        for risk in register["risks"]
        for message, hint in _risk_gaps(risk, today)
    ]


def _risk_gaps(risk: Mapping[str, Any], today: date) -> list[tuple[str, str]]:
    gaps = []
    if not risk.get("owner"):
        gaps.append(("no owner", "name the team that owns the risk"))
    if risk["inherent"] == "high" and not risk.get("controls"):
        gaps.append(("a high risk without a control", "name the controls that reduce it"))
    if not risk.get("accepted_by"):
        gaps.append(("the remaining risk is not accepted", "the risk owner sets `accepted_by`"))
    review = risk.get("review_by")
    if not isinstance(review, date):
        gaps.append(("never reviewed", "review it and set `review_by`"))
    elif review < today:
        gaps.append((f"the review was due on {review}", "review it and set the next `review_by`"))
    return gaps


def check_approvals(paths: Paths, today: date, committers: Committers) -> list[Finding]:
    """Each required role has an approval that covers every subject as it is now, and is in date.

    Refused: an approver who is the author or has committed to a subject, a subject whose digest
    changed since, an expiry in the past, and one person in two roles.
    """
    register = _load(paths.governance / "approvals.yaml")
    current = subjects(paths, register)
    found = [
        Finding(name, "the subject of an approval is missing", "`make run` writes it")
        for name, digest in current.items()
        if digest is None
    ]
    for role in register["required_roles"]:
        gaps = [_approval_gaps(a, current, today, committers) for a in _of_role(register, role)]
        if [] not in gaps:
            reasons = min(gaps, key=len, default=["missing"])
            hint = f"the {role} reviews the subjects and approves them anew"
            found += [Finding(f"approval of the {role}", reason, hint) for reason in reasons]
    return found + _one_person_two_roles(register)


def _of_role(register: Mapping[str, Any], role: str) -> list[Mapping[str, Any]]:
    return [approval for approval in register["approvals"] or [] if approval["role"] == role]


def _approval_gaps(
    approval: Mapping[str, Any],
    current: Mapping[str, str | None],
    today: date,
    committers: Committers,
) -> list[str]:
    approver, covers = _person(approval["approver"]), approval["covers"]
    gaps = []
    if approval["decision"] != "approved":
        gaps.append(f"the decision is {approval['decision']}")
    if approver == _person(approval["author"]):
        gaps.append("the approver is the author")
    gaps += [
        f"the approver has changed {name}"
        for name in current
        if approver in {_person(committer) for committer in committers(name)}
    ]
    gaps += [f"{name} is not covered" for name in current if name not in covers]
    gaps += [
        f"{name} has changed since"
        for name, digest in current.items()
        if name in covers and covers[name] != digest
    ]
    if approval["expires"] < today:
        gaps.append(f"it expired on {approval['expires']}")
    return gaps


def _one_person_two_roles(register: Mapping[str, Any]) -> list[Finding]:
    roles: dict[str, set[str]] = {}
    for approval in register["approvals"] or []:
        roles.setdefault(_person(approval["approver"]), set()).add(approval["role"])
    return [
        Finding("approvals", f"{person} approved in two roles", "each role is another person")
        for person, held in sorted(roles.items())
        if len(held) > 1
    ]


def _person(text: str) -> str:
    """Addresses are compared without case and spaces."""
    return text.strip().casefold()


def check_evidence(paths: Paths) -> list[Finding]:
    """No evidence speaks of inputs that have changed since."""
    return [
        Finding(f"evidence/{file.name}", f"stale: {', '.join(changed)} changed since", "`make run`")
        for file in sorted(paths.evidence.glob("*.json"))
        if (changed := evidence.stale(paths, file.stem))
    ]


def subjects(paths: Paths, register: Mapping[str, Any]) -> dict[str, str | None]:
    """The digest of each file that an approval covers; None where it is missing."""
    files = {name: paths.root / name for name in register["subjects"]}
    return {name: evidence.digest(file) if file.is_file() else None for name, file in files.items()}


def committers(root: Path) -> Committers:
    """Who has committed to a file, by e-mail; nobody where there is no git history."""

    def found(name: str) -> set[str]:
        command = ["git", "-C", str(root), "log", "--format=%ae%n%ce", "--", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError:
            return set()
        return set(done.stdout.split())

    return found


def _load(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a mapping")
    return content


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: nothing in the way; 1: findings, or a card that may not be written."""
    parser = argparse.ArgumentParser(prog="governance", description=__doc__)
    parser.add_argument("command", choices=["check", "card", "digests"])
    command = parser.parse_args(arguments).command
    paths = Paths.here()
    if command == "card":
        return _write_card(paths)
    if command == "digests":
        register = _load(paths.governance / "approvals.yaml")
        print(yaml.safe_dump({"covers": subjects(paths, register)}))
        return 0
    found = release_findings(paths, datetime.now(UTC).date())
    print("\n".join(map(str, found)) or "nothing stands in the way of a release")
    return 1 if found else 0


def _write_card(paths: Paths) -> int:
    try:
        write_card(paths)
    except CardRefused as refused:
        print(f"no card: {refused}", file=sys.stderr)
        return 1
    print("wrote docs/model-card.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
