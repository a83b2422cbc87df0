"""Makes up a log of questions, eight weeks long: the same one each time, by nobody.

It stands in for the log of a service that has run for a while, so that monitoring has something to
compare. The last week is planted: a move of the firm, on which no policy says anything. Put your
own log behind `log`.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

SEED = 23
WEEKS = 8
A_WEEK = 120
FIRST = date(2026, 2, 2)
ROLES = {"employee": 0.6, "manager": 0.2, "hr": 0.08, "finance": 0.06, "security": 0.06}
USUAL = (
    "How many days of annual leave do I get?",
    "Can I carry over leave into the next year?",
    "Until when do I hand in my expense claims?",
    "Do I need receipts for small expenses?",
    "What may a hotel night cost in a capital city?",
    "Can I take a flight in business class?",
    "Mileage rate for my private car?",
    "When do I need a medical certificate?",
    "How many days may I work remotely each week?",
    "May I work from abroad for two weeks?",
    "Minimum length of a password?",
    "My laptop was stolen, what do I do?",
    "Can I use a USB stick from a customer?",
    "Am I allowed to enter customer data into an AI assistant?",
    "Where is the approved list of assistants?",
    "May I accept a gift from a supplier?",
    "Do I declare a side job?",
    "How many offers do I need for a purchase?",
    "Who signs a contract above 100,000 EUR?",
    "How do I request new software?",
    "How fast do I report an incident?",
    "When are the offices open on weekends?",
    "How do I book a desk?",
    "How large is my training budget?",
    "How long are call recordings kept?",
    "Is there a dress code?",
    "What is the salary band of grade 7?",
)
MOVE = (
    "Which floor do we move to at the new campus?",
    "Who packs my desk for the move in April?",
    "Is there a shuttle bus to the new campus?",
    "Do I get a parking space at the new campus?",
    "When does the removal company come?",
    "Will the canteen at the new campus be subsidised?",
)
PERSONAL = " My address is {name}@quillmere.example."
# How many in a hundred say more about themselves than they need to.
TELLING = 4


def log(seed: int = SEED, moving: bool = True) -> pl.DataFrame:
    """All questions with day, asker and role; `moving` plants the move in the last week."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for week in range(WEEKS):
        for _ in range(A_WEEK):
            moved = moving and week == WEEKS - 1 and rng.random() < 0.4
            text = str(rng.choice(MOVE if moved else USUAL))
            asker = f"E{rng.integers(1000, 1600)}"
            if rng.integers(100) < TELLING:
                text += PERSONAL.format(name=asker.lower())
            rows.append(
                {
                    "question_id": f"L{len(rows) + 1:04}",
                    "asked_on": FIRST + timedelta(days=7 * week + int(rng.integers(0, 5))),
                    "asker": asker,
                    "role": str(rng.choice(list(ROLES), p=list(ROLES.values()))),
                    "question": text,
                }
            )
    return pl.DataFrame(rows).sort("asked_on", "question_id")
