"""What an agent may do, as one file says it, and one verdict a step or a call: pure functions.

A verdict depends on its arguments alone, so that a replay from the audit trail gives it again.
Money is counted in whole cents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from ..access import Access, AccessRefused

READ, WRITE, APPROVE = "read", "write", "approve"
ALLOWED, HELD, REFUSED = "allowed", "held", "refused"
# Where the value of a bound argument has to come from: the case that the run is about.
CASE = "case"
REASONS = {
    # Steps and calls.
    "STOPPED": "the kill switch is on",
    "STEPS": "the run has used up its steps",
    "TOKENS": "the run has used up its tokens",
    "SECONDS": "the run has used up its time",
    "COST": "the run has used up what its model may cost",
    "COST_OF_DAY": "the day has used up what the model may cost",
    "UNKNOWN": "there is no such tool",
    "ROLE": "the requester may not have this done with this class of data",
    "CALLS": "the run has used up its calls",
    "ARGUMENTS": "the arguments are not what the tool takes",
    "SOURCE": "an argument does not come from where it has to come from",
    "AMOUNT": "the amount is above the limit of one call",
    "AMOUNT_OF_RUN": "the amount is above the limit of one case",
    "AMOUNT_OF_DAY": "the amount is above the limit of one day",
    "REPEATED": "the same was proposed in this run already",
    "FAILED": "the tool failed, or gave more than a run may read",
    "AFTER_END": "the run has ended",
    # Approvals and effects.
    "NO_PROPOSAL": "there is no such proposal",
    "DECIDED": "this proposal has been decided already",
    "DONE": "the same effect has taken place already",
    "EXPIRED": "the proposal has expired",
    "SAME_PERSON": "who asked for it may not approve it",
    "NOT_ENTITLED": "this role may not approve it",
    "OTHER_CALL": "what was looked at is not what would be done",
    "OTHER_RULES": "the rules have changed since it was proposed",
    "OVERRIDDEN": "the decision that it belongs to was overridden",
}


class RulesRefused(Exception):
    """The file cannot be used; the message says what is wrong in it."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: what it does to the world, on which class of data, how often, with how much money.

    `bound` says for an argument where its value has to come from: the `case`, or the results of
    a tool, in which a field of that name must have held it; what is bound to one tool has to
    stand in one row of its results. `once` names the arguments of a write by which an effect is
    the same effect: it takes place once, whatever the case and the other arguments.
    """

    name: str
    effect: str
    class_: str
    calls: int
    bound: Mapping[str, str] = field(default_factory=dict)
    amount: str = ""
    most: int = 0
    once: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one run and of one day; prices and costs in the same currency."""

    steps: int
    calls: int
    tokens: int
    seconds: float
    cost: float
    cost_of_day: float
    amount: int
    amount_of_day: int
    result_characters: int
    approval_hours: float
    price_of_million_input: float
    price_of_million_output: float


