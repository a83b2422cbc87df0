"""`document-processing` at work: what is planted is caught, and it notices what is done to it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests import golden
from tests.products.product import TEST_SECONDS, Make, Product

pytestmark = pytest.mark.product

NAME = "document-processing"
PACKAGE = str(golden.target(NAME, {}).answers["package"])
SOURCE = f"src/{PACKAGE}"
PYTEST = ".venv/bin/python -m pytest -x -p no:cacheprovider"


@pytest.fixture
def ran(has_run: Callable[[str], tuple[Product, str]]) -> tuple[Product, str]:
    return has_run(NAME)


@pytest.fixture
def copied(copy_of: Make) -> Product:
    return copy_of(NAME)


# ---- as it is ------------------------------------------------------------------------------------


def test_a_run_ends_with_evidence(ran: tuple[Product, str]) -> None:
    """Nine stages from inbox to evidence: the gate passed, the new layout was noticed, the audit log is whole."""
    product, text = ran
    stages = re.findall(r"^ *(\d+)/9 +(\w+)", text, re.MULTILINE)
    names = ["data", "validate", "train", "evaluate", "gate", "package", "intake", "monitor", "evidence"]
    assert stages == [(str(number), name) for number, name in enumerate(names, 1)]
    results = {(row["metric"], row["slice"]): row for row in product.evidence("evaluation")["results"]}
    assert results["released_error_rate", "all"]["value"] <= 0.05
    assert results["straight_through_rate", "all"]["value"] >= 0.45
    assert {"field=account_number", "field=claimant_name"} <= {part for metric, part in results if metric == "recall"}
    assert "unknown_words" in {alert["column"] for alert in product.evidence("monitoring")["alerts"]}
    assert "intact" in product.shell.must("make --no-print-directory verify-audit")


def test_people_find_their_work(ran: tuple[Product, str]) -> None:
    """The queue is listed with reasons, and the model card says what goes out without a person."""
    product, _ = ran
    listed = product.shell.must("make --no-print-directory reviews")
    assert re.search(r"^\d+ cases wait for a person$", listed, re.MULTILINE)
    assert "sender: another account than on file" in listed
    assert "no text layer" in listed
    card = (product.folder / "docs" / "model-card.md").read_text("utf-8")
    assert "What goes out without a person" in card
    assert "${" not in card


def test_drills_and_release_check(copied: Product) -> None:
    """The kill switch works; a project that nobody approved is not released, and is told why."""
    copied.shell.must("make --no-print-directory drill")
    done = copied.shell.run("make --no-print-directory release-check")
    assert done.code != 0
    assert "approv" in done.text


# ---- drift ---------------------------------------------------------------------------------------

WEAKENED = {  # file, what is put over it, the tests that must notice, the control that `check` must name
    "the reader takes files of any size": (
        f"{SOURCE}/controls/documents/reader.py",
        "\n\nBounds.__init__.__defaults__ = (10**12, 10**9, 10**12, 10.0, 1_500_000_000, 10**9)\n",
        "tests/controls/test_documents.py",
        "SEC-02",
    ),
    "the reader knows the secrets of the service": (
        f"{SOURCE}/controls/documents/reader.py",
        "\n\ndef _environment():\n    return dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))\n",
        "tests/controls/test_documents.py",
        "SEC-02",
    ),
    "originals are deleted without a record": (
        f"{SOURCE}/controls/documents/records.py",
        (
            "\n\nAuditLog = None\nOriginals.dispose = lambda self, *given, **more: ["
            "self._file(k.digest).unlink() for k in self.all()]\n"
        ),
        "tests/controls/test_documents.py",
        "AUD-03",
    ),
    "tokens are the values": (
        f"{SOURCE}/controls/documents/records.py",
        "\n\nTokens.token = lambda self, kind, value: PREFIX + value\n",
        "tests/controls/test_documents.py",
        "DATA-06",
    ),
    "no leak is found": (
        f"{SOURCE}/controls/documents/records.py",
        "\n\ndef leaks(folder, secrets, skip=()):\n    return []\n",
        "tests/controls/test_documents.py",
        "DATA-06",
    ),
    "everything may go out": (
        f"{SOURCE}/controls/review/routing.py",
        "\n\ndef route(confidence, limit, findings=(), sample=False):\n    return Route(True, ())\n",
        "tests/controls/test_review.py",
        "HUM-01",
    ),
    "the limit promises too much": (
        f"{SOURCE}/controls/review/routing.py",
        "\n\ndef error_bound(errors, rows, certainty):\n    return errors / rows if rows else 0.0\n",
        "tests/controls/test_review.py",
        "MOD-03",
    ),
    "one person is enough": (
        f"{SOURCE}/controls/review/queue.py",
        "\n\n_row = Queue._row\nQueue._row = lambda self, item: (*_row(self, item)[:5], 1, self._now())\n",
        "tests/controls/test_review.py",
        "HUM-01",
    ),
    "a review counts without a record": (
        f"{SOURCE}/controls/review/queue.py",
        (
            "\n\n_init = Queue.__init__\n\n\ndef _deaf(self, path, log, *given, **more):\n"
            "    _init(self, path, log, *given, **more)\n"
            '    self._log = type("Deaf", (), {"privacy": log.privacy, "record": lambda *_: None})()\n'
            "\n\nQueue.__init__ = _deaf\n"
        ),
        "tests/controls/test_review.py",
        "AUD-01",
    ),
    "what slipped through is not looked for": (
        f"{SOURCE}/controls/review/queue.py",
        "\n\ndef released_unreviewed(events, release, limits):\n    return []\n",
        "tests/controls/test_review.py",
        "HUM-01",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WEAKENED)
def test_a_weakened_control_is_noticed_twice(name: str, copied: Product) -> None:
    """By the project's own tests, and by `check`, which names file and control; `restore` heals it to the byte."""
    path, text, tests, control = WEAKENED[name]
    original = (copied.folder / path).read_bytes()
    copied.write({path: ("", text)})
    done = copied.shell.run(f"{PYTEST} {tests}", TEST_SECONDS)
    assert (done.code, f"FAILED {tests}" in done.text) == (1, True), done.text[-2000:]
    code, findings = copied.check()
    assert (code, [(item["rule"], item["path"]) for item in findings]) == (1, [("AF002", path)])
    assert control in findings[0]["controls"]
    assert copied.shell.run(f"ai-factory restore {path}").code == 0
    assert (copied.folder / path).read_bytes() == original


