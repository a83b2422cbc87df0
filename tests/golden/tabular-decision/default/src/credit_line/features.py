"""What the model sees of an application, and why it may."""

from __future__ import annotations

import polars as pl

from .controls import registry
from .controls.registry import Feature

# The day on which everything that a feature reads has to be known: nothing later is looked at.
AS_OF = "applied_on"

# Left out on purpose: `credit_history_months`. It tells the youngest applicants from the rest
# almost surely, so it would bring age back in, and the model is as good without it.
FEATURES = (
    Feature(
        name="utilisation",
        description="share of existing credit lines that is drawn, 0 to 1",
        formula="utilisation",
        unit="share, 0 to 1",
        as_of=AS_OF,
        direction=+1,
        code="R01",
        reason="Existing credit lines are drawn to a large part",
    ),
    Feature(
        name="late_payments_12m",
        description="late payments in the last twelve months",
        formula="late_payments_12m",
        unit="payments",
        as_of=AS_OF,
        direction=+1,
        code="R02",
        reason="Payments were late in the last twelve months",
    ),
    Feature(
        name="enquiries_6m",
        description="credit enquiries in the last six months",
        formula="enquiries_6m",
        unit="enquiries",
        as_of=AS_OF,
        direction=+1,
        code="R03",
        reason="Many credit enquiries in the last six months",
    ),
    Feature(
        name="debt_to_income",
        description="existing debt over yearly income",
        formula="existing_debt / income",
        unit="ratio",
        as_of=AS_OF,
        direction=+1,
        code="R04",
        reason="Existing debt is high compared with income",
    ),
    Feature(
        name="limit_to_income",
        description="requested limit over yearly income",
        formula="requested_limit / income",
        unit="ratio",
        as_of=AS_OF,
        direction=+1,
        code="R05",
        reason="The requested limit is high compared with income",
    ),
    Feature(
        name="log_income",
        description="natural logarithm of yearly income",
        formula="LN(income)",
        unit="log of units of currency a year",
        as_of=AS_OF,
        direction=-1,
        code="R06",
        reason="Income is low for a credit line",
        justification=(
            "Rises with age: the youngest earn less. Kept: income is what repayment rests on, "
            "and the fairness thresholds watch the youngest group."
        ),
    ),
    Feature(
        name="employment_years",
        description="years with the present employer",
        formula="employment_years",
        unit="years",
        as_of=AS_OF,
        direction=-1,
        code="R07",
        reason="Time with the present employer is short",
    ),
    Feature(
        name="owns_home",
        description="1 if the home is owned, else 0",
        formula="CASE WHEN housing = 'own' THEN 1 ELSE 0 END",
        unit="0 or 1",
        as_of=AS_OF,
        direction=-1,
        code="R08",
        reason="The home is not owned",
    ),
)
NAMES = tuple(feature.name for feature in FEATURES)
AGE_BANDS = {30: "30 to 44", 45: "45 to 59", 60: "60 and over"}


def build(applications: pl.DataFrame) -> pl.DataFrame:
    """The features with the number and the day of the application, one row an application."""
    keys = applications.select("application_id", "applied_on")
    return keys.hstack(registry.compute(FEATURES, applications))


def groups(applications: pl.DataFrame) -> pl.DataFrame:
    """The protected groups of the applicants: for tests of fairness, never for the model."""
    band = pl.lit("under 30")
    for start, name in AGE_BANDS.items():
        band = pl.when(pl.col("age") >= start).then(pl.lit(name)).otherwise(band)
    return applications.select("application_id", "sex", age_band=band)