@dataclass(frozen=True, slots=True)
class Rules:
    """All tools and limits."""

    tools: Mapping[str, Tool]
    limits: Limits

    @classmethod
    def of(cls, document: Any) -> Rules:
        """The rules of a parsed file; RulesRefused names what is wrong."""
        try:
            limits = _limits(document["limits"])
            tools = {str(n): _tool(str(n), given) for n, given in document["tools"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RulesRefused(f"the rules cannot be read: {error}") from error
        for tool in tools.values():
            _refuse_odd(tool, tools, limits)
        if set(document) != {"limits", "tools"} or not tools:
            raise RulesRefused("rules are `limits` and `tools`, and nothing else")
        return cls(tools, limits)


# A row of a result: by the name of a field, its value, or its values where it is a list.
Row = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has used up so far, and which rows its tools have shown it."""

    steps: int = 0
    tokens: int = 0
    cost: float = 0.0
    amount: int = 0
    calls: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    proposed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Now:
    """What a verdict depends on besides: facts of the moment, written down beside it."""

    stopped: bool
    seconds: float
    cost_of_day: float
    amount_of_day: int
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was asked for; `valid` where the arguments are what the tool takes."""

    tool: str
    arguments: Mapping[str, Any]
    valid: bool
    digest: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What comes of a call, and the one reason where that is nothing."""

    outcome: str
    reason: str = ""


def load(path: Path) -> dict[str, Any]:
    """The file as plain data that makes sound rules; RulesRefused names what is wrong in it."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RulesRefused(f"{path.name}: {error}") from error
    Rules.of(document)
    found: dict[str, Any] = document
    return found


def offered(rules: Rules, access: Access, roles: tuple[str, ...]) -> frozenset[str]:
    """The tools that these roles may have called; none where a role is not known."""
    try:
        cleared = {effect: access.cleared(roles, effect) for effect in (READ, WRITE)}
    except AccessRefused:
        return frozenset()
    return frozenset(
        tool.name for tool in rules.tools.values() if tool.class_ in cleared[tool.effect]
    )


def against_step(rules: Rules, spent: Spent, now: Now) -> str:
    """The reason against another step, or nothing."""
    limits = rules.limits
    return _first(
        ("AFTER_END", now.ended),
        ("STOPPED", now.stopped),
        ("STEPS", spent.steps >= limits.steps),
        ("TOKENS", spent.tokens >= limits.tokens),
        ("SECONDS", now.seconds >= limits.seconds),
        ("COST", spent.cost >= limits.cost),
        ("COST_OF_DAY", now.cost_of_day >= limits.cost_of_day),
    )


def judge(
    rules: Rules,
    allowed: frozenset[str],
    case: Mapping[str, str],
    spent: Spent,
    now: Now,
    call: Call,
) -> Verdict:
    """The verdict on a call: a read is allowed, a write is held for a person, or neither."""
    tool = rules.tools.get(call.tool)
    if tool is None:
        return Verdict(REFUSED, "UNKNOWN")
    limits, amount = rules.limits, amount_of(tool, call.arguments)
    used_up = spent.calls.get(tool.name, 0) >= tool.calls or total(spent) >= limits.calls
    reason = _first(
        ("AFTER_END", now.ended),
        ("STOPPED", now.stopped),
        ("SECONDS", now.seconds >= limits.seconds),
        ("ROLE", tool.name not in allowed),
        ("CALLS", used_up),
        ("ARGUMENTS", not call.valid),
        ("SOURCE", not _from_source(tool, case, spent, call.arguments)),
        ("REPEATED", call.digest in spent.proposed),
        ("AMOUNT", bool(tool.amount) and not 0 < amount <= tool.most),
        ("AMOUNT_OF_RUN", spent.amount + amount > limits.amount),
        ("AMOUNT_OF_DAY", now.amount_of_day + amount > limits.amount_of_day),
    )
    if reason:
        return Verdict(REFUSED, reason)
    return Verdict(HELD if tool.effect == WRITE else ALLOWED)


def after_step(rules: Rules, spent: Spent, input_tokens: int, output_tokens: int) -> Spent:
    """What is used up after an answer of the model."""
    limits = rules.limits
    price = (
        input_tokens * limits.price_of_million_input
        + output_tokens * limits.price_of_million_output
    ) / 1e6
    return replace(
        spent,
        steps=spent.steps + 1,
        tokens=spent.tokens + input_tokens + output_tokens,
        cost=round(spent.cost + price, 9),
    )


def after_call(
    rules: Rules, spent: Spent, call: Call, verdict: Verdict, result: Mapping[str, Any]
) -> Spent:
    """What is used up, and seen, after a call; one that was refused counts as well."""
    tool = rules.tools.get(call.tool)
    calls = {**spent.calls, call.tool: spent.calls.get(call.tool, 0) + 1}
    spent = replace(spent, calls=calls)
    if verdict.outcome == HELD and tool:
        amount = spent.amount + amount_of(tool, call.arguments)
        return replace(spent, amount=amount, proposed=spent.proposed | {call.digest})
    if verdict.outcome != ALLOWED:
        return spent
    before = spent.seen.get(call.tool, ())
    rows = [row for row in _rows(result, {}) if row not in before]
    return replace(spent, seen={**spent.seen, call.tool: (*before, *rows)})


def sources(rules: Rules, spent: Spent, call: Call) -> dict[str, dict[str, Any]]:
    """By tool, the row of its results that the arguments of a call have been taken from."""
    tool = rules.tools[call.tool]
    found = {one: _source(tool, one, spent, call.arguments) for one in tool.bound.values()}
    return {
        source: {name: said[0] if len(said) == 1 else list(said) for name, said in row.items()}
        for source, row in found.items()
        if row is not None
    }


def amount_of(tool: Tool, arguments: Mapping[str, Any]) -> int:
    """The money that a call moves, in cents; 0 for none, and for what is no whole number."""
    value = arguments.get(tool.amount) if tool.amount else 0
    return value if type(value) is int else 0


def total(spent: Spent) -> int:
    """How many calls were asked for in the run."""
    return sum(spent.calls.values())


def _first(*checks: tuple[str, bool]) -> str:
    return next((reason for reason, broken in checks if broken), "")


def _from_source(
    tool: Tool, case: Mapping[str, str], spent: Spent, arguments: Mapping[str, Any]
) -> bool:
    """What is bound to the case is of the case; what is bound to a tool is of one row it gave."""
    own = {name for name, source in tool.bound.items() if source == CASE}
    if any(name not in case or str(arguments.get(name)) != case[name] for name in own):
        return False
    tools = set(tool.bound.values()) - {CASE}
    return all(_source(tool, one, spent, arguments) is not None for one in tools)


def _source(tool: Tool, source: str, spent: Spent, arguments: Mapping[str, Any]) -> Row | None:
    """The first row of a tool that holds each argument that is bound to it."""
    wanted = {name: str(arguments.get(name)) for name, one in tool.bound.items() if one == source}
    for row in spent.seen.get(source, ()):
        if all(value in row.get(name, ()) for name, value in wanted.items()):
            return row
    return None


def _rows(value: Any, around: Row) -> Iterator[Row]:
    """Each mapping of a result as a row, with the fields of the mappings that it stands in."""
    if isinstance(value, Mapping):
        row = {**around, **{str(name): tuple(_plain(item)) for name, item in value.items()}}
        yield {name: values for name, values in row.items() if values}
        for item in value.values():
            yield from _rows(item, row)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _rows(item, around)


def _plain(value: Any) -> Iterator[str]:
    """The text or number of a field, or those of a list."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _plain(item)
    elif isinstance(value, str | int | float):
        yield str(value)


def _limits(given: Mapping[str, Any]) -> Limits:
    names = {one.name: one.type for one in fields(Limits)}
    if set(given) != set(names):
        wrong = ", ".join(sorted(set(given) ^ set(names)))
        raise ValueError(f"limits that are missing, or none that are known: {wrong}")
    for name, value in given.items():
        whole = type(value) is int
        if not (whole or (names[name] == "float" and type(value) is float)) or value < 0:
            raise ValueError(f"{name} is {value!r}: it has to be a number from 0")
    return Limits(**given)


def _tool(name: str, given: Mapping[str, Any]) -> Tool:
    known = {"effect", "class", "calls", "bound", "amount", "most", "once"}
    if unknown := set(given) - known:
        raise ValueError(f"{name} has unknown words: {', '.join(sorted(unknown))}")
    bound = {str(argument): str(source) for argument, source in given.get("bound", {}).items()}
    amount, most = str(given.get("amount", "")), given.get("most", 0)
    if type(given["calls"]) is not int or type(most) is not int:
        raise ValueError(f"{name}: `calls` and `most` are whole numbers")
    once = given.get("once", [])
    if not isinstance(once, list):
        raise ValueError(f"{name}: `once` is a list of arguments")
    own = (bound, amount, most, tuple(map(str, once)))
    return Tool(name, given["effect"], str(given["class"]), given["calls"], *own)


def _refuse_odd(tool: Tool, tools: Mapping[str, Tool], limits: Limits) -> None:
    """A tool that no rule could hold in check is no tool."""
    sources = {CASE, *(one.name for one in tools.values() if one.effect == READ)}
    faults = (
        ("`effect` is read or write", tool.effect not in (READ, WRITE)),
        ("`calls` is above 0", tool.calls < 1),
        ("a source is `case` or a tool that reads", not set(tool.bound.values()) <= sources),
        (
            "a write has an argument that is bound to the case",
            tool.effect == WRITE and CASE not in tool.bound.values(),
        ),
        ("`once` says what makes a write the same", tool.effect == WRITE and not tool.once),
        ("`amount` and `most` go together", bool(tool.amount) != (tool.most > 0)),
        ("only a write moves money", bool(tool.amount) and tool.effect != WRITE),
        ("`most` is within the limit of a case", tool.most > limits.amount),
    )
    for message, broken in faults:
        if broken:
            raise RulesRefused(f"{tool.name}: {message}")
