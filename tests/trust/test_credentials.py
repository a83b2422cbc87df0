"""Private factories: a person's own credential helper is asked, for the host of the address and for no other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import Result, cli, commit, git, put
from tests.trust.web import Handler, Server, moved, private, serving

PASSWORD = "user:a secret!"  # noqa: S105 - of a server that lives as long as a test


@pytest.fixture
def server(factory: Path, tmp_path: Path) -> Iterator[Server]:
    """The small factory as a private repository on a server."""
    git(tmp_path, "clone", "-q", "--bare", str(factory), "www/factory.git")
    with serving(private(tmp_path / "www", PASSWORD)) as running:
        yield running


def helper(folder: Path, name: str = "helper") -> tuple[str, Path]:
    """A credential helper that gives the password to whoever asks, and the file in which it notes who did."""
    log = folder / f"{name}.log"
    user, _, password = PASSWORD.partition(":")
    said = f'[ "$1" = get ] && echo username={user} && echo "password={password}"'
    put(folder, {name: f'#!/bin/sh\necho "$1" >> "{log}"\ncat >> "{log}"\n{said}\n'})
    (folder / name).chmod(0o755)
    return str(folder / name), log


def stamp(server: Server, *options: str) -> Result:
    return cli(
        "new", "small", "p", "--defaults", "--factory", f"{server.url}/factory.git", *options, cwd=os.environ["HOME"]
    )


def everything(folder: Path) -> bytes:
    """All that lies in the files of a folder."""
    return b"".join(place.read_bytes() for place in folder.rglob("*") if place.is_file())


def test_a_persons_helper_opens_a_private_factory_and_the_password_stays_with_it(
    server: Server, tmp_path: Path
) -> None:
    script, log = helper(tmp_path)
    git(tmp_path, "config", "--global", "credential.helper", script)
    result = stamp(server)
    assert (result.code, server.credentials) == (0, {PASSWORD})
    assert log.read_text().splitlines()[:3] == ["get", "protocol=http", f"host={server.url.removeprefix('http://')}"]
    home = Path(os.environ["HOME"])
    assert b"a secret" not in everything(home) + (result.out + result.err).encode()
    project = home / "p"
    put(project, {"ops/runbook.md": "edited\n"})
    commit(project)
    assert cli("sync", "--plan", cwd=project).code == 0
    assert cli("status", "--remote", cwd=project).code == 0


@pytest.mark.parametrize("where", ["scoped", "included", "system", "environment"])
def test_a_helper_is_found_wherever_git_lets_a_person_name_it(
    where: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, _ = helper(tmp_path)
    if where == "scoped":
        git(tmp_path, "config", "--global", f"credential.{server.url}.helper", script)
    elif where == "included":
        put(tmp_path, {"more": f"[credential]\n\thelper = {script}\n"})
        git(tmp_path, "config", "--global", "include.path", str(tmp_path / "more"))
    elif where == "system":
        put(tmp_path, {"system": f"[credential]\n\thelper = {script}\n"})
        monkeypatch.delenv("GIT_CONFIG_NOSYSTEM")
        monkeypatch.setenv("GIT_CONFIG_SYSTEM", str(tmp_path / "system"))
    else:
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", "credential.helper")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", script)
    assert stamp(server).code == 0


def test_gits_own_store_opens_a_private_factory(server: Server, tmp_path: Path) -> None:
    address = server.url.replace("//", "//user:a%20secret!@")
    put(Path(os.environ["HOME"]), {".git-credentials": f"{address}\n"})
    git(tmp_path, "config", "--global", "credential.helper", "store")
    assert stamp(server).code == 0


def test_a_helper_for_another_host_is_not_asked(server: Server, tmp_path: Path) -> None:
    script, log = helper(tmp_path)
    git(tmp_path, "config", "--global", "credential.https://other.invalid.helper", script)
    result = stamp(server)
    assert (result.code, log.exists(), server.credentials - {":"}) == (2, False, set())


def test_without_a_password_nobody_is_asked_for_one(server: Server) -> None:
    result = stamp(server)
    assert (result.code, result.err.splitlines()[-1]) == (
        2,
        "hint: nobody is asked for a password here: set up a credential helper of git's for that host",
    )
    assert not Path(os.environ["HOME"], "p").exists()


def test_a_wrong_password_is_not_shown(server: Server, tmp_path: Path) -> None:
    put(tmp_path, {"wrong": '#!/bin/sh\n[ "$1" = get ] && echo username=user && echo password=mistaken\n'})
    (tmp_path / "wrong").chmod(0o755)
    git(tmp_path, "config", "--global", "credential.helper", str(tmp_path / "wrong"))
    for more in ([], ["--json"]):
        result = stamp(server, *more)
        assert (result.code, "mistaken" in result.out + result.err) == (2, False)


def test_a_projects_own_helper_never_runs(server: Server, tmp_path: Path) -> None:
    script, _ = helper(tmp_path)
    git(tmp_path, "config", "--global", "credential.helper", script)
    assert stamp(server, "--version", "v1.0.0").code == 0
    git(tmp_path, "config", "--global", "--unset", "credential.helper")
    project = Path(os.environ["HOME"], "p")
    evil, log = helper(tmp_path, "evil")
    for key in ("credential.helper", f"credential.{server.url}.helper"):
        git(project, "config", key, evil)
    git(project, "config", f"url.{server.url}/evil.git.insteadOf", f"{server.url}/factory.git")
    git(project, "config", "http.proxy", server.url)
    for command in (["sync"], ["status", "--remote"], ["sync", "--plan"]):
        assert cli(*command, cwd=project).code == 2
    assert log.exists() is False


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_another_address_and_gets_no_password(status: int, server: Server, tmp_path: Path) -> None:
    """Neither the helper is asked for it, nor does what was meant for one host travel to the other."""
    script, log = helper(tmp_path)
    git(tmp_path, "config", "--global", "credential.helper", script)
    with serving(moved(lambda: server.url, status)) as first:
        result = stamp(first)
        assert (result.code, result.err.splitlines()[-1]) == (
            2,
            "hint: it leads to another address: name that one, if you trust it",
        )
    assert (server.asked, log.exists()) == ([], False)


def test_what_a_server_names_besides_is_not_asked_with_the_password(
    server: Server, factory: Path, tmp_path: Path
) -> None:
    """A simple server may say that its objects lie elsewhere too."""
    script, _ = helper(tmp_path)
    git(tmp_path, "config", "--global", "credential.helper", script)
    git(tmp_path, "clone", "-q", "--bare", str(factory), "simple/factory.git")
    simple = tmp_path / "simple/factory.git"
    git(simple, "update-server-info")
    for place in (simple / "objects").rglob("*"):
        if place.is_file() and place.parent.name != "info":
            place.unlink()
    put(simple, {"objects/info/http-alternates": f"{server.url}/factory.git/objects\n", "objects/info/packs": ""})

    def answer(handler: Handler) -> None:
        place = tmp_path / "simple" / handler.path.partition("?")[0].lstrip("/")
        if handler.credentials != PASSWORD:
            handler.say(401, WWW_Authenticate='Basic realm="simple"')
        else:
            handler.say(*((200, place.read_bytes()) if place.is_file() else (404, b"")))

    with serving(answer) as first:
        assert stamp(first).code == 2
        assert first.credentials == {PASSWORD}
    assert server.asked == []


def test_a_refused_fetch_leaves_nothing(server: Server) -> None:
    assert stamp(server).code == 2
    assert everything(Path(os.environ["HOME"])) == b""
