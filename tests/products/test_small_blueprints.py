"""`blank`, `service-component` and `batch-scoring`, broken on purpose: each notices, and says what it was."""

from __future__ import annotations

import pytest

from tests.products.product import TEST_SECONDS, Make

pytestmark = pytest.mark.product

WEAKENED = {  # blueprint, file below the package, what is put over it, the tests that must notice, the control
    "what was taken in is forgotten": (
        "service-component",
        "controls/intake.py",
        "\n\ndef taken(paths):\n    return set()\n",
        "tests/controls/test_intake.py",
        "AUD-01",
    ),
    "refused lines are lost": (
        "service-component",
        "controls/intake.py",
        "\n\nCounts.reconciled = property(lambda self: True)\n",
        "tests/controls/test_intake.py",
        "AUD-01",
    ),
    "a night may be scored twice": (
        "batch-scoring",
        "controls/batch.py",
        "\n\ndef published(paths, day):\n    return None\n",
        "tests/controls/test_batch.py",
        "AUD-01",
    ),
    "rows may be lost": (
        "batch-scoring",
        "controls/batch.py",
        "\n\nNight.reconciled = property(lambda self: True)\n",
        "tests/controls/test_batch.py",
        "AUD-01",
    ),
    "every night is like the training": (
        "batch-scoring",
        "controls/reference.py",
        "\n\ndef findings(frame, known, limits):\n    return []\n",
        "tests/controls/test_batch.py",
        "DATA-02",
    ),
    "no row is bad": (
        "blank",
        "controls/validation.py",
        "\n\ndef _failures(frame, table):\n    return None\n",
        "tests/controls/test_contract.py",
        "DATA-02",
    ),
    "no measurement is beyond its limit": (
        "blank",
        "controls/monitoring/observe.py",
        "\n\nReport.alerts = property(lambda self: ())\n",
        "tests/controls/test_monitoring.py",
        "MON-01",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WEAKENED)
def test_a_weakened_control_is_noticed_twice(name: str, copy_of: Make) -> None:
    """By the project's own tests, and by `check`, which names file and control."""
    blueprint, file, text, tests, control = WEAKENED[name]
    copied = copy_of(blueprint)
    path = f"src/{copied.package}/{file}"
    copied.write({path: ("", text)})
    done = copied.shell.run(f".venv/bin/python -m pytest -x {tests}", TEST_SECONDS)
    assert (done.code, f"FAILED {tests}" in done.text) == (1, True), done.text[-2000:]
    code, findings = copied.check()
    assert (code, [(item["rule"], item["path"]) for item in findings]) == (1, [("AF002", path)])
    assert control in findings[0]["controls"]


STOPPED = {  # blueprint, file, what is replaced by what, the stage that stops, a word of its reason
    "too many bad rows": ("blank", "data.py", "SPOILED_EACH = 4", "SPOILED_EACH = 60", "validate", "records"),
    "a weak model": (
        "batch-scoring",
        "data.py",
        "rng.random(HISTORY) < _sigmoid(risk)",
        "rng.random(HISTORY) < 0.3",
        "gate",
        "auc",
    ),
    "one month alone": ("service-component", "feed.py", "MONTHS = 5, 1800, 6", "MONTHS = 5, 1800, 1", "monitor", "two"),
}


@pytest.mark.parametrize("name", STOPPED)
def test_the_run_stops(name: str, copy_of: Make) -> None:
    """At the stage that has to, with the reason."""
    blueprint, file, old, new, stage, word = STOPPED[name]
    copied = copy_of(blueprint)
    for log in (copied.folder / "var").glob("audit/*"):
        log.unlink()  # what an earlier run reported is no part of this one
    copied.write({f"src/{copied.package}/{file}": (old, new)})
    done = copied.run()
    assert done.code != 0
    assert any(stage in line and "FAILED" in line and word in line for line in done.text.splitlines()), done.text


@pytest.mark.parametrize(
    ("blueprint", "log"),
    [("blank", "pipeline.jsonl"), ("service-component", "intake.jsonl"), ("batch-scoring", "batch.jsonl")],
)
@pytest.mark.slow
def test_a_tampered_audit_log_is_noticed(blueprint: str, log: str, copy_of: Make) -> None:
    """By `make verify-audit`, and by the next run."""
    copied = copy_of(blueprint)
    place = copied.folder / "var/audit" / log
    lines = place.read_text("utf-8").splitlines()
    place.write_text("\n".join([*lines[:2], *lines[3:]]) + "\n", "utf-8")
    done = copied.shell.run("make --no-print-directory verify-audit")
    assert (done.code != 0, "NOT INTACT" in done.text) == (True, True)
    assert copied.run().code != 0


def test_a_night_that_was_meddled_with_is_noticed(copy_of: Make) -> None:
    """Its counts are no longer those that the audit log holds: the next run says so."""
    copied = copy_of("batch-scoring")
    night = min((copied.folder / "var/batches").iterdir())
    before = (night / "night.json").read_text("utf-8")
    (night / "night.json").write_text(before.replace('"scored": ', '"scored": 1'), "utf-8")
    done = copied.run()
    assert done.code != 0
    assert "does not agree" in done.text
