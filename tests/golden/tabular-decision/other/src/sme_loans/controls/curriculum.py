"""What there is to learn about this system: topics and questions made from its own settings.

Nothing here is typed twice: a question about a limit reads the limit, so that it changes with it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from .audit import EventType
from .governance import needed_roles
from .paths import Paths

Facts = Mapping[str, Any]
CHOICES = 4
EFFECTS = ("none", "minor", "significant", "legal_or_similar")
AUTONOMY = ("advisory", "human_confirms", "human_on_loop", "full")
OUTCOME = ("affects", "effect", "autonomy", "personal_data", "reversibility", "jurisdictions")
ON_FAILURE = {
    "closed": "it does not go out",
    "degrade": "it goes out while few events wait in memory, then not",
    "open": "it goes out, and what does not fit in memory is lost",
}


class PacksRefused(ValueError):
    """docs/learn/packs.yaml, or a file that it teaches, cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its right answer, which stands at `place`, and wrong ones."""

    text: str
    answer: str
    wrong: tuple[str, ...]
    place: int = 0

    def options(self) -> tuple[str, ...]:
        """All answers in an order that tells nothing and is always the same."""
        others = sorted(self.wrong, key=lambda one: _sha(self.text + "\n" + one))
        place = self.place % (len(others) + 1)
        return (*others[:place], self.answer, *others[place:])


@dataclass(frozen=True, slots=True)
class Topic:
    """What is to be known of one side of the system, in sentences, and questions on it."""

    title: str
    lines: tuple[str, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Something that a person does with this system while another one watches.

    Its event is one that the deed leaves, or, where it `finds` one, an event of anybody.
    """

    name: str
    role: str
    do: str
    events: tuple[str, ...]
    finds: bool = False


@dataclass(frozen=True, slots=True)
class Pack:
    """What one role learns. `digest` changes when anything in it does."""

    role: str
    does: str
    topics: tuple[Topic, ...]
    checkpoints: tuple[Checkpoint, ...]
    own: tuple[Question, ...] = ()

    @property
    def questions(self) -> tuple[Question, ...]:
        """The quiz; the right answers stand at every place about as often."""
        asked = (*(one for topic in self.topics for one in topic.questions), *self.own)
        return tuple(replace(one, place=_place(self.role, n)) for n, one in enumerate(asked))

    @property
    def digest(self) -> str:
        """SHA-256 of all that is taught and asked."""
        return "sha256:" + _sha(json.dumps(asdict(self), sort_keys=True))


@dataclass(frozen=True, slots=True)
class Curriculum:
    """The packs of all roles, how long a completion holds, and what a handover takes."""

    system: str
    packs: Mapping[str, Pack]
    checkpoints: Mapping[str, Checkpoint]
    approves_as: Mapping[str, str]
    valid_days: int
    pass_mark: float
    receivers: tuple[str, ...]
    needed: tuple[str, ...]


def load(paths: Paths) -> Curriculum:
    """The curriculum of this project; PacksRefused names what is wrong."""
    try:
        return _curriculum(mapping_in(paths, paths.docs / "learn" / "packs.yaml"), facts(paths))
    except PacksRefused:
        raise
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise PacksRefused(f"docs/learn/packs.yaml: {reason}") from error


def facts(paths: Paths) -> Facts:
    """What the files of this project say; a file that this kind of system lacks says nothing."""
    runbook = paths.ops / "runbook.md"
    alerts = sorted(paths.ops.glob("alerts*.yml"))
    contracts = sorted(paths.contracts.glob("*.odcs.yaml"))
    approvals = mapping_in(paths, paths.governance / "approvals.yaml")
    return {
        "package": __name__.split(".")[0],
        "system": mapping_in(paths, paths.governance / "system.yaml"),
        "facts": mapping_in(paths, paths.governance / "facts.yaml").get("facts") or {},
        "scope": mapping_in(paths, paths.governance / "scope.yaml"),
        "risks": mapping_in(paths, paths.governance / "risk-assessment.yaml").get("risks", []),
        "approvals": approvals,
        "approvers": needed_roles(paths, approvals),
        "thresholds": mapping_in(paths, paths.evals / "thresholds.yaml").get("thresholds", []),
        "checks": mapping_in(paths, paths.ops / "monitoring.yaml").get("checks", []),
        "audit": mapping_in(paths, paths.ops / "audit.yaml"),
        "alerts": [rule for file in alerts for rule in _rules(paths, file)],
        "contracts": [mapping_in(paths, file) for file in contracts],
        "runbook": runbook.read_text("utf-8") if runbook.exists() else "",
    }


