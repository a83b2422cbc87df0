"""Every choice that a question offers is exercised, with every choice of every other question."""

from __future__ import annotations

import itertools
import subprocess
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests import golden, pairwise
from tests.products.product import Product, opened
from tests.products.test_at_work import all_pass
from tests.shell import BIN

GROWN = "blank"  # what every blueprint has, and the quickest to test
ROWS = pairwise.rows(GROWN)


@pytest.mark.parametrize("blueprint", golden.BLUEPRINTS)
def test_every_two_answers_meet(blueprint: str) -> None:
    factors = pairwise.factors(blueprint)
    found = [
        {key: row[key] if key in row else key.partition("/")[2] in row[key.partition("/")[0]] for key in factors}
        for row in pairwise.rows(blueprint)
    ]
    for one, other in itertools.combinations(factors, 2):
        wanted = set(itertools.product(factors[one], factors[other]))
        assert {(row[one], row[other]) for row in found} == wanted, (one, other)


@pytest.mark.parametrize("blueprint", golden.BLUEPRINTS)
def test_whatever_is_answered_is_clean(blueprint: str, tmp_path: Path) -> None:
    """Documents parse, and linter and formatter have nothing to do."""
    yaml = YAML(typ="safe", pure=True)
    for number, answers in enumerate(pairwise.rows(blueprint)):
        tree = golden.target(blueprint, answers).rendered.tree
        golden.write(tmp_path / str(number), tree)
        tomllib.loads(tree["pyproject.toml"].content.decode())
        for path in tree:
            if path.startswith((".github/", "ops/", "governance/")) and path.endswith((".yml", ".yaml")):
                assert yaml.load(tree[path].content) is not None, path
    for command in (("check",), ("format", "--check")):
        done = subprocess.run(
            [str(BIN / "ruff"), *command, "--no-cache", "."], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.product
@pytest.mark.parametrize("number", range(len(ROWS)))
def test_whatever_is_answered_works(number: int, tmp_path: Path) -> None:
    """Installed with what its answers ask for, a project passes its own checks."""
    target = golden.target(GROWN, ROWS[number])
    golden.write(tmp_path / "project", target.rendered.tree)
    product: Product = opened(tmp_path / "project", tmp_path / "home", target.answers["package"])
    product.online.must("make --no-print-directory install", timeout=900)
    product.shell.must("make --no-print-directory lint", timeout=900)
    all_pass(product)
