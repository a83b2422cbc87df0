"""A stranger's computation cannot take the machine along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ai_factory import isolate
from ai_factory.errors import AnswersError, AuthorError
from tests.kit import cli, put


def test_a_result_comes_back_whole() -> None:
    assert isolate.limited(lambda: {"a": [b"\0" * 10**6, os.getppid()]}, "x") == {"a": [b"\0" * 10**6, os.getpid()]}


def test_an_error_comes_back_as_it_was_raised() -> None:
    def fail() -> None:
        raise AnswersError({"key": "is wrong"}, "mend it")

    with pytest.raises(AnswersError) as caught:
        isolate.limited(fail, "x")
    assert (caught.value.problems, caught.value.hint) == ({"key": "is wrong"}, "mend it")


@pytest.mark.parametrize("compute", [lambda: b"x" * 10**11, lambda: [0] * 10**10, lambda: os._exit(9)])
def test_exhaustion_is_the_authors_mistake(compute: object) -> None:
    assert callable(compute)
    with pytest.raises(AuthorError, match="the factory takes more than 1024 MiB of memory or 30 seconds"):
        isolate.limited(compute, "the factory")


def test_time_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolate, "SECONDS", 0)  # and the one that every child has

    def loop() -> None:
        while True:
            pass

    with pytest.raises(AuthorError):
        isolate.limited(loop, "the factory")


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a'.ljust(10**12) }}",
        "{{ 'a' * 10**9 }}",
        "{{ '%0999999999999d' | format(1) }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ 'x'.ljust(999) }}{% endfor %}{% endfor %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_an_exploding_template_is_refused_and_nothing_is_written(
    template: str, tmp_path: Path, factory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolate, "SECONDS", 3)
    put(factory, {"templates/core/files/a.txt.jinja": template})
    result = cli("new", "small", "p", "--defaults", "--factory", str(factory), cwd=tmp_path)
    assert (result.code, (tmp_path / "p").exists(), result.err.startswith("error: ")) == (2, False, True)
