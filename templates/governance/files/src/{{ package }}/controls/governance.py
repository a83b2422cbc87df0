"""Checks what people have to decide before a release: facts, risks, and approvals that still hold.

Commands: `check` (what is missing for a release), `card` (write the model card), `digests` (the
subjects of an approval, to paste into governance/approvals.yaml), `authors` (write down for an
image, which has no git, who has committed to the subjects), `released` (remember a release, by
which the next one is classed).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from . import evidence
from .audit import in_production
from .card import CardRefused, card_text, disagreements, write_card
from .dossier import RELEASED, DossierRefused, differences, remember
from .paths import Paths
from .required import EVIDENCE, FACTS, POINTS, QUESTIONS, ROLES, SUBJECTS, TIERS
from .stages import StageFailed

# Who has committed to a file; None where that cannot be told.
Committers = Callable[[str], set[str] | None]
# A name around an address, or a dot at its end, would make two persons of one.
ADDRESS = re.compile(
    r"[a-z0-9!#$%&'*/=?^_`{|}~+-]+(\.[a-z0-9!#$%&'*/=?^_`{|}~+-]+)*"
    r"@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?",
    re.IGNORECASE,
)
PEOPLE = ("approver", "author")
NAMED = ("jurisdictions", "roles")  # facts that name something: an empty list is no answer
# What moves while a system works: new data comes in, and runs write down what they found in it.
WORKING = ("var/", "evidence/")
# East of Greenwich a day begins before it does in UTC, by which is judged here.
EARLY = timedelta(days=1)
RECORD = "governance/applicability.json"  # which duties apply, and the tier, once it is assessed
AUTHORS = "authors"  # evidence/authors.json: written for an image, and by no run
# What an approval must say, and as what.
FIELDS = {
    **dict.fromkeys(("role", "approver", "author", "decision"), str),
    **dict.fromkeys(("approved_on", "expires"), date),
    "covers": dict,
}


class RegisterRefused(StageFailed):
    """A register cannot be read, or is no mapping; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands in the way of a release, and what mends it."""

    subject: str
    message: str
    hint: str

    def __str__(self) -> str:
        lines = (f"{self.subject}: {self.message}", f"  hint: {self.hint}")
        return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines)


def release_findings(paths: Paths, today: date) -> list[Finding]:
    """Everything that blocks a release on `today`; empty means that nothing does."""
    found = [*_decision_findings(paths, today), *check_evidence(paths)]
    told = {one.subject for one in found}  # a register that cannot be read is told once
    return [*found, *(one for one in check_documents(paths) if one.subject not in told)]


def production_findings(paths: Paths, today: date) -> list[Finding]:
    """What keeps a system from working in production on `today`; less than blocks a release.

    New data makes no evidence stale here: it comes every night, and what serves is held to its
    approval by its digest.
    """
    return [
        *_judged(paths, "system.yaml", check_status),
        *_decision_findings(paths, today),
        *check_evidence(paths, moving=WORKING),
    ]


def _decision_findings(paths: Paths, today: date) -> list[Finding]:
    """What blocks a release whatever the state of the evidence."""
    ask = committers(paths.root)
    approvals = _judged(
        paths,
        "approvals.yaml",
        lambda _: [*check_approvals(paths, today, ask), *check_history(paths)],
    )
    needed = {f"approval of the {_accepting(paths)}", "governance/approvals.yaml"}
    accepted = needed.isdisjoint(one.subject for one in approvals)
    return [
        *_judged(paths, "facts.yaml", check_facts),
        *_judged(paths, "risk-assessment.yaml", lambda risks: check_risks(risks, today, accepted)),
        *approvals,
        *check_card(paths),
    ]


def _accepting(paths: Paths) -> str:
    """The role whose approval accepts what remains of the risks."""
    return "risk" if "risk" in ROLES[_tier(paths)] else "business owner"


def _judged(
    paths: Paths, name: str, check: Callable[[Mapping[str, Any]], list[Finding]]
) -> list[Finding]:
    """What a check finds in a register; of one that cannot be read, that is the finding."""
    try:
        return check(_load(paths.governance / name))
    except RegisterRefused as refused:
        place, _, message = str(refused).partition(": ")
        return [Finding(place, message, "mend the file")]


def check_facts(document: Mapping[str, Any]) -> list[Finding]:
    """Every fact is answered, and no prohibited use was found by two people."""
    gaps = [*_fact_gaps(_part(document, "facts")), *_screen_gaps(_part(document, "screen"))]
    return [Finding("governance/facts.yaml", message, hint) for message, hint in gaps]


def _fact_gaps(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    gaps = [
        (f"`{fact}` is {'no list of names' if facts.get(fact) else 'empty'}", "duties depend on it")
        for fact in NAMED
        if not _names(facts, fact)
    ]
    unknown = [fact for fact in FACTS if facts.get(fact) is None and fact not in NAMED]
    if unknown:
        hint = "answer them: `ai-factory assess` asks in plain words, or write them in"
        gaps.append((f"not answered: {', '.join(unknown)}", hint))
    return gaps


def _screen_gaps(screen: Mapping[str, Any]) -> list[tuple[str, str]]:
    answers = _part(screen, "answers")
    gaps = [
        (f"a screening question is gone: {question}", "put it back, and answer it")
        for question in QUESTIONS
        if question not in answers
    ]
    gaps += [
        (f"prohibited use: {question}", "a yes stops the system: ask legal")
        for question, answer in answers.items()
        if answer is True
    ]
    if not all(isinstance(answer, bool) for answer in answers.values()):
        gaps.append(("a screening question has no answer", "answer true or false"))
    told = [str(screen.get(by) or "").strip() for by in ("answered_by", "reviewed_by")]
    if not all(map(ADDRESS.fullmatch, told)) or len(set(map(_person, told))) < 2:
        message = "the screen was not answered and reviewed by two people"
        gaps.append((message, "write the address of each, one who answered and one who reviewed"))
    return gaps


def check_status(system: Mapping[str, Any]) -> list[Finding]:
    """A system that works in production says so: what has to be done before that is asked then."""
    if system.get("status") == "production":
        return []
    message = f"`status` is {system.get('status')}, and this is production"
    hint = "set `status: production`, have it approved, and see what `ai-factory gate` asks then"
    return [Finding("governance/system.yaml", message, hint)]


def check_risks(register: Mapping[str, Any], today: date, accepted: bool = False) -> list[Finding]:
    """There are risks, each with owner, control if high, accepted residual, review in date.

    `accepted`: the role `risk` has approved the register, which accepts what remains until the
    approval runs out.
    """
    risks = register.get("risks")
    if not isinstance(risks, list) or not risks:
        message, hint = "it names no risk", "list them under `risks`: every system has some"
        return [Finding("governance/risk-assessment.yaml", message, hint)]
    rows = [risk if isinstance(risk, Mapping) else {} for risk in risks]
    return [
        Finding(f"risk {risk.get('id') or f'number {number}'}", message, hint)
        for number, risk in enumerate(rows, start=1)
        for message, hint in _risk_gaps(risk, today, accepted)
    ]


def _risk_gaps(risk: Mapping[str, Any], today: date, accepted: bool) -> list[tuple[str, str]]:
    gaps = []
    if not str(risk.get("id") or "").strip():
        gaps.append(("no id", "give it an `id` of its own"))
    if not str(risk.get("owner") or "").strip():
        gaps.append(("no owner", "name the team that owns the risk"))
    if (inherent := risk.get("inherent")) not in ("low", "medium", "high"):
        gaps.append((f"inherent is {inherent!r}", "it is low, medium or high"))
    if inherent == "high" and not risk.get("controls"):
        gaps.append(("a high risk without a control", "name the controls that reduce it"))
    if not accepted and not str(risk.get("accepted_by") or "").strip():
        hint = "the role `risk` approves, or the risk owner sets `accepted_by`"
        gaps.append(("the remaining risk is not accepted", hint))
    review = risk.get("review_by")
    return gaps if accepted and not review else gaps + _review_gaps(review, today)


def _review_gaps(review: object, today: date) -> list[tuple[str, str]]:
    if not review:
        return [("never reviewed", "review it and set `review_by`")]
    if not isinstance(review, date) or isinstance(review, datetime):
        return [(f"review_by is {str(review)!r}", "write the day, as YYYY-MM-DD")]
    if review < today:
        return [(f"the review was due on {review}", "review it and set the next `review_by`")]
    return []


def check_approvals(paths: Paths, today: date, committers: Committers) -> list[Finding]:
    """Each required role has an approval that covers every subject as it is now, and is in date.

    Refused: an approver who is the author or has committed to a subject, a subject whose digest
    changed since, an expiry in the past or more than a year away, and one person in two roles.
    """
    register = _load(paths.governance / "approvals.yaml")
    approvals, found = well_formed(register)
    current = subjects(paths, register)
    authors = {name: committers(name) for name in current}
    found += _unknown(current, authors)
    for role in needed_roles(paths, register):
        held = [approval for approval in approvals if approval["role"] == role]
        gaps = [_approval_gaps(approval, current, today, authors) for approval in held]
        if [] not in gaps:
            reasons = min(gaps, key=len, default=["missing"])
            hint = f"the {role} reviews the subjects and approves them anew"
            found += [Finding(f"approval of the {role}", reason, hint) for reason in reasons]
    return found + _one_person_two_roles(approvals)


def needed_roles(paths: Paths, register: Mapping[str, Any]) -> list[str]:
    """Who has to approve: the roles of the tier, and those that the register names besides."""
    return list(dict.fromkeys((*ROLES[_tier(paths)], *_names(register, "required_roles"))))


def _tier(paths: Paths) -> str:
    """The inherent tier: as it was recorded, `high` where none was, and as the facts give at least.

    Floors of law are known to the record alone. So a record can raise the tier, and not lower it.
    """
    try:
        told = json.loads((paths.root / RECORD).read_text("utf-8"))["tier"]["inherent"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        told = "high"
    try:
        facts = _part(_load(paths.governance / "facts.yaml"), "facts")
    except RegisterRefused:
        facts = {}
    points = sum(map(_points, POINTS, map(facts.get, POINTS)))
    least = max((tier for tier, start in TIERS.items() if points >= start), key=list(TIERS).index)
    if (facts.get("autonomy"), facts.get("effect")) == ("full", "legal_or_similar"):
        least = "critical"
    known = told if isinstance(told, str) and told in TIERS else "high"
    return max(known, least, key=list(TIERS).index)


def _points(fact: str, value: object) -> int:
    """The points of an answer: of a number, those of the last mark that it reaches."""
    table = POINTS[fact]
    if isinstance(value, list):
        return sum(table.get(str(one), 0) for one in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return max((points for mark, points in table.items() if value >= int(mark)), default=0)
    return table.get(str(value), 0)


def check_history(paths: Paths) -> list[Finding]:
    """Where git is asked, it knows the whole history, and each subject is as it was committed."""
    if not _in_repository(paths.root):
        return []
    if (shallow := _git(paths.root, "rev-parse", "--is-shallow-repository")) is None:
        return []  # git does not answer: no subject has an author then, which is a finding
    found = []
    if shallow.strip() != b"false":
        hint = "`git fetch --unshallow`; in CI, check out with the whole history"
        found.append(Finding("git", "the clone is shallow: most authors are unknown", hint))
    register = _load(paths.governance / "approvals.yaml")
    for name, digest in subjects(paths, register).items():
        committed = _git(paths.root, "cat-file", "blob", f"HEAD:./{name}")
        if None not in (digest, committed) and _digest(committed or b"") != digest:
            message = "it differs from what was committed: nobody knows who changed it"
            found.append(Finding(name, message, "commit it"))
    return found


def _unknown(
    current: Mapping[str, str | None], authors: Mapping[str, set[str] | None]
) -> list[Finding]:
    """Subjects that are missing, or of which nobody knows who changed them."""
    found = []
    for name, digest in current.items():
        if digest is None:
            hint = "`make run` writes it"
            found.append(Finding(name, "the subject of an approval is missing", hint))
        elif authors[name] is None:
            hint = "install git and commit the subject: its authors may not approve it"
            hint += "; for an image, `make image` writes them down"
            found.append(Finding(name, "git does not say who changed it", hint))
    return found


def well_formed(register: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], list[Finding]]:
    """The approvals that can be judged, and what is wrong with the register and the others."""
    where = "governance/approvals.yaml"
    found = [
        Finding(where, f"`{key}` is not a list of names", "without it nothing needs approval")
        for key, empty in (
            ("required_roles", register.get("required_roles") == []),
            ("subjects", False),
        )
        if not empty and not _names(register, key)
    ]
    named = _names(register, "subjects")
    hint = "name it there: a register may only ask for more"
    found += [
        Finding(where, f"`subjects` lacks {name}", hint)
        for name in SUBJECTS
        if named and name not in named
    ]
    given = register.get("approvals") or []
    approvals = []
    for number, approval in enumerate(given if isinstance(given, list) else [given], start=1):
        if wrong := _odd_fields(approval):
            message = f"approval {number} has no valid {', '.join(wrong)}"
            found.append(Finding(where, message, "the head of the file shows the form"))
        else:
            approvals.append(approval)
    return approvals, found


def _part(register: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The mapping under a key; an empty one if anything else is there."""
    found = register.get(key)
    return found if isinstance(found, Mapping) else {}


