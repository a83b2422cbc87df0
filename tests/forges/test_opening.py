"""Which host it is, what a repository is called there, where its token is found, and that nobody gets to see it."""

from __future__ import annotations

import copy
import os
import pickle
import sys
from pathlib import Path

import pytest

from ai_factory.errors import UsageError
from ai_factory.forge.opening import Spec, forge_at, name_of, spec
from ai_factory.forge.tokens import Token, token_for
from tests.kit import git, put, refusal

HOME = "https://git.example.org"


@pytest.mark.parametrize(
    ("kind", "api", "expected", "host"),
    [
        ("github", "", "https://api.github.com", "github.com"),
        ("github", "https://github.com", "https://api.github.com", "github.com"),
        ("github", HOME, f"{HOME}/api/v3", "git.example.org"),
        ("github", "https://api.firm.ghe.com", "https://api.firm.ghe.com", "firm.ghe.com"),
        ("gitlab", "", "https://gitlab.com/api/v4", "gitlab.com"),
        ("gitlab", f"{HOME}:8443/lab/api/v4/", f"{HOME}:8443/lab/api/v4", "git.example.org:8443"),
        ("gitea", "http://127.0.0.1:3000", "http://127.0.0.1:3000/api/v1", "127.0.0.1:3000"),
        ("gitea", "http://[::1]:3000", "http://[::1]:3000/api/v1", "[::1]:3000"),
    ],
)
def test_a_host_may_be_named_in_short(kind: str, api: str, expected: str, host: str) -> None:
    found = spec(kind, api)
    assert (found.api, found.host, found.variable) == (expected, host, f"{kind.upper()}_TOKEN")
    assert spec(kind, api, "FLEET").variable == "FLEET"


@pytest.mark.parametrize(
    ("kind", "api"),
    [
        ("bitbucket", ""),
        ("gitea", ""),
        ("github", "http://git.example.org"),
        ("github", "http://127.0.0.1.example.org"),
        ("github", "https://user:secret@git.example.org"),
        ("github", "https://git.example.org/?x=1"),
        ("github", "ftp://git.example.org"),
        ("github", "git.example.org"),
        ("github", "https://git.example.org\n.evil"),
        ("github", "https://"),
        ("github", "https://git.example.org:port"),
    ],
)
def test_an_address_that_gets_no_token(kind: str, api: str) -> None:
    """Plain http is for this machine alone; an address is an address and nothing more."""
    assert isinstance(refusal(lambda: spec(kind, api)), UsageError)


LAB = spec("gitlab", f"{HOME}:8443/lab")


@pytest.mark.parametrize(
    ("url", "at", "expected"),
    [
        ("https://github.com/risk/credit-line.git", spec("github"), "risk/credit-line"),
        ("https://github.com/risk/credit-line/", spec("github"), "risk/credit-line"),
        ("git@github.com:risk/credit-line.git", spec("github"), "risk/credit-line"),
        ("ssh://git@ssh.github.com:443/risk/credit-line.git", spec("github"), "risk/credit-line"),
        (f"{HOME}:8443/lab/risk/eu/credit-line.git", LAB, "risk/eu/credit-line"),
        ("ssh://git@git.example.org:2222/lab/risk/credit-line", LAB, "risk/credit-line"),
    ],
)
def test_the_name_of_a_repository(url: str, at: Spec, expected: str) -> None:
    assert name_of(url, at) == expected


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("https://gitlab.com/risk/credit-line.git", spec("github")),
        ("https://github.com.evil.org/risk/credit-line.git", spec("github")),
        ("https://github.com/risk/eu/credit-line.git", spec("github")),
        ("https://github.com/risk", spec("github")),
        ("https://github.com/../risk/x", spec("github")),
        ("https://github.com/risk/..", spec("github")),
        ("https://github.com/risk/a%2Fb", spec("github")),
        (f"{HOME}/lab/risk/x.git", LAB),
        (f"{HOME}:8443/laboratory/risk/x.git", LAB),
        ("/srv/git/risk/x.git", spec("github")),
        ("file:///github.com/risk/x", spec("github")),
        ("https://user:secret@github.com/risk/x.git", spec("github")),
    ],
)
def test_an_address_of_another_host_or_of_no_repository(url: str, at: Spec) -> None:
    error = refusal(lambda: name_of(url, at))
    assert (isinstance(error, UsageError), "secret" in error.message + error.hint) == (True, False)


# ---- the token -----------------------------------------------------------------------------------


