"""Tools of an agent behind one door: allow-list, limits, approvals, a record of each step."""

from .guard import (
    Function,
    Guard,
    Halted,
    NotApproved,
    Order,
    Proposal,
    Run,
    described,
)
from .rules import REASONS, Rules, RulesRefused, Verdict, load

__all__ = [
    "REASONS",
    "Function",
    "Guard",
    "Halted",
    "NotApproved",
    "Order",
    "Proposal",
    "Rules",
    "RulesRefused",
    "Run",
    "Verdict",
    "described",
    "load",
]