def _names(register: Mapping[str, Any], key: str) -> list[str]:
    """The texts of a list; none if anything else is in it."""
    names = register.get(key)
    whole = isinstance(names, list) and all(isinstance(n, str) and n.strip() for n in names)
    return names if isinstance(names, list) and whole else []


def _odd_fields(approval: object) -> list[str]:
    if not isinstance(approval, Mapping):
        return list(FIELDS)
    given = {name: approval.get(name) for name in FIELDS}
    blank = {name for name, value in given.items() if isinstance(value, str) and not value.strip()}
    named = {name for name in PEOPLE if not ADDRESS.fullmatch(str(given[name]).strip())}
    odd = {name for name, kind in FIELDS.items() if type(given[name]) is not kind}
    return [name for name in FIELDS if name in odd | blank | named]


def _approval_gaps(
    approval: Mapping[str, Any],
    current: Mapping[str, str | None],
    today: date,
    authors: Mapping[str, set[str] | None],
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
        if approver in {_person(author) for author in authors[name] or ()}
    ]
    gaps += [f"{name} is not covered" for name in current if name not in covers]
    gaps += [
        f"{name} has changed since"
        for name, digest in current.items()
        if name in covers and covers[name] != digest
    ]
    return gaps + _date_gaps(approval["approved_on"], approval["expires"], today)


