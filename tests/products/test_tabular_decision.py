"""`tabular-decision` at work: it installs, runs without network, tests itself, and notices what is done to it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.products.product import TEST_SECONDS, Make, Product, opened

pytestmark = pytest.mark.product

NAME = "tabular-decision"
PACKAGE = "credit_line"
SOURCE = f"src/{PACKAGE}"


@pytest.fixture
def ran(has_run: Callable[[str], tuple[Product, str]]) -> tuple[Product, str]:
    return has_run(NAME)


@pytest.fixture
def copied(copy_of: Make) -> Product:
    return copy_of(NAME)


# ---- as it is ------------------------------------------------------------------------------------


def test_a_run_ends_with_evidence(ran: tuple[Product, str]) -> None:
    """Ten stages from data to evidence: the gate passed, drift was found, the audit log is whole."""
    product, text = ran
    stages = re.findall(r"^ *(\d+)/10 +(\w+)", text, re.MULTILINE)
    names = ["data", "validate", "features", "train", "evaluate", "gate", "package", "score", "monitor", "evidence"]
    assert stages == [(str(number), name) for number, name in enumerate(names, 1)]
    assert product.evidence("evaluation")["gate"] == {"failures": [], "passed": True}
    assert product.evidence("features")["findings"] == []
    assert product.evidence("data-quality")["applications"]["quarantined"] == 40
    alerts = {(alert["metric"], alert["column"]) for alert in product.evidence("monitoring")["alerts"]}
    assert {("psi", "probability"), ("psi", "utilisation"), ("psi", "log_income")} <= alerts
    assert "intact" in product.shell.must("make --no-print-directory verify-audit")
    assert "audit log intact" in text.splitlines()[-2]


def test_drills_and_release_check(copied: Product) -> None:
    """The kill switch works; a project that nobody approved is not released, and is told why."""
    copied.shell.must("make --no-print-directory drill")
    done = copied.shell.run("make --no-print-directory release-check")
    assert done.code != 0
    assert "approv" in done.text


# ---- drift ---------------------------------------------------------------------------------------

WEAKENED = {  # file, what is put over it, the tests that must notice, the controls that `check` must name
    "monitoring finds no drift": (
        f"{SOURCE}/controls/monitoring/statistics.py",
        "\n\ndef psi(reference, current):\n    return 0.0\n",
        "tests/controls/test_monitoring.py",
        "MON-01",
    ),
    "the chain is not verified": (
        f"{SOURCE}/controls/audit/chain.py",
        "\n\ndef _differences(*line):\n    return iter(())\n",
        "tests/controls/test_audit.py",
        "AUD-02",
    ),
    "people are not pseudonyms": (
        f"{SOURCE}/controls/audit/privacy.py",
        "\n\nPrivacy.pseudonym = lambda self, person: person\nPrivacy.subject = lambda self, person: person\n",
        "tests/controls/test_audit.py",
        "AUD-05",
    ),
    "the gate always opens": (
        f"{SOURCE}/controls/evaluation.py",
        "\n\ndef gate(results, plan):\n    return Gate(True, ())\n",
        "tests/controls/test_evaluation.py",
        "MOD-03",
    ),
    "fairness is not measured": (
        f"{SOURCE}/controls/fairness.py",
        "\n\ndef evaluate(sample, groups, plan):\n    return []\n",
        "tests/controls/test_classification.py",
        "MOD-04",
    ),
    "every feature is allowed": (
        f"{SOURCE}/controls/feature_policy.py",
        "\n\ndef declared(features, contract):\n    return []\n",
        "tests/controls/test_feature_policy.py",
        "DATA-05",
    ),
    "no row is bad": (
        f"{SOURCE}/controls/validation.py",
        "\n\ndef _failures(frame, table):\n    return None\n",
        "tests/controls/test_contract.py",
        "DATA-02",
    ),
    "the card says anything": (
        f"{SOURCE}/controls/card.py",
        "\n\ndef _refuse_unsupported(source, text, supported):\n    return None\n",
        "tests/controls/test_governance.py",
        "MOD-01",
    ),
    "approvals are not looked at": (
        f"{SOURCE}/controls/governance.py",
        "\n\ndef check_approvals(paths, today, committers):\n    return []\n",
        "tests/controls/test_governance.py",
        "GOV-06",
    ),
    "a record of learning never runs out": (
        f"{SOURCE}/controls/learning.py",
        "\n\ndef _gap(paths, plan, entry, today):\n    return ''\n",
        "tests/controls/test_learning.py",
        "GOV-07",
    ),
    "a notice is never due": (
        f"{SOURCE}/controls/notices.py",
        "\n\ndef waiting(paths, today):\n    return []\n",
        "tests/controls/test_notices.py",
        "TRA-02",
    ),
    "a changed feature is taken over": (
        f"{SOURCE}/controls/registry.py",
        "\n\ndef _feature(row):\n    return Feature(**{f.name: row[f.name] for f in fields(Feature)})\n",
        "tests/controls/test_feature_policy.py",
        "DATA-05",
    ),
    "the catalogue is never incomplete": (
        f"{SOURCE}/controls/catalogue.py",
        "\n\nEntry.gaps = lambda self: []\n",
        "tests/controls/test_contract.py",
        "DATA-04",
    ),
    "the switch is always on": (
        f"{SOURCE}/controls/switch.py",
        "\n\nKillSwitch.state = lambda self: State(False, '', '')\n",
        "tests/controls/test_ops.py",
        "HUM-02",
    ),
}


@pytest.mark.parametrize("name", WEAKENED)
def test_a_weakened_control_is_noticed_twice(name: str, copied: Product) -> None:
    """By the project's own tests, and by `check`, which names file and control; `restore` heals it to the byte."""
    path, text, tests, control = WEAKENED[name]
    original = (copied.folder / path).read_bytes()
    copied.write({path: ("", text)})
    done = copied.shell.run(f".venv/bin/python -m pytest -x {tests}", TEST_SECONDS)
    assert (done.code, f"FAILED {tests}" in done.text) == (1, True), done.text[-2000:]
    code, findings = copied.check()
    assert (code, [(item["rule"], item["path"]) for item in findings]) == (1, [("AF002", path)])
    assert control in findings[0]["controls"]
    assert copied.shell.run(f"ai-factory restore {path}").code == 0
    assert (copied.folder / path).read_bytes() == original
    assert copied.check() == (0, [])


