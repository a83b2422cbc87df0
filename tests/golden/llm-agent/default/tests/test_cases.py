"""The made-up bank, its tools, and the written policy that calls them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from dispute_desk import assistant, cases, policy, records, tools
from dispute_desk.cases import ADDRESS, PROPOSE, REFER, REFUND, REPLY, Bank
from dispute_desk.controls import access, audit, evidence
from dispute_desk.controls.agent import Rules, described, load, rules
from dispute_desk.controls.paths import Paths


def test_the_same_bank_each_time() -> None:
    """Same seed, same cases; another seed, others; ids are used once."""
    first, again, other = cases.book(), cases.book(), cases.book(seed=5)
    assert first.dumped() == again.dumped()
    assert first.dumped() != other.dumped()
    names = [task.case.case_id for task in first.tasks]
    assert len(names) == len(set(names)) == cases.WEEKS * cases.A_WEEK


def test_everything_that_is_planted_is_there() -> None:
    """Each scenario occurs, and each has what a careful person would do."""
    found = cases.book()
    assert {task.scenario for task in found.tasks} == set(cases.SCENARIOS)
    by_outcome = {task.outcome for task in found.tasks}
    assert by_outcome == {PROPOSE, REFER}
    assert all(bool(task.calls) == (task.outcome == PROPOSE) for task in found.tasks)
    over = [task for task in found.tasks if task.scenario == "duplicate_over_limit"]
    assert {task.outcome for task in over} == {REFER}


def test_the_last_week_has_a_wave() -> None:
    """Of payments that nobody knows."""

    def share(last: bool) -> float:
        rows = cases.book().tasks
        week = max(task.case.day.isocalendar().week for task in rows)
        kinds = [t.case.kind for t in rows if (t.case.day.isocalendar().week == week) == last]
        return kinds.count("unrecognised") / len(kinds)

    assert share(True) > 3 * share(False)


def test_an_effect_takes_place_once_a_key(tmp_path: Path) -> None:
    """Also when many ask at once, and after a restart."""
    bank = Bank(cases.book(), tmp_path / "bank.db")
    refund = dict(_refund().calls[0][1])
    threads = [
        threading.Thread(target=bank.take_effect, args=("key-1", REFUND, refund)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    bank.close()
    again = Bank(cases.book(), tmp_path / "bank.db")
    assert again.take_effect("key-1", REFUND, refund) == {"receipt": "key-1"}
    assert again.effects() == [(REFUND, refund)]
    assert again.effects([refund["case_id"]]) == again.effects()
    assert again.effects(["C99999"]) == []
    again.close()


def test_a_payment_is_given_back_once_under_any_key() -> None:
    """Also one that the bank itself gave back; another payment is another matter."""
    bank, task = Bank(cases.book()), _refund()
    refund = dict(task.calls[0][1])
    bank.take_effect("key-1", REFUND, refund)
    with pytest.raises(cases.AlreadyRefunded):
        bank.take_effect("key-2", REFUND, {**refund, "reason": "waived_fee"})
    before = next(one.refunds for one in cases.book().payments if one.refunds)
    with pytest.raises(cases.AlreadyRefunded):
        bank.take_effect("key-3", REFUND, {**refund, "payment_id": before})
    assert bank.effects() == [(REFUND, refund)]
    bank.close()


def test_a_refund_shows_among_the_payments() -> None:
    """So that the next run knows that the money was given back."""
    bank, task = Bank(cases.book()), _refund()
    bank.take_effect("key-1", REFUND, task.calls[0][1])
    refunds = [one.get("refunds") for one in bank.payments(task.case.account_id)]
    assert task.case.payment_id in refunds
    bank.close()


def _refund() -> cases.Task:
    return next(task for task in cases.book().tasks if task.scenario == "duplicate")


# What is planted in the extract, table by table: the key of the row, and a word of why.
FAULTY = {
    "cases": {"C00318": "repeated", "C90001": "missing", "C90002": "none of", "C90003": "where to"},
    "payments": {
        "P000001": "repeated",
        "P900001": "takes money",
        "P900002": "missing",
        "P900003": "gives it back",
    },
    "accounts": {"A90001": "none of", "A90002": "missing"},
    "policies": {},
}


@pytest.mark.parametrize("table", records.TABLES)
def test_what_is_planted_in_the_extract_is_caught(built: Paths, table: str) -> None:
    """Each faulty row lies in quarantine with its reason, and no other; the evidence counts it."""
    held = pl.read_parquet(built.quarantine / f"{table}.parquet")
    found = {row[0]: row[1] for row in held.select(held.columns[0], "reasons").iter_rows()}
    assert found.keys() == FAULTY[table].keys()
    assert all(word in found[key] for key, word in FAULTY[table].items()), found
    report = evidence.read(built, "data-quality")["content"][table]
    assert report["quarantined"] == len(found)


def test_the_agent_sees_nothing_of_it(built: Paths) -> None:
    """Neither in the pipeline nor in the service: no such case, payment or account is there."""
    honest = cases.book()
    clean = {n: pl.read_parquet(built.data / f"{n}.parquet") for n in records.TABLES}
    for given in (records.book_of(clean), records.admitted(built)):
        assert given.dumped() == honest.dumped()
        assert given.payments == honest.payments
        assert (given.plans, given.policies) == (honest.plans, honest.policies)
    runs = [e["data"].get("run", "") for e in audit.read_events(built.audit / "pipeline.jsonl")]
    assert any("-C00318" in run for run in runs)
    assert not [run for run in runs if "-C9" in run]


WRONG: Mapping[str, tuple[type[tools.Strict], dict[str, Any]]] = {
    "one more": (tools.ReadCase, {"case_id": "C1", "also": "C2"}),
    "no id": (tools.ReadCase, {"case_id": "1; DROP TABLE effect"}),
    "a number for an id": (tools.OfAccount, {"account_id": 1}),
    "a policy that is none": (tools.ReadPolicy, {"topic": "salaries"}),
    "words of its own": (tools.SendReply, {"case_id": "C1", "template": "We are sorry."}),
    "a street with a link": (
        tools.ChangeAddress,
        {
            "case_id": "C1",
            "account_id": "A1",
            "street": "https://x",
            "postcode": "1",
            "city": "\n",
        },
    ),
    "a part of a cent": (
        tools.RefundPayment,
        {
            "case_id": "C1",
            "account_id": "A1",
            "payment_id": "P1",
            "amount_cents": 1.5,
            "reason": "duplicate",
        },
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_tools_take_no_more_than_they_name(name: str) -> None:
    """Strict types, closed lists, no free text to a customer."""
    model, arguments = WRONG[name]
    with pytest.raises(ValidationError):
        model.model_validate(arguments)


def test_the_rules_of_this_project_hold_together(project: Paths) -> None:
    """Each tool has code, each write needs a person, whom some role is, and not the clerk's."""
    found = Rules.of(load(project.governance / "agent.yaml"))
    roles = access.load(project.governance / "access.yaml")
    bank = Bank(cases.book())
    assert set(found.tools) == set(tools.functions(bank))
    bank.close()
    writes = [tool for tool in found.tools.values() if tool.effect == rules.WRITE]
    assert {tool.name for tool in writes} == {REFUND, ADDRESS, REPLY}
    for role, actions in roles.roles.items():
        both = actions.get(rules.WRITE, frozenset()) & actions.get(rules.APPROVE, frozenset())
        assert not both, role
    approved = frozenset().union(*(a.get(rules.APPROVE, ()) for a in roles.roles.values()))
    assert {tool.class_ for tool in writes} <= approved
    assert rules.offered(found, roles, ("trainee",)) & {REFUND, ADDRESS} == frozenset()