def _date_gaps(approved: date, expires: date, today: date) -> list[str]:
    """What is wrong with the dates; one day ahead of UTC it may be today where the approver is."""
    gaps = []
    if approved > today + EARLY:
        gaps.append(f"it was approved on {approved}, which is to come")
    if (expires.year - 1, expires.month, expires.day) > approved.timetuple()[:3]:
        gaps.append(f"it expires on {expires}, more than a year after {approved}")
    if expires < today:
        gaps.append(f"it expired on {expires}")
    return gaps


def _one_person_two_roles(approvals: Sequence[Mapping[str, Any]]) -> list[Finding]:
    roles: dict[str, set[str]] = {}
    for approval in approvals:
        roles.setdefault(_person(approval["approver"]), set()).add(approval["role"])
    return [
        Finding("approvals", f"{person} approved in two roles", "each role is another person")
        for person, held in sorted(roles.items())
        if len(held) > 1
    ]


def _person(text: str) -> str:
    """Addresses are compared without case, spaces and what follows a plus."""
    name, _, domain = text.strip().casefold().partition("@")
    return f"{name.partition('+')[0]}@{domain}"


def check_evidence(paths: Paths, moving: tuple[str, ...] = ()) -> list[Finding]:
    """All evidence is there and fresh, speaks of one model, and shows that nothing failed.

    Inputs below the folders in `moving` may have changed since.
    """
    found = []
    content: dict[str, Mapping[str, Any]] = {}
    for name in EVIDENCE:
        try:
            content[name] = evidence.content(paths, name)
            changed = [path for path in evidence.stale(paths, name) if not path.startswith(moving)]
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            found.append(Finding(f"evidence/{name}.json", "missing or unreadable", "`make run`"))
            continue
        if changed:
            message = f"stale: {', '.join(changed)} changed since"
            found.append(Finding(f"evidence/{name}.json", message, "`make run`"))
    if {"model", "evaluation"} <= content.keys():
        gaps = disagreements(content["model"], content["evaluation"])
        found += [Finding("evidence/evaluation.json", gap, "`make run`") for gap in gaps]
    if "features" in content and content["features"].get("findings") != []:
        message, hint = "a feature breaks the policy", "mend the features, then `make run`"
        found.append(Finding("evidence/features.json", message, hint))
    return found


