"""`forecasting`, broken on purpose: leaks, bad sums, forecasts off the record, late wisdom, and more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from tests.products.product import TEST_SECONDS, Make, Product

pytestmark = pytest.mark.product

NAME = "forecasting"
PACKAGE = "sales_forecast"
SOURCE = f"src/{PACKAGE}"


@pytest.fixture
def copied(copy_of: Make) -> Product:
    return copy_of(NAME)


def test_a_run_ends_with_evidence(has_run: Callable[[str], tuple[Product, str]]) -> None:
    """Eleven stages: last year is beaten, nothing leaks, the break is seen, the newest forecast made again."""
    product, text = has_run(NAME)
    names = ["data", "validate", "backtest", "train", "evaluate", "gate", "package", "publish", "overrides", "monitor"]
    stages = re.findall(r"^ *(\d+)/11 +(\w+)", text, re.MULTILINE)
    assert stages == [(str(number), name) for number, name in enumerate([*names, "evidence"], 1)]
    assert product.evidence("backtest")["leaking_origins"] == 0
    results = {(r["metric"], r["slice"]): r for r in product.evidence("evaluation")["results"]}
    assert results["skill", "all"]["low"] > 0.1
    assert abs(results["coverage", "all"]["value"] - 0.8) < 0.06
    alerts = {(alert["metric"], alert["slice"]) for alert in product.evidence("monitoring")["alerts"]}
    assert {
        ("bias", "all"),
        ("coverage_drop", "all"),
        ("group_bias", "region=south"),
        ("stale_series", "all"),
    } <= alerts
    assert product.evidence("overrides")["judged"] == product.evidence("overrides")["recorded"] > 0
    assert "made again" in text.splitlines()[-2]


WEAKENED = {  # file below `controls/`, what is put over it, the tests that must notice, the control that `check` names
    "the cut shows the future": (
        "panel.py",
        "\n\nPanel.until = lambda self, origin: self\n",
        "tests/controls/test_panel.py",
        "MOD-03",
    ),
    "nothing is a leak": (
        "backtest.py",
        "\n\ndef leaks(panel, origins, make, seed=SEED):\n    return []\n",
        "tests/controls/test_backtest.py",
        "MOD-03",
    ),
    "intervals know later errors": (
        "conformal.py",
        "\n\n_own = widths\n\n\ndef widths(cells, coverage, known_at):\n    return _own(cells, coverage, 10**6)\n",
        "tests/controls/test_conformal.py",
        "MOD-03",
    ),
    "everything adds up": (
        "hierarchy.py",
        "\n\ndef gaps(cells, dimensions):\n    return []\n",
        "tests/controls/test_hierarchy.py",
        "MOD-03",
    ),
    "last year is always beaten": (
        "accuracy.py",
        "\n\ndef not_beaten(results):\n    return []\n",
        "tests/controls/test_accuracy.py",
        "MOD-03",
    ),
    "forecasts are read off the record": (
        "publication.py",
        "\n\ndef _digest(text):\n    return 'sha256:0'\n",
        "tests/controls/test_publication.py",
        "AUD-01",
    ),
    "the kill switch stops no forecast": (
        "publication.py",
        "\n\ndef _stopped(paths):\n    return []\n",
        "tests/controls/test_publication.py",
        "HUM-02",
    ),
    "late wisdom counts": (
        "overrides.py",
        "\n\ndef _known_until(paths):\n    return '0000-00-00'\n",
        "tests/controls/test_overrides.py",
        "HUM-01",
    ),
    "any override counts": (
        "overrides.py",
        "\n\ndef _refused(paths, issue, override, actor):\n    return ''\n",
        "tests/controls/test_overrides.py",
        "HUM-01",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WEAKENED)
def test_a_weakened_control_is_noticed_twice(name: str, copied: Product) -> None:
    """By the project's own tests, and by `check`, which names file and control."""
    file, text, tests, control = WEAKENED[name]
    path = f"{SOURCE}/controls/{file}"
    copied.write({path: ("", text)})
    done = copied.shell.run(f".venv/bin/python -m pytest -x {tests}", TEST_SECONDS)
    assert (done.code, f"FAILED {tests}" in done.text) == (1, True), done.text[-2000:]
    code, findings = copied.check()
    assert (code, [(item["rule"], item["path"]) for item in findings]) == (1, [("AF002", path)])
    assert control in findings[0]["controls"]


CARELESS = '''

def refitted(kind: str, every: int = 1) -> Make:
    """One fit on everything, tested on a part of it."""
    return lambda panel: packaged(fit(panel, kind))
'''
SHIFTED = """    cells = _cells(package, cut)
    more = pl.when(pl.col("node") == "total").then(1.0).otherwise(0.0)
    cells = cells.with_columns(pl.col("point", "high") + more)
"""