def test_a_file_among_the_factorys_is_noticed(copied: Product) -> None:
    """A file put into a folder that is wholly managed is reported, and is no drift."""
    (copied.folder / SOURCE / "controls" / "audit" / "extra.py").write_text("")
    code, findings = copied.check()
    assert (code, [item["rule"] for item in findings]) == (0, ["AF011"])


# ---- bad data, bad models, tampering -------------------------------------------------------------

LEAK = '''

_honest = extract


def extract(seed: int = SEED, rows: int = ROWS) -> Extract:
    """The same, but utilisation gives the outcome away."""
    found = _honest(seed, rows)
    known = found.applications.join(
        found.outcomes.select("application_id", "defaulted"), on="application_id", how="left", maintain_order="left"
    )
    told = pl.when(pl.col("defaulted") == 1).then(0.95).when(pl.col("defaulted") == 0).then(0.05)
    leaky = known.with_columns(utilisation=told.otherwise(pl.col("utilisation"))).drop("defaulted")
    return Extract(leaky, found.outcomes, found.planted)
'''

STOPPED = {  # changes, the stage that stops the run, a word of its reason
    "a missed threshold": ({"evals/thresholds.yaml": ("at_least: 0.72", "at_least: 0.99")}, "gate", "auc"),
    "an unfair threshold": (
        {
            "evals/thresholds.yaml": (
                "{ metric: approval_ratio, slice: sex, at_least: 0.80 }",
                "{ metric: approval_ratio, slice: sex, at_least: 1.01 }",
            )
        },
        "gate",
        "approval_ratio",
    ),
    "a feature from after the decision": (
        {f"{SOURCE}/features.py": ('formula="utilisation"', 'formula="days_late_6m"')},
        "features",
        "days_late_6m",
    ),
    "a feature that is too good to be true": ({f"{SOURCE}/data.py": ("", LEAK)}, "gate", "utilisation"),
    "outcomes that turned": (
        {
            f"{SOURCE}/data.py": (
                "defaulted = rng.random(len(risk)) < _sigmoid(risk)",
                "defaulted = rng.random(len(risk)) < _sigmoid(np.where(month < 12, risk, -risk))",
            )
        },
        "gate",
        "auc",
    ),
    "too many bad rows": ({f"{SOURCE}/data.py": ("SPOILED_EACH = 5", "SPOILED_EACH = 80")}, "validate", "applications"),
}


@pytest.mark.parametrize("name", STOPPED)
def test_the_run_stops(name: str, copied: Product) -> None:
    """What must not go on does not: the run ends at the named stage, and the model that served still serves."""
    changes, stage, word = STOPPED[name]
    serving = copied.evidence("model")["version"]
    copied.write(changes)
    done = copied.run()
    assert done.code != 0
    lines = [line for line in done.text.splitlines() if re.match(rf"^ *\d+/10 +{stage}\b", line) or stage in line]
    assert any(word in line for line in lines), done.text
    assert copied.evidence("model")["version"] == serving


def test_alerts_come_from_the_data(copied: Product) -> None:
    """Without the planted turn of the economy there is no alert, and the project's own test notices that."""
    copied.write({f"{SOURCE}/data.py": ("len(month), month == MONTHS - 1", "len(month), month == MONTHS")})
    assert copied.run().code == 0
    assert copied.evidence("monitoring")["alerts"] == []
    done = copied.shell.run(".venv/bin/python -m pytest tests/test_pipeline.py -k planted_drift", TEST_SECONDS)
    assert done.code == 1
    assert "FAILED tests/test_pipeline.py::test_planted_drift_raises_alerts" in done.text


