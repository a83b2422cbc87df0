"""The data that the agent works on, as tables: fetched, checked against the contract, taken over.

`extract` stands in for a nightly extract, with rows that are wrong in the ways of real ones. What
breaks the contract goes to quarantine: neither the pipeline nor the service shows it to an agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

import polars as pl

from . import cases
from .cases import Book, Case, Payment, Task
from .controls import contract, validation
from .controls.paths import Paths
from .controls.validation import Validated

CONTRACT = "cases.odcs.yaml"
TABLES = ("cases", "payments", "accounts", "policies")
TYPES = {"bool": pl.Boolean, "date": pl.Date, "int": pl.Int64, "str": pl.String}
LIMITS = ("days_between", "days_back", "most_cents")
Tables = Mapping[str, pl.DataFrame]


def extract(found: Book) -> dict[str, pl.DataFrame]:
    """All of a book, and faulty rows at the end of each table but the policies."""
    given = [asdict(task.case) for task in found.tasks]
    paid = [asdict(payment) for payment in found.payments]
    held = [{"account_id": name, "plan": plan} for name, plan in found.plans.items()]
    plan = {"account_id": pl.String, "plan": pl.String}
    text = {"topic": pl.String, "text": pl.String, **dict.fromkeys(LIMITS, pl.Int64)}
    return {
        "cases": pl.DataFrame(given + _faulty_cases(given), _types(Case)),
        "payments": pl.DataFrame(paid + _faulty_payments(paid, given), _types(Payment)),
        "accounts": pl.DataFrame(held + _faulty_accounts(), plan),
        "policies": pl.DataFrame([{"topic": t, **row} for t, row in found.policies.items()], text),
    }


def checked(paths: Paths, raw: Tables) -> dict[str, Validated]:
    """Each table checked; BorderRefused where more is wrong with one than its contract bears."""
    agreed = contract.load(paths.contracts / CONTRACT).tables
    return {name: validation.guard(paths, raw[name], agreed[name]) for name in TABLES}


def book_of(clean: Tables) -> Book:
    """What may be worked on. What is right is not known: people find that out."""
    rules = {row.pop("topic"): _known(row) for row in clean["policies"].to_dicts()}
    return Book(
        tasks=[Task(Case(**row)) for row in clean["cases"].to_dicts()],
        payments=[Payment(**row) for row in clean["payments"].to_dicts()],
        plans=dict(clean["accounts"].select("account_id", "plan").iter_rows()),
        policies=rules,
    )


def admitted(paths: Paths) -> Book:
    """For the service: the same check before anything is served."""
    found = checked(paths, extract(cases.book()))
    return book_of({name: one.clean for name, one in found.items()})


def _faulty_cases(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sent twice, the second time with the account of somebody else, and what forms leave out."""
    if not given:
        return []
    last = {**given[-1], "customer_id": "K90001"}
    return [
        {**given[-1], "account_id": given[0]["account_id"]},
        {**last, "case_id": "C90001", "account_id": None},
        {**last, "case_id": "C90002", "kind": "chargeback"},
        {**last, "case_id": "C90003", "kind": "address", "payment_id": "", "street": ""},
    ]


def _faulty_payments(
    paid: list[dict[str, Any]], given: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Of the newest case's account: booked twice, without an amount, and refunds that take."""
    if not given:
        return []
    own = {**paid[-1], "account_id": given[-1]["account_id"]}
    return [
        {**paid[0], "amount_cents": paid[0]["amount_cents"] + 1},
        {**own, "payment_id": "P900001", "amount_cents": 0},
        {**own, "payment_id": "P900002", "amount_cents": None},
        {**own, "payment_id": "P900003", "amount_cents": 4200, "refunds": own["payment_id"]},
    ]


def _faulty_accounts() -> list[dict[str, Any]]:
    """A plan that no price list knows, and none at all."""
    return [{"account_id": "A90001", "plan": "gold"}, {"account_id": "A90002", "plan": None}]


def _types(kind: type[Case] | type[Payment]) -> dict[str, Any]:
    return {one.name: TYPES[str(one.type)] for one in fields(kind)}


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
