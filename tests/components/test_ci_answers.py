"""What CI is told by answers: no word of them is more than a word to a shell, to YAML, to pip and to the check."""

from __future__ import annotations

import shlex

import pytest
import yaml

from ai_factory import documents
from ai_factory.factory import is_remote
from ai_factory.sandbox import Templates
from tests import golden

HASH = "a" * 64
INSTALLED = (
    "",
    "ai-factory==0.1.0",
    "ai-factory==1.0.post1+local.2",
    "--index-url https://index.example:8443/simple ai-factory==0.1.0",
    "--index-url=https://index.example/simple/ --no-deps ai-factory==0.1.0",
    "--no-index --find-links wheels --constraint ci/constraints.txt ai-factory==0.1.0",
    "wheels/ai_factory-0.1.0-py3-none-any.whl",
    f"https://files.example/ai_factory-0.1.0-py3-none-any.whl#sha256={HASH}",
)
NOT_INSTALLED = (
    *("ai-factory", "ai-factory>=0.1,==0.1.0", "ai-factory foo==1", "ai-factory==*", "*==1", "x===1", "x ==1"),
    *("ai-factory==0.1.0 | true", "x==1;y", "$(x)==1", "~/x.whl", "pkg[e]==1", "x==1 #c", "x==1 > y"),
    *("x==1: y", "x==1\ty", "x==1\ny", "x==1  y==2", " x==1", "x==1 ", "--index-url https://h: x==1"),
    *("-r list.txt x==1", "-e . x==1", "./ x==1", "--pre x==1", "x==1 --index-url", "--index-url http://h x==1"),
    *("https://user:s3cret@h/x.whl", "http://h/x.whl", "git+https://h/x==1", "git+https://h/x.whl", "-e.whl"),
    *("--index-url=https://u@h/ x==1", "https://h/x.whl#sha256=1", "x.whl#md5=1", "--find-links=x"),
)
TRUSTED = (
    *("embedded", "https://git.example.org/platform/factory.git", "https://git.example.org:8443/f", "/opt/factory"),
    *("ssh://git@git.example.org:22/f.git", "ssh://git.example.org/f", "git@git.example.org:f.git", "file:///opt/f"),
)
NOT_TRUSTED = (
    *(
        "",
        "EMBEDDED",
        "v1",
        "./x",
        "-x",
        "ext::sh",
        "http://h/x",
        "ftp://h/x",
        "https://h",
        "https:///x",
        "a b",
        "/a b",
    ),
    *("https://user:pw@h/x", "https://user@h/x", "ssh://u:p@h/x", "ssh://@h/x", "u:p@h:x", "@h:x", "a@b@h:x"),
    *("git@h::x", "git@h:-x", "git@h:", "/a$(x)", "https://h/x?y", "/a\n", "/a;b", "https://h/x y", "/a b"),
)


@pytest.fixture(scope="module")
def refused() -> dict[str, str]:
    """The validators of the questions."""
    place = golden.ROOT / "templates/base/copier.yml"
    questions = documents.load(place.read_bytes(), str(place))
    return {name: questions[name]["validator"] for name in ("ai_factory_install", "ai_factory_source")}


def why(validators: dict[str, str], name: str, answer: str) -> str:
    return Templates(lambda _: None).text(validators[name], {name: answer}, name).strip()


@pytest.mark.parametrize("answer", INSTALLED)
def test_an_exact_pin_or_a_wheel_is_installed(answer: str, refused: dict[str, str]) -> None:
    """And a shell sees the words that a person wrote, in the line of YAML in which they stand."""
    assert why(refused, "ai_factory_install", answer) == ""
    assert shlex.split(answer) == answer.split()
    assert yaml.safe_load(f"- pip install {answer}") == [f"pip install {answer}".strip()]


@pytest.mark.parametrize("answer", NOT_INSTALLED)
def test_nothing_else_is_installed(answer: str, refused: dict[str, str]) -> None:
    said = why(refused, "ai_factory_install", answer)
    assert (said != "", "s3cret" in said) == (True, False)


@pytest.mark.parametrize("answer", TRUSTED)
def test_a_factory_that_a_check_takes_can_be_trusted(answer: str, refused: dict[str, str]) -> None:
    assert why(refused, "ai_factory_source", answer) == ""
    assert is_remote(answer) is not answer.startswith(("embedded", "/"))


@pytest.mark.parametrize("answer", NOT_TRUSTED)
def test_no_other_word_is_a_factory(answer: str, refused: dict[str, str]) -> None:
    said = "embedded, a folder from the top (/…), or an https or ssh address without a password"
    assert why(refused, "ai_factory_source", answer) == said
