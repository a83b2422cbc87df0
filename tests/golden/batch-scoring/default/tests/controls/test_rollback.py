"""Rolling back brings the earlier model into service, checks it first, and records it."""

import shutil

import pytest
from sklearn.dummy import DummyClassifier

from late_orders.controls import packages, rollback
from late_orders.controls.audit import open_log, read_events
from late_orders.controls.paths import Paths

WHO = ["--actor", "duty@example.org"]


@pytest.fixture
def released(project: Paths, monkeypatch: pytest.MonkeyPatch) -> tuple[Paths, list[str]]:
    """A project in which two models served, the second one now."""
    monkeypatch.setenv("PROJECT_ROOT", str(project.root))
    model = DummyClassifier(strategy="prior").fit([[0.0], [1.0]], [0, 1])
    versions = [packages.save(project, model, {"release": number}) for number in (1, 2)]
    for version in versions:
        packages.activate(project, version)
    return project, versions


def test_the_earlier_model_serves_again(
    released: tuple[Paths, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be loaded, and the log says from what, to what and why, and not by whom in clear."""
    paths, (first, second) = released
    assert rollback.main(["back", "--reason", "too many refusals", *WHO]) == 0
    assert f"* {first} (serves)" in capsys.readouterr().out
    assert packages.load(paths).facts["release"] == 1
    (event,) = read_events(paths.audit / "operations.jsonl")
    assert event["subject"] == first
    assert event["data"]["before"] == second
    assert event["data"]["reason"] == "too many refusals"
    assert event["data"]["actor"].startswith("person:")


def test_a_damaged_model_is_refused(
    released: tuple[Paths, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A package that was changed since does not get into service; the present one stays."""
    paths, (first, second) = released
    file = paths.models / first / packages.MODEL
    file.write_bytes(file.read_bytes() + b" ")
    assert rollback.main(["back", "--reason", "r", *WHO]) == 1
    assert "was changed after it was saved" in capsys.readouterr().err
    assert packages.serving(paths) == second
    assert not (paths.audit / "operations.jsonl").exists()


def test_a_missing_model_is_refused(released: tuple[Paths, list[str]]) -> None:
    """Also one that was deleted to save space."""
    paths, (first, second) = released
    shutil.rmtree(paths.models / first)
    assert rollback.main(["back", "--reason", "r", *WHO]) == 1
    assert packages.serving(paths) == second


def test_a_rollback_without_record_says_so(
    released: tuple[Paths, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The safe model serves, and whoever called knows that the log lacks it."""
    paths, (first, _) = released
    with open_log(paths, "operations"):
        assert rollback.main(["back", "--reason", "r", *WHO]) == 1
    assert "another process" in capsys.readouterr().err
    assert packages.serving(paths) == first


def test_there_is_no_way_back_from_the_first_model(
    released: tuple[Paths, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The list says so too."""
    assert rollback.main(["back", "--reason", "r", *WHO]) == 0
    assert rollback.main(["back", "--reason", "r", *WHO]) == 1
    assert "no earlier version" in capsys.readouterr().err
    assert rollback.main(["list"]) == 0