def check_card(paths: Paths) -> list[Finding]:
    """The card that people approve is the one that the evidence gives, where a run evaluates."""
    if "evaluation" not in EVIDENCE:
        return []
    card = paths.docs / "model-card.md"
    try:
        same = card.read_text(encoding="utf-8") == card_text(paths)
    except (CardRefused, OSError, ValueError):
        same = False
    message = "it is not what the evidence says"
    return [] if same else [Finding("docs/model-card.md", message, "`make run` writes it")]


def check_documents(paths: Paths) -> list[Finding]:
    """The documents that are due are those which their sources give, byte for byte."""
    try:
        found = differences(paths)
    except DossierRefused as refused:
        place, _, message = str(refused).partition(": ")
        return [Finding(place, message, "then `make documents`")]
    return [Finding(path, message, "`make documents`") for path, message in found]


def check_serving(paths: Paths, version: str, digest: str) -> list[Finding]:
    """The model that serves is the one of `evidence/model.json`, from which the card is made."""
    try:
        content = evidence.read(paths, "model")["content"]
        same = (content["version"], content["model"]) == (version, digest)
    except (OSError, ValueError, LookupError, TypeError):
        same = False
    message = f"{version} serves, which is not the model of evidence/model.json"
    hint = "serve the approved model, or bring back evidence and approvals of this one"
    return [] if same else [Finding("serving model", message, hint)]