# ---- bad documents, bad models, tampering ----------------------------------------------------------

STOPPED = {  # changes, the stage that stops the run, a word of its reason
    "a missed threshold": (
        {"evals/thresholds.yaml": ("rate, slice: all, at_least: 0.45", "rate, slice: all, at_least: 0.99")},
        "gate",
        "straight_through_rate",
    ),
    "labels in clear": (
        {f"{SOURCE}/fields.py": ("return tokens.token(field, value) if hidden else value", "return value")},
        "validate",
        "what identifies a person is a token",
    ),
    "a routing that lets everything out": (
        {
            f"{SOURCE}/intake.py": (
                "            RELEASE if way.release else REFER,\n",
                "            RELEASE if reading.values else REFER,\n",
            )
        },
        "evidence",
        "went out and should have been reviewed",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STOPPED)
def test_the_run_stops(name: str, copied: Product) -> None:
    """What must not go on does not: the run ends at the named stage, with the reason."""
    changes, stage, word = STOPPED[name]
    _forget(copied)
    copied.write(changes)
    done = copied.run()
    assert done.code != 0
    lines = [line for line in done.text.splitlines() if re.match(rf"^ *\d+/9 +{stage}\b", line)]
    assert any("FAILED" in line and word in line for line in lines), done.text


def _forget(product: Product) -> None:
    """As if no document of the newest month had been worked on."""
    for name in ("var/audit", "var/review"):
        for file in (product.folder / name).iterdir():
            file.unlink()


@pytest.mark.slow
def test_a_value_in_clear_fails_a_test(copied: Product) -> None:
    """A field that is no longer called sensitive is found by the search for leaks, in whatever file it is."""
    copied.write(
        {
            f"{SOURCE}/intake.py": (
                '"model_digest": self.model_digest,\n        }',
                '"model_digest": self.model_digest,\n            "summary": " ".join(self.values.values()),\n        }',
            )
        }
    )
    done = copied.shell.run(f"{PYTEST} tests/test_pipeline.py -k identifies_anybody", TEST_SECONDS)
    assert done.code == 1
    assert "FAILED tests/test_pipeline.py::test_nothing_that_identifies_anybody" in done.text


TAMPERED: Mapping[str, Callable[[list[str]], list[str]]] = {
    "changed": lambda lines: [line.replace('"outcome":"refer"', '"outcome":"release"') for line in lines],
    "removed": lambda lines: [*lines[:5], *lines[6:]],
    "cut off": lambda lines: lines[:-3],
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_audit_log_is_noticed(name: str, copied: Product) -> None:
    """By `make verify-audit`, which is not content with it."""
    log = copied.folder / "var" / "audit" / "pipeline.jsonl"
    lines = log.read_text("utf-8").splitlines()
    log.write_text("\n".join(TAMPERED[name](lines)) + "\n", "utf-8")
    done = copied.shell.run("make --no-print-directory verify-audit")
    assert done.code != 0
    assert "NOT INTACT" in done.text


def test_an_original_that_was_changed_is_not_read(copied: Product) -> None:
    """One byte of a kept document is another: the run does not go on as if nothing were."""
    place = next(path for path in sorted((copied.folder / "var" / "originals").glob("*.pdf")))
    place.write_bytes(place.read_bytes() + b" ")
    done = copied.shell.run(
        f".venv/bin/python -c 'from {PACKAGE}.intake import originals_of; from {PACKAGE}.controls.paths import Paths; "
        f'originals_of(Paths.here()).get("{place.stem}")\''
    )
    assert done.code != 0
    assert "OriginalChanged" in done.text


@pytest.mark.slow
def test_a_queue_that_lost_a_case_is_mended_by_the_next_run(copied: Product) -> None:
    """The audit log says what was referred: the case is in the queue again."""
    place: Path = copied.folder / "var" / "review" / "queue.db"
    with sqlite3.connect(place) as database:
        before = database.execute("select count(*) from tasks").fetchone()
        database.execute("delete from tasks where id in (select id from tasks limit 3)")
    database.close()
    copied.shell.must(f".venv/bin/python -m {PACKAGE} intake", TEST_SECONDS)
    with sqlite3.connect(place) as database:
        assert database.execute("select count(*) from tasks").fetchone() == before
    database.close()


def test_a_swapped_model_does_not_serve(copied: Product) -> None:
    """One byte of the packaged model changed, and no document is read by it."""
    version = copied.evidence("model")["version"]
    place = next((copied.folder / "var" / "models" / version).glob("*.skops"))
    content = bytearray(place.read_bytes())
    content[len(content) // 2] ^= 1
    place.write_bytes(bytes(content))
    done = copied.shell.run(f".venv/bin/python -m {PACKAGE} intake")
    assert done.code != 0
    assert "was changed after it was saved" in done.text


def test_evidence_is_plain(ran: tuple[Product, str]) -> None:
    """Nothing in it is a token or a path of the machine that it was made on."""
    product, _ = ran
    text = json.dumps([product.evidence(name) for name in ("data-quality", "evaluation", "model", "monitoring")])
    assert "tok:" not in text
    assert str(product.folder) not in text
