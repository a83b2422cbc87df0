"""A project that has left the factory goes on by itself: what it has of tools, tests and stages works as before."""

from __future__ import annotations

import pytest

from tests.products.product import TEST_SECONDS, Make

pytestmark = pytest.mark.product


def test_an_ejected_project_lints_tests_and_runs(copy_of: Make) -> None:
    copied = copy_of("service-component")
    before = copied.evidence("intake")
    copied.shell.must("ai-factory eject && git commit --quiet -m 'Leave the factory'")
    assert not (copied.folder / ".ai-factory").exists()
    for target in ("lint", "test", "run"):
        copied.shell.must(f"make --no-print-directory {target}", TEST_SECONDS)
    assert copied.evidence("intake") == before