class NotApproved(StageFailed):
    """In production only what its approvals cover may serve; the message says what is missing."""


def refuse_unapproved(
    paths: Paths, version: str, digest: str, environment: Mapping[str, str] = os.environ
) -> None:
    """Raises NotApproved in production, where approvals are missing or are those of another."""
    if not in_production(environment):
        return
    findings = [
        *production_findings(paths, datetime.now(UTC).date()),
        *check_serving(paths, version, digest),
    ]
    if findings:
        found = [f"{finding.subject}: {finding.message}" for finding in findings]
        raise NotApproved("; ".join(["not released for production", *found]))


def subjects(paths: Paths, register: Mapping[str, Any]) -> dict[str, str | None]:
    """The digest of each file that an approval covers; None for a pattern that matches none."""
    found: dict[str, str | None] = {}
    recorded = [RECORD] if (paths.root / RECORD).is_file() else []
    for pattern in [*_names(register, "subjects"), *recorded]:
        files = _matched(paths.root, pattern)
        found |= {pattern: None} if not files else {}
        found |= {file.relative_to(paths.root).as_posix(): evidence.digest(file) for file in files}
    return found


def _matched(root: Path, pattern: str) -> list[Path]:
    """The files of a pattern, sorted; none for what is no pattern, or is absolute."""
    try:
        return sorted(file for file in root.glob(pattern) if file.is_file())
    except (NotImplementedError, ValueError):
        return []


def committers(root: Path) -> Committers:
    """Who has committed to a file, by e-mail; None where that is not known.

    Git says it where there is a repository, else `evidence/authors.json` of those files that are
    still what they were when it was written.
    """
    if not _in_repository(root):
        return _written_down(Paths.of(root))

    def found(name: str) -> set[str] | None:
        people = "%ae%n%ce%n%(trailers:key=Co-authored-by,valueonly)"
        told = _git(root, "log", "--follow", f"--format={people}", "--", name)
        words = (told or b"").decode("utf-8", "replace").split()
        return {word.strip("<>") for word in words if "@" in word} or None

    return found