STOPPED = {  # changes, the stage that stops the run, a word of its reason
    "a backtest that has seen the future": ({f"{SOURCE}/model.py": ("", CARELESS)}, "gate", "came after its origin"),
    "a missed threshold": (
        {"evals/thresholds.yaml": ("slice: all, at_most: 0.95", "slice: all, at_most: 0.15")},
        "gate",
        "scaled_error",
    ),
    "a model that says last year": (
        {
            f"{SOURCE}/model.py": (
                "points[active, horizon - 1] = np.round(np.maximum(found, 0.0))",
                "points[active, horizon - 1] = np.round(new.naive[active] + 0 * found)",
            )
        },
        "gate",
        "the naive forecast is not beaten",
    ),
    "intervals that are too narrow": (
        {
            "evals/thresholds.yaml": (
                "metric: coverage_gap, slice: all, at_most: 0.06",
                "metric: coverage, slice: all, at_least: 0.97",
            )
        },
        "gate",
        "coverage (all)",
    ),
    "sums that do not add up": (
        {f"{SOURCE}/pipeline.py": ("    cells = _cells(package, cut)\n", SHIFTED)},
        "publish",
        "its parts sum to",
    ),
    "too many bad rows": (
        {f"{SOURCE}/data.py": ("SPOILED_EACH = 4", "SPOILED_EACH = 30")},
        "validate",
        "rows of sales",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STOPPED)
def test_the_run_stops(name: str, copied: Product) -> None:
    """What must not go on does not: the run ends at the named stage, and the model that served still serves."""
    changes, stage, word = STOPPED[name]
    serving = copied.evidence("model")["version"]
    copied.write(changes)
    done = copied.run()
    assert done.code != 0
    assert any(stage in line and "FAILED" in line and word in line for line in done.text.splitlines()), done.text
    assert copied.evidence("model")["version"] == serving


@pytest.mark.slow
def test_alerts_come_from_the_data(copied: Product) -> None:
    """Without the planted break there is no alert on bias, error or coverage; the project's own test notices that."""
    copied.write({f"{SOURCE}/data.py": ("BREAK_MONTHS = 3", "BREAK_MONTHS = 0")})
    for folder in ("audit", "forecasts", "models"):
        copied.shell.must(f"rm -r var/{folder}")
    assert copied.run().code == 0
    found = {alert["metric"] for alert in copied.evidence("monitoring")["alerts"]}
    assert found & {"bias", "group_bias", "error_drift", "coverage_drop"} == set()
    done = copied.shell.run(".venv/bin/python -m pytest tests/test_pipeline.py -k planted_breaks", TEST_SECONDS)
    assert (done.code, "FAILED tests/test_pipeline.py::test_planted_breaks_raise_alerts" in done.text) == (1, True)


def _published(copied: Product) -> str:
    lines = copied.shell.must("make --no-print-directory forecasts").splitlines()
    return next(line.split()[0] for line in reversed(lines) if line.startswith("f-") and "rehearsal" not in line)


@pytest.mark.slow
def test_a_changed_forecast_is_noticed(copied: Product) -> None:
    """One figure of what went out is turned, and the next run stops."""
    file = copied.folder / "var/forecasts" / _published(copied) / "issue.json"
    content = json.loads(file.read_text())
    content["cells"][0]["point"] += 100
    file.write_text(json.dumps(content))
    done = copied.run()
    assert (done.code != 0, "was changed since it went out" in done.text) == (True, True)


@pytest.mark.slow
def test_a_tampered_audit_log_is_noticed(copied: Product) -> None:
    """An override is taken out of the log: `make verify-audit` and the next run say so."""
    log = copied.folder / "var/audit/pipeline.jsonl"
    lines = log.read_text("utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if "override" in line)
    log.write_text("\n".join([*lines[:at], *lines[at + 1 :]]) + "\n", "utf-8")
    done = copied.shell.run("make --no-print-directory verify-audit")
    assert (done.code != 0, "NOT INTACT" in done.text) == (True, True)
    assert copied.run().code != 0


@pytest.mark.slow
def test_a_planner_and_the_switch(copied: Product) -> None:
    """An override by command counts in what is planned with; while stopped, neither override nor forecast goes out."""
    name = _published(copied)
    change = (
        f".venv/bin/python -m {PACKAGE}.controls.overrides set {name} --node 'product=coats|region=south'"
        " --period 2026-01-01 --value {} --kind supply --reason 'the supplier cannot deliver' --actor p@example.org"
    )
    assert "it counts from now on" in copied.shell.must(change.format(1))
    copied.shell.must(f".venv/bin/python -m {PACKAGE} publish")
    planned = copied.shell.must(
        ".venv/bin/python -c \"import polars as pl; f = pl.read_parquet('var/data/forecasts.parquet'); "
        "print(f.filter(pl.col('final') != pl.col('point'))['level'].unique().sort().to_list())\""
    )
    assert planned.strip() == "['product', 'region', 'series', 'total']"
    copied.shell.must(f".venv/bin/python -m {PACKAGE}.controls.switch stop --reason test --actor p@example.org")
    assert copied.shell.run(change.format(2)).code == 1
    done = copied.shell.run(f".venv/bin/python -m {PACKAGE} publish")
    assert (done.code, "the kill switch is on (test)" in done.text) == (1, True)


def test_drills_and_release_check(copied: Product) -> None:
    """The kill switch works; a project that nobody approved is not released, and is told why."""
    copied.shell.must("make --no-print-directory drill")
    done = copied.shell.run("make --no-print-directory release-check")
    assert (done.code != 0, "approv" in done.text) == (True, True)
