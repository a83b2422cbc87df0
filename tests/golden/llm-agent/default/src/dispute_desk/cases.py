"""Makes up a bank with customers, payments and disputes: the same one each time, of nobody.

It stands in for the systems of record. What goes wrong in reality is planted: payees that are
written in many ways, claims on payments of somebody else, requests nobody has verified, refunds
that were made already, and a last week with a wave of card fraud. `Bank` is what the tools talk
to: put your own systems behind its methods.
"""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ORIGIN = "synthetic"
SEED, WEEKS, A_WEEK = 41, 8, 40
FIRST = date(2026, 2, 2)
PROPOSE, REFER = "propose", "refer"
REFUND, ADDRESS, REPLY = "refund_payment", "change_address", "send_reply"
PAYEES = ("Harbour Books", "Corner Bakery", "Blue Tram", "Garden & Co", "Lantern Cinema")
STREETS = ("Mill Lane", "Station Road", "Orchard Way", "Canal Street")
CITIES = (("10110", "Eastmere"), ("20220", "Northwick"), ("30330", "Lowfield"))
# What a case is about, as the customer's form says, with its share; of a wave of fraud in brackets.
SCENARIOS = {
    "duplicate": (0.22, 0.12),
    "duplicate_odd_payee": (0.05, 0.03),
    "duplicate_over_limit": (0.06, 0.04),
    "not_duplicate": (0.16, 0.08),
    "refunded": (0.06, 0.04),
    "waived_fee": (0.12, 0.06),
    "fee_due": (0.10, 0.05),
    "unrecognised": (0.08, 0.46),
    "foreign_payment": (0.03, 0.03),
    "address": (0.08, 0.06),
    "address_unverified": (0.04, 0.03),
}
KINDS = {
    "waived_fee": "fee",
    "fee_due": "fee",
    "unrecognised": "unrecognised",
    "address": "address",
    "address_unverified": "address",
}
MESSAGES = {
    "duplicate": "I was charged twice by the same shop. Please give me one of the two back.",
    "fee": "You took an account fee. My plan says that there is none.",
    "unrecognised": "I do not know this payment. My card is with me.",
    "address": "I have moved. Please send letters to my new address.",
}
POLICIES: Mapping[str, Mapping[str, Any]] = {
    "duplicate": {
        "text": "A second payment of the same amount to the same payee within three days is given "
        "back, up to 250 EUR and 60 days back. All else goes to the dispute desk.",
        "days_between": 3,
        "days_back": 60,
        "most_cents": 25000,
    },
    "fee": {
        "text": "An account fee is given back where the plan of the account waives it.",
        "days_back": 60,
        "most_cents": 25000,
    },
    "address": {"text": "An address is changed when the request was verified by the branch."},
    "unrecognised": {"text": "Payments that nobody knows go to the fraud desk, always."},
}


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that left an account, in cents; `refunds` is the payment that it gives back."""

    payment_id: str
    account_id: str
    day: date
    payee: str
    amount_cents: int
    refunds: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """What a customer wants; the form gives fields, the message is free text by a stranger."""

    case_id: str
    day: date
    customer_id: str
    account_id: str
    kind: str
    payment_id: str
    message: str
    verified: bool
    street: str = ""
    postcode: str = ""
    city: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """A case; where that is known with what is right: outcome, and writes to be proposed."""

    case: Case
    scenario: str = ""
    outcome: str = ""
    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()


@dataclass(slots=True)
class Book:
    """All cases, payments, plans of accounts, and policies."""

    tasks: list[Task] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    plans: dict[str, str] = field(default_factory=dict)
    policies: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: POLICIES)

    def dumped(self) -> list[dict[str, Any]]:
        """The cases as rows, without what is right."""
        return [{**asdict(task.case), "day": str(task.case.day)} for task in self.tasks]


def book(seed: int = SEED, weeks: int = WEEKS, a_week: int = A_WEEK, wave: bool = True) -> Book:
    """Cases over some weeks; with `wave` the last one has a wave of card fraud."""
    dice, found = random.Random(seed), Book()
    for week in range(weeks):
        for _ in range(a_week):
            late = wave and week == weeks - 1
            shares = [share[late] for share in SCENARIOS.values()]
            scenario = dice.choices(list(SCENARIOS), shares)[0]
            day = FIRST + timedelta(days=7 * week + dice.randrange(5))
            _add(found, dice, scenario, day)
    found.tasks.sort(key=lambda task: (task.case.day, task.case.case_id))
    return found


def _add(found: Book, dice: random.Random, scenario: str, day: date) -> None:
    """One more customer with an account, payments and a case of this scenario."""
    number = len(found.tasks) + 1
    account = f"A{number:05}"
    kind = KINDS.get(scenario, "duplicate")
    waived = scenario in ("waived_fee", "duplicate")
    found.plans[account] = "fee waived" if waived else "standard"
    _everyday(found, dice, account, day)
    claimed = _claimed(found, dice, scenario, account, day)
    street = f"{dice.choice(STREETS)} {dice.randrange(1, 99)}"
    postcode, city = dice.choice(CITIES)
    moved = {"street": street, "postcode": postcode, "city": city} if kind == "address" else {}
    case = Case(
        case_id=f"C{number:05}",
        day=day,
        customer_id=f"K{number:05}",
        account_id=account,
        kind=kind,
        payment_id=claimed.payment_id if claimed else "",
        message=MESSAGES[kind] + (" Thank you." if dice.random() < 0.5 else ""),
        verified=scenario != "address_unverified",
        **moved,
    )
    found.tasks.append(Task(case, scenario, *_right(case, scenario, claimed)))


def _everyday(found: Book, dice: random.Random, account: str, day: date) -> None:
    for _ in range(dice.randrange(3, 7)):
        spent, back = dice.randrange(200, 9000), dice.randrange(1, 50)
        _pay(found, account, day - timedelta(days=back), dice.choice(PAYEES[1:]), spent)


def _pay(
    found: Book, account: str, day: date, payee: str, cents: int, refunds: str = ""
) -> Payment:
    name = f"P{len(found.payments) + 1:06}"
    found.payments.append(Payment(name, account, day, payee, cents, refunds))
    return found.payments[-1]


def _claimed(
    found: Book, dice: random.Random, scenario: str, account: str, day: date
) -> Payment | None:
    """The payments that the case is about; the one that the customer names is returned."""
    if scenario.startswith("address"):
        return None
    when, shop = day - timedelta(days=dice.randrange(2, 12)), PAYEES[0]
    if scenario in ("waived_fee", "fee_due"):
        return _pay(found, account, when, "Account fee", 590)
    if scenario == "foreign_payment":
        return _pay(found, "A99999", when, shop, dice.randrange(1000, 9000))
    if scenario == "unrecognised":
        return _pay(found, account, when, "QX Online 4411", dice.randrange(5000, 60000))
    large = scenario == "duplicate_over_limit"
    cents = dice.randrange(25100, 90000) if large else dice.randrange(1000, 24000)
    apart = dice.randrange(6, 20) if scenario == "not_duplicate" else dice.randrange(0, 3)
    _pay(found, account, when - timedelta(days=apart), shop, cents)
    odd = scenario == "duplicate_odd_payee"
    written = "HBK*EASTMERE" if odd else dice.choice((shop, shop.upper(), f"{shop} 0417"))
    second = _pay(found, account, when, written, cents)
    if scenario == "refunded":
        _pay(found, account, when + timedelta(days=1), shop, -cents, second.payment_id)
    return second


def _right(
    case: Case, scenario: str, claimed: Payment | None
) -> tuple[str, tuple[tuple[str, Mapping[str, Any]], ...]]:
    """What a careful person would do, by the policies above."""
    about = {"case_id": case.case_id}
    if scenario in ("duplicate", "duplicate_odd_payee", "waived_fee") and claimed:
        reason = "waived_fee" if scenario == "waived_fee" else "duplicate"
        money = {"payment_id": claimed.payment_id, "amount_cents": claimed.amount_cents}
        whole = {**about, "account_id": case.account_id, **money, "reason": reason}
        return PROPOSE, ((REFUND, whole),)
    if scenario == "address":
        to = {"street": case.street, "postcode": case.postcode, "city": case.city}
        return PROPOSE, ((ADDRESS, {**about, "account_id": case.account_id, **to}),)
    replies = {
        "not_duplicate": "not_a_duplicate",
        "refunded": "already_refunded",
        "fee_due": "fee_is_due",
    }
    if scenario in replies:
        return PROPOSE, ((REPLY, {**about, "template": replies[scenario]}),)
    return REFER, ()


class AlreadyRefunded(ValueError):
    """The payment was given back before, whoever asked for it and under which key."""


class Bank:
    """Stands in for the systems of record: reads, and effects that take place once a key."""

    def __init__(self, book: Book, file: Path | None = None) -> None:
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
        self.cases = {task.case.case_id: task.case for task in book.tasks}
        self._payments, self._plans = book.payments, book.plans
        self._policies = book.policies
        self._lock = threading.Lock()
        self._effects = sqlite3.connect(file or ":memory:", check_same_thread=False)
        weakref.finalize(self, self._effects.close)
        self._effects.execute(
            "CREATE TABLE IF NOT EXISTS effect "
            "(key TEXT PRIMARY KEY, tool TEXT, case_id TEXT, arguments TEXT)"
        )

    def case(self, case_id: str) -> dict[str, Any]:
        """A case as its form and message say. Raises KeyError."""
        case = self.cases[case_id]
        plain = asdict(case)
        form = {name: plain[name] for name in ("case_id", "account_id", "kind", "payment_id")}
        to = {name: plain[name] for name in ("street", "postcode", "city")}
        said = {"message": case.message, "verified": case.verified}
        return {**form, "day": str(case.day), **said, "requested_address": to}

    def account(self, account_id: str) -> dict[str, Any]:
        """The plan of an account. Raises KeyError."""
        return {"account_id": account_id, "plan": self._plans[account_id]}

    def policy(self, topic: str) -> dict[str, Any]:
        """A policy: its text, and its limits as numbers. Raises KeyError."""
        return {"topic": topic, **self._policies[topic]}

    def payments(self, account_id: str) -> list[dict[str, Any]]:
        """The payments of an account, refunds that took place here among them."""
        own = [asdict(one) for one in self._payments if one.account_id == account_id]
        made = [given for tool, given in self.effects() if tool == REFUND]
        back = [
            {"payment_id": f"R-{given['payment_id']}", "refunds": given["payment_id"]}
            for given in made
            if given["account_id"] == account_id
        ]
        return [{**row, "day": str(row["day"])} for row in own] + back

    def take_effect(self, key: str, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Do it, once for a key; a repetition changes nothing and gives the same receipt.

        A payment is given back once, under any key: AlreadyRefunded for a second time.
        """
        text = json.dumps(dict(arguments), sort_keys=True)
        with self._lock, self._effects:
            if tool == REFUND and self._refunded(str(arguments["payment_id"]), key):
                raise AlreadyRefunded(arguments["payment_id"])
            self._effects.execute(
                "INSERT OR IGNORE INTO effect VALUES (?, ?, ?, ?)",
                (key, tool, str(arguments["case_id"]), text),
            )
        return {"receipt": key[-12:]}

    def _refunded(self, payment_id: str, key: str) -> bool:
        """Whether the payment was given back before, other than under this key."""
        made = self._effects.execute(
            "SELECT 1 FROM effect WHERE tool = ? AND key != ? "
            "AND json_extract(arguments, '$.payment_id') = ?",
            (REFUND, key, payment_id),
        ).fetchone()
        return bool(made) or any(one.refunds == payment_id for one in self._payments)

    def effects(self, case_ids: Iterable[str] = ()) -> list[tuple[str, dict[str, Any]]]:
        """What took place, in order; only about these cases, where some are given."""
        wanted = set(case_ids)
        with self._lock:
            rows = self._effects.execute(
                "SELECT tool, case_id, arguments FROM effect ORDER BY rowid"
            ).fetchall()
        return [(t, json.loads(text)) for t, case, text in rows if not wanted or case in wanted]

    def close(self) -> None:
        """Give the file back."""
        self._effects.close()