def write_authors(paths: Paths) -> list[Finding]:
    """Write `evidence/authors.json`; or return what stands against it, and leave no such file.

    It takes a repository with the whole history, whose subjects are all there and committed.
    """
    (paths.evidence / f"{AUTHORS}.json").unlink(missing_ok=True)
    if not _in_repository(paths.root):
        hint = "write it in a checkout of the repository"
        return [Finding("git", "there is no repository to ask for authors", hint)]
    current = subjects(paths, _load(paths.governance / "approvals.yaml"))
    ask = committers(paths.root)
    people = {name: ask(name) for name in current}
    found = [*_unknown(current, people), *check_history(paths)]
    if not found:
        content = {name: sorted(people[name] or ()) for name in current}
        evidence.write(paths, AUTHORS, content, [paths.root / name for name in current])
    return found


def _written_down(paths: Paths) -> Committers:
    """The authors of `evidence/authors.json`, for files whose digest is the one that it gives."""
    try:
        record = evidence.read(paths, AUTHORS)
        digests, people = dict(record["inputs"]), dict(record["content"])
    except (OSError, ValueError, LookupError, TypeError):
        digests, people = {}, {}

    def found(name: str) -> set[str] | None:
        file = paths.root / name
        same = name in digests and file.is_file() and digests[name] == evidence.digest(file)
        return set(people.get(name) or ()) or None if same else None

    return found


def _in_repository(root: Path) -> bool:
    """Whether git is to be asked here; a git that does not answer changes nothing about it."""
    return any((folder / ".git").exists() for folder in (root, *root.resolve().parents))


def _git(root: Path, *arguments: str) -> bytes | None:
    """What git says; None where it is missing or refuses."""
    try:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _load(path: Path) -> dict[str, Any]:
    """The mapping in a register; RegisterRefused where there is none."""
    where = f"governance/{path.name}"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RegisterRefused(f"{where}{line}: {error.problem or error.context}") from error
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as error:
        raise RegisterRefused(f"{where}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise RegisterRefused(f"{where}: it is no mapping of names to values")
    return content


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: nothing in the way; 1: findings, or a file that may not be written."""
    parser = argparse.ArgumentParser(prog="governance", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    command = parser.parse_args(arguments).command
    try:
        return COMMANDS[command](Paths.here())
    except CardRefused as refused:
        print(f"no card: {refused}", file=sys.stderr)
    except (OSError, DossierRefused, RegisterRefused) as refused:
        print(f"{command}: {refused}", file=sys.stderr)
    return 1


def _check(paths: Paths) -> int:
    found = release_findings(paths, datetime.now(UTC).date())
    return _show(found, "nothing stands in the way of a release")


def _card(paths: Paths) -> int:
    write_card(paths)
    return _show([], "wrote docs/model-card.md")


def _digests(paths: Paths) -> int:
    register = _load(paths.governance / "approvals.yaml")
    return _show([], yaml.safe_dump({"covers": subjects(paths, register)}))


def _authors(paths: Paths) -> int:
    return _show(write_authors(paths), f"evidence/{AUTHORS}.json is written")


def _released(paths: Paths) -> int:
    """Remember a release in which nothing stands in the way."""
    found = release_findings(paths, datetime.now(UTC).date())
    if not found:
        remember(paths)
    return _show(found, f"wrote {RELEASED}: commit it, and let the next release be classed by it")


def _show(found: Sequence[Finding], good: str) -> int:
    """Print the findings, or that all is well; whoever reads may stop early, as `head` does."""
    try:
        print("\n".join(map(str, found)) or good, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if found else 0


COMMANDS: Mapping[str, Callable[[Paths], int]] = {
    "check": _check,
    "card": _card,
    "digests": _digests,
    "authors": _authors,
    "released": _released,
}


if __name__ == "__main__":
    sys.exit(main())