def test_a_release_holds_rules_roles_and_tools(project: Paths) -> None:
    """Whatever decides what the agent may do is part of what was evaluated."""
    bank = Bank(cases.Book())
    document = load(project.governance / "agent.yaml")
    roles = access.load(project.governance / "access.yaml")
    texts = described(document, roles, tools.functions(bank))
    assert set(texts) == {"rules", "tools", "access"}
    files = assistant.release_files(project, bank)
    assert b"approver" in files[assistant.RULES_FILE]
    assert files[assistant.PROMPT_FILE].decode() == assistant.PROMPT
    bank.close()


@pytest.mark.parametrize("scenario", cases.SCENARIOS)
def test_the_written_policy_does_what_is_right_or_refers(scenario: str) -> None:
    """It never proposes anything else; a payee that nobody could match goes to a person."""
    found, bank = cases.book(), Bank(cases.book())
    for task in [one for one in found.tasks if one.scenario == scenario]:
        case = bank.case(task.case.case_id)
        chosen = policy.choose(
            case,
            cases.POLICIES[case["kind"]],
            bank.account(case["account_id"]),
            bank.payments(case["account_id"]),
        )
        right = (task.calls[0][0], dict(task.calls[0][1])) if task.calls else None
        if scenario == "duplicate_odd_payee":
            assert isinstance(chosen, str) and "written unlike" in chosen
        elif right:
            assert chosen == right
        else:
            assert isinstance(chosen, str)
    bank.close()


CHANGED: Mapping[str, tuple[dict[str, Any], str]] = {
    "too long ago": ({"day": "2026-12-31"}, "too long ago"),
    "no fee": ({"kind": "fee"}, "no fee"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_does_not_fit_goes_to_a_person(name: str) -> None:
    """A claim that the form and the payments do not bear out."""
    changed, word = CHANGED[name]
    bank = Bank(cases.book())
    case = {**bank.case(_refund().case.case_id), **changed}
    chosen = policy.choose(
        case,
        cases.POLICIES[case["kind"]],
        bank.account(case["account_id"]),
        bank.payments(case["account_id"]),
    )
    assert isinstance(chosen, str) and word in chosen
    bank.close()