def _curriculum(content: Mapping[str, Any], known: Facts) -> Curriculum:
    steps = {
        name: Checkpoint(name, row["role"], row["do"], _events(name, row), bool(row.get("finds")))
        for name, row in content["checkpoints"].items()
    }
    roles: Mapping[str, Any] = content["roles"]
    needed = tuple(content["handover"]["roles"])
    if unknown := ({step.role for step in steps.values()} | set(needed)) - set(roles):
        raise ValueError(f"no such role: {', '.join(sorted(unknown))}")
    if not 0 < float(content["pass_mark"]) <= 1 or int(content["valid_days"]) < 1:
        raise ValueError("pass_mark is above 0 and at most 1, valid_days at least 1")
    return Curriculum(
        system=known["system"]["name"],
        packs={role: _pack(role, row, steps, known) for role, row in roles.items()},
        checkpoints=steps,
        approves_as={name: role for role, row in roles.items() for name in row["approves_as"]},
        valid_days=int(content["valid_days"]),
        pass_mark=float(content["pass_mark"]),
        receivers=tuple(content["handover"]["receivers"]),
        needed=needed,
    )


def _events(name: str, row: Facts) -> tuple[str, ...]:
    """The kinds of event of a checkpoint; ValueError for one that the audit trail does not have."""
    known = sorted(kind.name.lower() for kind in EventType)
    given = row["events"]
    if not isinstance(given, list) or (unknown := [one for one in given if one not in known]):
        wrong = ", ".join(map(str, unknown)) if isinstance(given, list) else given
        raise ValueError(f"{name}: no such kind of event: {wrong} ({', '.join(known)})")
    return tuple(given)


def _pack(role: str, row: Facts, steps: Mapping[str, Checkpoint], known: Facts) -> Pack:
    if unknown := set(row["topics"]) - set(TOPICS):
        raise ValueError(f"{role}: no such topic: {', '.join(sorted(unknown))}")
    found = [TOPICS[name](known) for name in row["topics"]]
    own = [Question(one["ask"], one["answer"], tuple(one["wrong"])) for one in row["questions"]]
    pack = Pack(
        role=role,
        does=row["does"],
        topics=tuple(topic for topic in found if topic.lines),
        checkpoints=tuple(step for step in steps.values() if step.role == role),
        own=tuple(own),
    )
    if not pack.questions:
        raise ValueError(f"{role}: nothing is asked")
    return pack


def _purpose(known: Facts) -> Topic:
    system, scope = known["system"], known["scope"]
    outside, misuse = scope.get("out_of_scope", []), scope.get("foreseeable_misuse", [])
    lines = [f"{system['purpose']}. Its status is *{system['status']}*."]
    lines += [f"Not for: {one}." for one in outside]
    lines += [f"Would be misuse: {one}." for one in misuse]
    fine = ("stopping it when people may be harmed", "asking for the reasons", "reporting a doubt")
    asked = [_ask("For which of these is the system not meant?", one, fine) for one in outside[:1]]
    asked += [_ask("Which of these would be misuse?", one, fine) for one in misuse[:1]]
    return _topic("What it is for", lines, asked)