def test_a_token_shows_nothing_and_goes_to_its_host_alone() -> None:
    token = Token("s3cret", "github.com")
    shown = [repr(token), str(token), f"{token}", f"{token:>30}", f"{[token]}", "%s" % token]  # noqa: UP031 - that way too
    assert shown == ["***", "***", "***", "***", "[***]", "***"]
    assert token.secret_for("github.com") == "s3cret"
    error = refusal(lambda: token.secret_for("github.com.evil.org"))
    assert (error.message, "s3cret" in error.hint) == (
        "the token for `github.com` is not for `github.com.evil.org`",
        False,
    )
    for written in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a token is not written down"):
            written(token)
    assert not hasattr(token, "__dict__")


@pytest.mark.parametrize("secret", ["", "two words", "a\nX-Evil: 1", "naïve", "\x00"])
def test_what_is_no_token(secret: str) -> None:
    """It stands in a header, which it must not end; and it is not shown for being wrong."""
    error = refusal(lambda: Token(secret, "github.com"))
    assert (error.message, error.hint) == (
        "what is given as the token for `github.com` is none",
        "a token is one word: look at where it comes from",
    )


def helper(folder: Path, said: str) -> Path:
    """A person's credential helper that says so, and notes what it was asked."""
    put(folder, {"helper": f'#!/bin/sh\necho "$1" >> "{folder}/log"\ncat >> "{folder}/log"\n{said}\n'})
    (folder / "helper").chmod(0o755)
    git(folder, "config", "--global", "credential.https://github.com.helper", str(folder / "helper"))
    return folder / "log"


def test_the_environment_comes_first_then_the_helper(tmp_path: Path) -> None:
    """Whichever variable the registry names; the helper is asked for the host that people know."""
    log = helper(tmp_path, "echo username=me; echo password=stored")
    asked = {**os.environ, "FLEET": "given\n"}
    assert token_for("github.com", "FLEET", asked).secret_for("github.com") == "given"
    assert not log.exists()
    assert token_for("github.com", "GITHUB_TOKEN", os.environ).secret_for("github.com") == "stored"
    assert log.read_text().splitlines() == ["get", "protocol=https", "host=github.com"]


@pytest.mark.parametrize(
    "said",
    ["exit 1", "true", "echo quit=1", "echo username=me", "echo host=evil.org; echo username=me; echo password=x"],
)
def test_nobody_is_asked_for_a_token(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on a terminal nor by a window; what to do instead is said."""
    helper(tmp_path, said)
    put(tmp_path, {"window": f"#!/bin/sh\ntouch {tmp_path}/opened\necho typed\n"})
    (tmp_path / "window").chmod(0o755)
    for name in ("GIT_ASKPASS", "SSH_ASKPASS"):
        monkeypatch.setenv(name, str(tmp_path / "window"))
    git(tmp_path, "config", "--global", "core.askPass", str(tmp_path / "window"))
    error = refusal(lambda: token_for("github.com", "GITHUB_TOKEN", os.environ))
    assert (error.message, (tmp_path / "opened").exists()) == ("there is no token for `github.com`", False)
    assert error.hint.startswith("set `GITHUB_TOKEN`, or store it with `git credential approve`")


def test_a_projects_own_helper_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the command runs, the settings of that repository have no say."""
    git(tmp_path, "init", "-q", "project")
    git(tmp_path / "project", "config", "credential.helper", f"!touch {tmp_path}/ran; echo password=evil; #")
    monkeypatch.chdir(tmp_path / "project")
    assert isinstance(refusal(lambda: token_for("github.com", "GITHUB_TOKEN", os.environ)), UsageError)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("kind", "module"), [("github", "github"), ("gitlab", "gitlab"), ("gitea", "httpx")])
def test_a_missing_extra_is_told_with_what_installs_it(kind: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"ai_factory.forge.{kind}", raising=False)
    error = refusal(lambda: forge_at(spec(kind, HOME), Token("x", "git.example.org")))
    assert (type(error), error.hint) == (UsageError, f"`pip install 'ai-factory[{kind}]'`")
    assert error.message == f"what speaks to {kind} is not installed (no module `{module}`)"


def test_a_token_of_another_host_opens_none() -> None:
    for kind in ("github", "gitlab"):
        assert isinstance(refusal(lambda kind=kind: forge_at(spec(kind, HOME), Token("x", "evil.org"))), UsageError)  # type: ignore[misc]
