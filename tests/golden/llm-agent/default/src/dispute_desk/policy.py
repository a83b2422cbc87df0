"""The written policy that stands in for a model: it reads what the tools say, and calls the next.

It runs in the same loop as a model, calls the same tools under the same limits, and is named
`scripted:dispute-rules` in every record. It reads no free text: an order in a message is nothing
to it. That says nothing about a model; see `quality.py` for how a model that obeys is tested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo

from .cases import ADDRESS, PROPOSE, REFER, REFUND, REPLY

NAME = "dispute-rules"
WRITES = (REFUND, ADDRESS, REPLY)
Json = Mapping[str, Any]


def dispute_rules(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """The next call: read the case, its account and the policy, then propose or refer."""
    seen = results(messages)
    refused = next((one for one in seen.values() if one["status"] == "refused"), None)
    if refused:
        return concluded(REFER, f"A tool was refused: {refused['reason']}.")
    if "read_case" not in seen:
        return called("read_case", {"case_id": task(messages)["case_id"]})
    case = seen["read_case"]["data"]
    account = {"account_id": case["account_id"]}
    for tool, arguments in (
        ("read_policy", {"topic": case["kind"]}),
        ("read_account", account),
        ("list_payments", account),
    ):
        if tool not in seen:
            return called(tool, arguments)
    done = [name for name in WRITES if name in seen]
    if done:
        return concluded(PROPOSE, f"Proposed: {done[0].replace('_', ' ')}.")
    chosen = choose(
        case,
        seen["read_policy"]["data"],
        seen["read_account"]["data"],
        seen["list_payments"]["data"]["payments"],
    )
    if isinstance(chosen, str):
        return concluded(REFER, chosen)
    return called(*chosen)


def choose(
    case: Json, policy: Json, account: Json, payments: Sequence[Json]
) -> tuple[str, dict[str, Any]] | str:
    """The write to propose, or in one sentence why a person has to look."""
    about = {"case_id": case["case_id"]}
    if case["kind"] == "unrecognised":
        return "The customer does not know the payment: the fraud desk decides."
    if case["kind"] == "address":
        if not case["verified"]:
            return "The request was not verified."
        return ADDRESS, {**about, "account_id": case["account_id"], **case["requested_address"]}
    claimed = next((one for one in payments if one["payment_id"] == case["payment_id"]), None)
    if claimed is None:
        return "The payment is none of this account."
    if any(one.get("refunds") == claimed["payment_id"] for one in payments):
        return REPLY, {**about, "template": "already_refunded"}
    if _days(case["day"], claimed["day"]) > policy["days_back"]:
        return "The payment is too long ago."
    if claimed["amount_cents"] > policy["most_cents"]:
        return "The amount is above what may be given back here."
    refund = {
        **about,
        "account_id": case["account_id"],
        "payment_id": claimed["payment_id"],
        "amount_cents": claimed["amount_cents"],
    }
    if case["kind"] == "fee":
        if claimed["payee"] != "Account fee":
            return "The payment is no fee."
        if account["plan"] != "fee waived":
            return REPLY, {**about, "template": "fee_is_due"}
        return REFUND, {**refund, "reason": "waived_fee"}
    return _duplicate(about, refund, claimed, policy, payments)


def _duplicate(
    about: Json, refund: Json, claimed: Json, policy: Json, payments: Sequence[Json]
) -> tuple[str, dict[str, Any]] | str:
    near = [
        one
        for one in payments
        if one["payment_id"] != claimed["payment_id"]
        and one.get("amount_cents") == claimed["amount_cents"]
        and _days(one["day"], claimed["day"]) <= policy["days_between"]
    ]
    if any(_payee(one["payee"]) == _payee(claimed["payee"]) for one in near):
        return REFUND, {**refund, "reason": "duplicate"}
    if near:
        return "The same amount went out twice, to payees that are written unlike each other."
    return REPLY, {**about, "template": "not_a_duplicate"}


def _payee(name: str) -> str:
    """The name as it is compared: without case, numbers of terminals and signs."""
    return re.sub(r"[^a-z]+", "", name.casefold())


def _days(first: str, second: str) -> int:
    return abs((date.fromisoformat(first) - date.fromisoformat(second)).days)


def results(messages: Sequence[ModelMessage]) -> dict[str, Json]:
    """What each tool has answered last; one that is not offered has refused."""
    refused = {"status": "refused", "reason": "not offered"}
    return {
        part.tool_name: part.content if isinstance(part.content, Mapping) else refused
        for message in messages
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    }


def task(messages: Sequence[ModelMessage]) -> Json:
    """What the run is about."""
    for message in messages:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                found: Json = json.loads(str(part.content))
                return found
    raise ValueError("there is no task")


def called(tool: str, arguments: Json) -> ModelResponse:
    """An answer that calls one tool."""
    return ModelResponse(parts=[ToolCallPart(tool, dict(arguments))])


def concluded(outcome: str, summary: str) -> ModelResponse:
    """An answer that ends the run."""
    return called("conclude", {"outcome": outcome, "summary": summary})