def _people(known: Facts) -> Topic:
    system, roles = known["system"], known["approvers"]
    owner, risk = system["owner_team"], system["risk_owner"]
    lines = [f"{owner} ({system['contact']}) owns the system; {risk} accepts the remaining risk."]
    others = (owner, "whoever notices it first", "the supplier of the software")
    asked = [_ask("Who accepts the remaining risk?", risk, others)]
    asked += [_ask("Who owns the system?", owner, (risk, *others[1:]))]
    if roles:
        lines.append(f"A release needs the approval of: {', '.join(roles)}; each another person.")
        fewer = [", ".join(r for r in roles if r != left) for left in roles if len(roles) > 1]
        asked.append(_ask("Whose approvals does a release need?", ", ".join(roles), fewer))
    return _topic("Who answers for what", lines, asked)


def _effects(known: Facts) -> Topic:
    told = known["facts"]
    said = {fact: _stated(told.get(fact)) for fact in OUTCOME}
    lines = [
        f"It affects: {said['affects']}. Effect: {said['effect']}; autonomy: {said['autonomy']}; "
        f"personal data: {said['personal_data']}; taking back a wrong outcome: "
        f"{said['reversibility']}. The people live in: {said['jurisdictions']}."
    ]
    questions = {
        "effect": ("What is its effect on people, as the record states it?", EFFECTS),
        "autonomy": ("How far does it act on its own, as stated?", AUTONOMY),
    }
    asked = [
        _ask(text, told[fact], every) for fact, (text, every) in questions.items() if told.get(fact)
    ]
    return _topic("What it does to people", lines, asked)


def _clocks(known: Facts) -> Topic:
    _, _, table = known["runbook"].partition("| regime | clock")
    rows = re.findall(r"^\| ([^|]+?) \| ([^|]+?) \| [^|]+ \|", table, re.MULTILINE)
    lines = [f"{regime}: {clock}." for regime, clock in rows]
    asked = [
        _ask(f"Which clock does the runbook state for: {regime}?", clock, _others(rows, 1, clock))
        for regime, clock in rows[:2]
    ]
    note = ("In our own words, not reviewed by counsel; legal says which of them apply.",)
    return _topic("Clocks after an incident", [*note, *lines] if lines else [], asked)


def _risks(known: Facts) -> Topic:
    rows = [(f"{risk['id']}, {risk['title']}", risk["harm"], risk) for risk in known["risks"]]
    lines = [
        f"{name}: {harm}. Controls: {', '.join(risk['controls'])}; what remains: "
        f"{risk['residual']}."
        for name, harm, risk in rows
    ]
    asked = [
        _ask(f"What is the harm of risk {name}?", harm, _others(rows, 1, harm))
        for name, harm, _ in rows[:2]
    ]
    return _topic("What can go wrong", lines, asked)


def _limits(known: Facts) -> Topic:
    rows = [(f"`{row['metric']}` ({row['slice']})", *_bound(row)) for row in known["thresholds"]]
    lines = [f"{name} has to be {word} {value:g}." for name, word, value in rows]
    asked = [_ask_bound(f"What does {name} have to be?", word, value) for name, word, value in rows]
    return _topic("What a release has to meet", lines, asked[:3])


def _monitoring(known: Facts) -> Topic:
    checks = known["checks"]
    lines = [
        f"`{row['metric']}` beyond {row['limit']:g} ({row['severity']}): {row['owner']} acts: "
        f"{row['action']}. See {row['runbook']}."
        for row in checks
    ]
    asked = [
        _ask_number(f"Beyond which size does `{row['metric']}` alert?", row["limit"])
        for row in checks[:2]
    ]
    milder = [row["metric"] for row in checks if row["severity"] != "critical"]
    severe = [row["metric"] for row in checks if row["severity"] == "critical"]
    asked += [_ask("Which of these is critical when it alerts?", one, milder) for one in severe[:1]]
    return _topic("What is watched", lines, asked)


def _alerts(known: Facts) -> Topic:
    rows = [(rule["alert"], rule["annotations"]["summary"]) for rule in known["alerts"]]
    rows = [(name, _plain(summary)) for name, summary in rows]
    lines = [f"{name}: {summary}." for name, summary in rows]
    asked = [
        _ask(f"What does the alert {name} say?", summary, _others(rows, 1, summary))
        for name, summary in rows[:3]
    ]
    return _topic("Alerts, all explained in ops/runbook.md", lines, asked)


