"""Every blueprint at work: it installs, runs without network, tests itself, and runs again to the same bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import coverage
import pytest

from tests import golden
from tests.products.product import TEST_SECONDS, Make, Product, opened

pytestmark = pytest.mark.product
FEWEST_TESTS = 60
LEAST_COVERED = 90  # percent of the lines under controls/


@pytest.fixture(params=golden.BLUEPRINTS)
def born(request: pytest.FixtureRequest, installed: Make) -> Product:
    return installed(request.param)


@pytest.fixture(params=[name for name in golden.BLUEPRINTS if "run" in golden.make_targets(name)])
def ran(request: pytest.FixtureRequest, has_run: Callable[[str], tuple[Product, str]]) -> Product:
    return has_run(request.param)[0]


def test_one_clean_commit(born: Product) -> None:
    """Installing leaves nothing for git to see, and the project is as the factory promised."""
    assert born.shell.must("git log --oneline").count("\n") == 1
    assert born.changed() == []
    assert born.check() == (0, [])


def test_style_format_and_types(born: Product) -> None:
    """The project is a fixed point of its own formatter, and its linter and type checker find nothing."""
    born.shell.must("make --no-print-directory lint", TEST_SECONDS)


def test_it_needs_no_ai_factory(born: Product) -> None:
    """Nothing of ai-factory is installed in the project, and nothing in it asks for it."""
    assert born.shell.run(".venv/bin/python -c 'import ai_factory'").code == 1
    assert born.shell.run("grep -rlE '^ *(import|from) ai_factory' src tests").text == ""


@pytest.mark.parametrize("blueprint", [name for name in golden.BLUEPRINTS if name != golden.WHOLE])
def test_the_tests_that_only_it_has_pass(blueprint: str, installed: Make) -> None:
    """None skipped, without network; those that it shares, to the byte, pass in the README's quick start."""
    tree = golden.target(blueprint, {}).rendered.tree
    names = sorted(
        path for path in golden.own(blueprint, "default", tree) if re.fullmatch(r"tests/.*test_\w+\.py", path)
    )
    text = installed(blueprint).shell.must(f".venv/bin/python -m pytest {' '.join(names)}", TEST_SECONDS)
    assert passed(text) > 0


@pytest.mark.slow
def test_its_own_tests_pass(born: Product) -> None:
    """Many, none skipped, without network, whether it has run before or not."""
    all_pass(born)


def all_pass(product: Product) -> None:
    assert passed(product.shell.must("make --no-print-directory test", TEST_SECONDS)) >= FEWEST_TESTS


def passed(text: str) -> int:
    """How many tests passed, if no other outcome is told."""
    found = re.fullmatch(r"=* ?(\d+) passed in .*", text.strip().splitlines()[-1])
    assert found, text[-3000:]
    return int(found[1])


@pytest.mark.slow
def test_its_own_tests_reach_the_controls(born: Product, tmp_path: Path) -> None:
    """They run through nearly all lines that the factory answers for; the tool is ours, not the project's."""
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "coverage").symlink_to(Path(coverage.__file__).parent)
    copied = born.copy(tmp_path)
    measured = f"PYTHONPATH={tmp_path / 'tools'}:$PYTHONPATH .venv/bin/python -m coverage"
    copied.shell.must(f"{measured} run --source=src/{copied.package}/controls -m pytest -q", TEST_SECONDS)
    report = copied.shell.must(f"{measured} report --precision=1")
    assert float(report.split()[-1].rstrip("%")) >= LEAST_COVERED, report


@pytest.mark.slow
@pytest.mark.parametrize(("blueprint", "name"), golden.OTHERS)
def test_other_answers_are_as_clean(blueprint: str, name: str, installed: Make, tmp_path: Path) -> None:
    """The formatter has nothing to do there either, it runs, and its tests pass."""
    answers = golden.answers_of(blueprint, name)
    golden.write(tmp_path / "project", golden.target(blueprint, answers).rendered.tree)
    installed(blueprint).share_environment(tmp_path / "project")
    other = opened(tmp_path / "project", tmp_path / "home", answers["package"])
    targets = "lint run" if "run" in golden.make_targets(blueprint) else "lint"
    other.shell.must(f"make --no-print-directory {targets}", timeout=600)
    all_pass(other)


def test_evidence_names_its_inputs(ran: Product) -> None:
    """Each evidence file holds the commit and the digests of what it rests on, and no time; the gate passed."""
    head = ran.shell.must("git rev-parse HEAD").strip()
    records = [json.loads(path.read_text("utf-8")) for path in sorted((ran.folder / "evidence").glob("*.json"))]
    assert {record["commit"] for record in records} == {head}
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for record in records for value in record["inputs"].values())
    assert all(record["inputs"] for record in records)
    assert not re.findall(r"\d{2}:\d{2}:\d{2}", json.dumps(records))
    if (ran.folder / "evidence/evaluation.json").exists():
        assert ran.evidence("evaluation")["gate"] == {"failures": [], "passed": True}


@pytest.mark.slow
def test_a_second_run_gives_the_same_bytes(ran: Product) -> None:
    """Run again, every produced file is the same to the byte, and git sees nothing but produced files."""
    before = ran.produced()
    assert ran.run().code == 0
    assert ran.produced() == before
    assert before
    assert ran.changed() == []


def test_every_control_file_is_promised(born: Product, tmp_path: Path) -> None:
    """An edit of any file under `controls/`, or its loss, is found with at least one control named."""
    copied = born.copy(tmp_path)
    names = copied.shell.must(f"git ls-files src/{copied.package}/controls").split()
    for name in names[::2]:
        copied.write({name: ("", "# edited\n")})
    for name in names[1::2]:
        (copied.folder / name).unlink()
    code, findings = copied.check()
    expected = [("AF003" if number % 2 else "AF002", name) for number, name in enumerate(names)]
    assert (code, sorted((item["rule"], item["path"]) for item in findings)) == (1, sorted(expected))
    assert [item["path"] for item in findings if not item["controls"]] == []
    assert copied.shell.run("ai-factory restore --all").code == 0
    assert copied.check() == (0, [])