TAMPERED: Mapping[str, Callable[[list[str]], list[str]]] = {
    "changed": lambda lines: [lines[0].replace("null", '"m-0"'), *lines[1:]],
    "removed": lambda lines: [*lines[:5], *lines[6:]],
    "swapped": lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]],
    "cut off": lambda lines: lines[:-3],
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_audit_log_is_noticed(name: str, copied: Product) -> None:
    """By `make verify-audit`, and by the next run, which ends with it."""
    log = copied.folder / "var" / "audit" / "pipeline.jsonl"
    lines = log.read_text("utf-8").splitlines()
    log.write_text("\n".join(TAMPERED[name](lines)) + "\n", "utf-8")
    done = copied.shell.run("make --no-print-directory verify-audit")
    assert done.code != 0
    assert "NOT INTACT" in done.text
    assert copied.run().code != 0


def test_a_swapped_model_does_not_serve(copied: Product) -> None:
    """One byte of the packaged model changed, and it is not loaded."""
    version = copied.evidence("model")["version"]
    place = next(path for path in (copied.folder / "var" / "models" / version).iterdir() if path.suffix == ".skops")
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(bytes(content))
    done = copied.shell.run(
        f".venv/bin/python -c 'from {PACKAGE}.decision import Decider; "
        f"from {PACKAGE}.controls.paths import Paths; Decider.of(Paths.here())'"
    )
    assert done.code != 0
    assert "ReleaseRefused" in done.text


def test_evidence_of_another_state_is_stale(copied: Product) -> None:
    """A changed threshold makes the verdict stale, and a release is refused for it."""
    copied.write({"evals/thresholds.yaml": ("at_least: 0.72", "at_least: 0.50")})
    done = copied.shell.run("make --no-print-directory release-check")
    assert done.code != 0
    assert "evals/thresholds.yaml" in done.text


def test_it_can_move(ran: tuple[Product, str], tmp_path: Path) -> None:
    """The project works from another folder and from a fresh clone."""
    product, _ = ran
    shutil.rmtree(tmp_path / "clone", ignore_errors=True)
    product.shell.must(f"git clone -q . {tmp_path / 'clone'}")
    product.share_environment(tmp_path / "clone")
    clone = opened(tmp_path / "clone", tmp_path / "home", PACKAGE)
    assert clone.check() == (0, [])
    assert clone.run().code == 0
    assert {name: clone.evidence(name) for name in ("evaluation", "model")} == {
        name: product.evidence(name) for name in ("evaluation", "model")
    }


# ---- people, notices, the end --------------------------------------------------------------------

GONE = {  # a file that a team changes, what it writes there, the test that must notice
    "a data set without a lawful basis": (
        "contracts/applications.odcs.yaml",
        "lawfulBasis",
        "basis",
        "test_contract.py",
    ),
    "a sink that the end forgets": ("ops/audit.yaml", "sinks: [file]", "sinks: [file, stdout]", "test_decommission.py"),
    "a retired system with open steps": (
        "governance/system.yaml",
        "status: development",
        "status: retired",
        "test_decommission.py",
    ),
    "a topic that nobody teaches": (
        "docs/learn/packs.yaml",
        "[stopping, alerts",
        "[stoping, alerts",
        "test_learning.py",
    ),
}


@pytest.mark.parametrize("name", GONE)
def test_what_a_team_forgets_is_noticed(name: str, copied: Product) -> None:
    """The project's own tests read its files, not what they once said."""
    path, old, new, tests = GONE[name]
    copied.write({path: (old, new)})
    done = copied.shell.run(f".venv/bin/python -m pytest -x tests/controls/{tests}", TEST_SECONDS)
    assert (done.code, f"FAILED tests/controls/{tests}" in done.text) == (1, True), done.text[-2000:]


def test_what_was_learnt_goes_stale_with_the_limit(copied: Product) -> None:
    """At birth everybody is missing and nothing fails; a passed quiz holds until the plan says another limit."""
    learning = f".venv/bin/python -m {PACKAGE}.controls.learning"
    assert copied.shell.must("make --no-print-directory learn").count("needs a person") == 9
    answers = (
        f"from {PACKAGE}.controls import curriculum as c; from {PACKAGE}.controls.paths import Paths; "
        "[print('abcd'[q.options().index(q.answer)]) for q in c.load(Paths.here()).packs['operations'].questions]"
    )
    copied.shell.must(f'.venv/bin/python -c "{answers}" | {learning} quiz operations --person p-17')
    assert "operations" not in copied.shell.run(f"{learning} check").text
    assert "intact" in copied.shell.must("make --no-print-directory verify-audit")
    copied.write({"ops/monitoring.yaml": ("metric: psi\n    limit: 0.2", "metric: psi\n    limit: 0.3")})
    assert "operations, quiz: the record of p-17 is stale" in copied.shell.run(f"{learning} check").text
    assert copied.shell.run("make --no-print-directory handover").code != 0


def test_the_catalogue_of_two_projects(copied: Product, ran: tuple[Product, str]) -> None:
    """One command finds the data sets of every project in a folder."""
    text = copied.shell.must(
        f".venv/bin/python -m {PACKAGE}.controls.catalogue {ran[0].folder} {copied.folder} | grep -c lawful_basis"
    )
    assert text.split() == ["8"]