def _stopping(known: Facts) -> Topic:
    told = known["scope"]["oversight"]
    switch = f".venv/bin/python -m {known['package']}.controls.switch"
    stop = f'{switch} stop --reason "…" --actor you@example.org'
    lines = [
        f"`{stop}`",
        f"Who stops: {told['who_stops']}.",
        f"While it is out: {told['fallback']}.",
    ]
    wrong = ("they are refused", "the release before decides", "the newest release decides")
    asked = [
        _ask("Which command records a stop?", stop, (f"{switch} status", f"{switch} drill")),
        _ask("What becomes of the cases while the model is out?", told["fallback"], wrong),
    ]
    return _topic("How it is stopped", lines, asked)


def _overriding(known: Facts) -> Topic:
    told = known["scope"]["oversight"]
    wrong = ("nobody: the outcome stands", "the model, at its next release", "any visitor")
    lines = [f"Who may decide otherwise: {told['who_overrides']}."]
    return _topic(
        "Who decides otherwise",
        lines,
        [_ask("Who may decide otherwise than the system?", told["who_overrides"], wrong)],
    )


def _trail(known: Facts) -> Topic:
    audit = known["audit"]
    tier, kept = audit.get("risk_tier"), audit.get("retention") or []
    policy = ON_FAILURE[(audit.get("on_audit_failure") or {}).get(tier, "closed")]
    lines = [f"An outcome whose event cannot be made durable: {policy} (tier: {tier})."]
    lines += [f"Kept {row['keep_days']} days: {row['record']} ({row['reason']})." for row in kept]
    ask = "What becomes of an outcome whose audit event cannot be made durable?"
    asked = [_ask(ask, policy, tuple(ON_FAILURE.values()))]
    asked += [
        _ask(f"For how many days are kept: {row['record']}?", *_days(row["keep_days"]))
        for row in kept[:1]
    ]
    return _topic("The audit trail", lines, asked)


def _data(known: Facts) -> Topic:
    lines, asked = [], []
    for agreed in known["contracts"]:
        columns = [column for table in agreed["schema"] for column in table["properties"]]
        protected = sorted({column["name"] for column in columns if _protected(column)})
        said = ", ".join(protected)
        plain = sorted({column["name"] for column in columns} - set(protected))
        names = ", ".join(table["name"] for table in agreed["schema"])
        kept = _kept(agreed)
        lines.append(f"{agreed['name']} ({names}) is owned by {agreed['team']['name']}; {kept}.")
        if protected:
            lines.append(f"Never an input of a model, only to test fairness: {said}.")
            pairs = [", ".join(plain[i : i + len(protected)]) for i in range(3)]
            asked.append(_ask("Which columns may no model see?", said, pairs))
        asked.append(_ask_kept(f"How long is the data of {agreed['name']} kept?", agreed))
    return _topic("The data", lines, asked)


def _release(known: Facts) -> Topic:
    covers = known["approvals"].get("subjects", [])
    lines = ["`make release-check` says what stands in the way of a release."]
    lines += [f"Approvals cover: {', '.join(covers)}."] if covers else []
    lines += ["An approval ends when one of these changes, and after a year at most."]
    right, wrong = "when a file that it covers changes", ("never", "when the approver is on leave")
    return _topic(
        "Releases", lines, [_ask("When does an approval end?", right, (*wrong, "monthly"))]
    )


# A topic by the name that docs/learn/packs.yaml uses.
TOPICS: Mapping[str, Callable[[Facts], Topic]] = {
    "purpose": _purpose,
    "people": _people,
    "effects": _effects,
    "clocks": _clocks,
    "risks": _risks,
    "limits": _limits,
    "monitoring": _monitoring,
    "alerts": _alerts,
    "stopping": _stopping,
    "overriding": _overriding,
    "trail": _trail,
    "data": _data,
    "release": _release,
}


