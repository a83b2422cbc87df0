"""One installed project a blueprint, made once in a session and shared; who breaks one works on a copy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests import golden
from tests.products.product import Make, Product, stamped


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """A blueprint's project with all defaults, and its environment; only to be read and run."""

    @cache
    def make(blueprint: str) -> Product:
        package = golden.target(blueprint, {}).answers["package"]
        product = stamped(tmp_path_factory.mktemp("product"), blueprint, package)
        product.online.must("make --no-print-directory install", timeout=900)
        return product

    return make


@pytest.fixture(scope="session")
def has_run(installed: Make) -> Callable[[str], tuple[Product, str]]:
    """The same after one run of its pipeline, and what that printed."""

    @cache
    def make(blueprint: str) -> tuple[Product, str]:
        product = installed(blueprint)
        done = product.run()
        assert done.code == 0, done.text
        return product, done.text

    return make


@pytest.fixture
def copy_of(has_run: Callable[[str], tuple[Product, str]], tmp_path: Path) -> Make:
    """A copy of a blueprint's project after its run, free to be broken."""
    return lambda blueprint: has_run(blueprint)[0].copy(tmp_path)