def _topic(title: str, lines: Sequence[str], asked: Sequence[Question]) -> Topic:
    for question in asked:
        if odd := [one for one in (question.answer, *question.wrong) if not isinstance(one, str)]:
            raise ValueError(f"{title}: {odd[0]} is no text (quote what holds a colon)")
    return Topic(title, tuple(lines), tuple(question for question in asked if question.wrong))


def _ask(text: str, answer: str, others: Iterable[str]) -> Question:
    wrong = [one for one in dict.fromkeys(others) if one != answer]
    return Question(text, answer, tuple(wrong[: CHOICES - 1]))


def _ask_number(text: str, value: float) -> Question:
    return _ask(text, f"{value:g}", [f"{value * part:g}" for part in (0.5, 2, 4)])


def _ask_bound(text: str, word: str, value: float) -> Question:
    other = "at most" if word == "at least" else "at least"
    wrong = [f"{other} {value:g}", f"{word} {value * 0.8:g}", f"{word} {value * 1.2:g}"]
    return _ask(text, f"{word} {value:g}", wrong)


def _days(value: int) -> tuple[str, list[str]]:
    return str(value), [str(value * part) for part in (2, 3, 4)]


def _ask_kept(text: str, agreed: Mapping[str, Any]) -> Question:
    value, unit = _retention(agreed)
    return _ask(text, f"{value} {unit}", [f"{value * part:g} {unit}" for part in (2, 3, 4)])


def _kept(agreed: Mapping[str, Any]) -> str:
    value, unit = _retention(agreed)
    return f"its rows are kept {value} {unit}"


def _retention(agreed: Mapping[str, Any]) -> tuple[float, str]:
    units = {"d": "days", "m": "months", "y": "years"}
    row = next(row for row in agreed["slaProperties"] if row["property"] == "retention")
    return row["value"], units.get(row["unit"], row["unit"])


def _bound(row: Mapping[str, Any]) -> tuple[str, float]:
    word = "at_least" if "at_least" in row else "at_most"
    return word.replace("_", " "), float(row[word])


def _protected(column: Mapping[str, Any]) -> bool:
    pairs = column.get("customProperties", ())
    return any(pair["property"] == "protected" and pair["value"] for pair in pairs)


def _stated(value: object) -> str:
    """A fact in words: the names of a list, a word as code, and that nobody has answered it."""
    if value is None or value == []:
        return "not stated yet"
    return ", ".join(map(str, value)) if isinstance(value, list) else f"`{value}`"


def _others(rows: Sequence[Sequence[Any]], place: int, answer: str) -> list[str]:
    return [row[place] for row in rows if row[place] != answer]


def _plain(summary: str) -> str:
    """A summary without the values that Prometheus puts into it."""
    return " ".join(re.sub(r"\{\{.*?\}\}", "…", summary).split())


def _rules(paths: Paths, file: Path) -> list[Mapping[str, Any]]:
    groups = mapping_in(paths, file)["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def mapping_in(paths: Paths, file: Path) -> Mapping[str, Any]:
    """The mapping in a file, and an empty one where there is none; PacksRefused names the file."""
    if not file.exists():
        return {}
    name = file.relative_to(paths.root).as_posix()
    try:
        content = _parsed(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PacksRefused(f"{name}: {' '.join(str(error).split())}") from error
    if not isinstance(content, Mapping):
        raise PacksRefused(f"{name}: it is no mapping")
    return content


@lru_cache(maxsize=64)
def _parsed(text: str) -> object:
    """Reading YAML is slow, and the same few files are read again and again."""
    return yaml.safe_load(text)


def _place(role: str, number: int) -> int:
    """Where the right answer stands: each place once in every four questions, in an own order."""
    block, place = divmod(number, CHOICES)
    order = sorted(range(CHOICES), key=lambda one: _sha(f"{role} {block} {one}"))
    return order[place]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
