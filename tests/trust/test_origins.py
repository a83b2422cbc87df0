"""From where a project takes: what it says itself counts for a person only, and only where it always said so."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ai_factory.factory import is_remote
from tests.kit import cli, commit, git, put, refusal, small_factory, small_project, snapshot

PROJECT, LOCK = ".ai-factory/project.yaml", ".ai-factory/lock.json"


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """Another factory, at a newer version."""
    return small_factory(tmp_path / "evil")


@pytest.fixture
def in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")


def redirected(project: Path, factory: Path, evil: Path, *files: str) -> None:
    """Write the other factory into the project's files, as a pull request could."""
    for name in files:
        put(project, {name: (project / name).read_text().replace(str(factory), str(evil))})
    commit(project)


def untouched(project: Path, *commands: list[str]) -> list[tuple[int, str]]:
    """The exit codes and first lines of commands, none of which may change a byte."""
    before = snapshot(project)
    results = [cli(*command, cwd=project) for command in commands]
    assert snapshot(project) == before
    return [(result.code, result.err.splitlines()[0] if result.err else "") for result in results]


def test_a_persons_sync_takes_the_origin_on_which_both_files_agree(project: Path) -> None:
    assert cli("sync", cwd=project).code == 0


def test_where_they_differ_nothing_is_read_until_a_person_accepts(project: Path, factory: Path, evil: Path) -> None:
    redirected(project, factory, evil, PROJECT)
    message = f"error: the project came from `{factory}`, and would now take from `{evil}`"
    commands = (["sync"], ["sync", "--plan"], ["status"], ["status", "--remote"], ["diff", "--incoming"])
    assert untouched(project, *commands) == [(4, message)] * 5
    assert cli("sync", "--accept-factory", str(factory), cwd=project).code == 0  # the old one is no other origin
    git(project, "reset", "-q", "--hard")
    assert cli("sync", "--accept-factory", str(evil), cwd=project).code == 0
    assert json.loads((project / LOCK).read_text())["factory"]["url"] == str(evil)


def test_consent_is_for_one_address(project: Path, factory: Path, evil: Path) -> None:
    redirected(project, factory, evil, PROJECT)
    other = ["sync", "--factory", str(evil), "--accept-factory", f"{evil}2"]
    assert [code for code, _ in untouched(project, ["sync", "--factory", str(evil)], other)] == [4, 4]


def test_consent_for_machines_is_a_document(project: Path, factory: Path, evil: Path) -> None:
    redirected(project, factory, evil, PROJECT)
    result = cli("sync", "--json", cwd=project)
    assert (result.code, result.data["kind"], result.data["exit_code"]) == (4, "consent", 4)


def test_the_command_in_the_hint_is_one_command(project: Path, factory: Path, tmp_path: Path) -> None:
    odd = small_factory(tmp_path / "it's; touch pwned")
    redirected(project, factory, odd, PROJECT)
    result = cli("sync", cwd=project)
    quoted = "'" + str(odd).replace("'", "'\"'\"'") + "'"
    assert (result.code, result.err.splitlines()[-1]) == (
        4,
        f"hint: if that is right: `ai-factory sync --accept-factory {quoted}`",
    )


@pytest.mark.usefixtures("in_ci")
@pytest.mark.parametrize("files", [(), (PROJECT,), (PROJECT, LOCK)])
def test_in_ci_an_origin_is_never_taken_from_the_project(
    files: tuple[str, ...], project: Path, factory: Path, evil: Path
) -> None:
    redirected(project, factory, evil, *files)
    wanted = evil if files else factory
    message = f"error: in CI, the factory `{wanted}` is not taken from the project (AF005)"
    assert untouched(project, ["sync"], ["sync", "--plan"], ["status", "--remote"]) == [(2, message)] * 3
    assert cli("sync", "--json", cwd=project).data["rule"] == "AF005"


@pytest.mark.usefixtures("in_ci")
@pytest.mark.parametrize(
    ("files", "place"), [((PROJECT,), "project.yaml"), ((LOCK,), "the lock"), ((PROJECT, LOCK), "the lock")]
)
def test_in_ci_a_factory_that_is_named_must_be_the_projects(
    files: tuple[str, ...], place: str, project: Path, factory: Path, evil: Path
) -> None:
    redirected(project, factory, evil, *files)
    message = f"error: the factory is `{factory}`, and {place} names `{evil}` (AF005)"
    assert untouched(project, ["sync", "--factory", str(factory)]) == [(2, message)]


@pytest.mark.usefixtures("in_ci")
def test_in_ci_a_named_factory_and_a_named_consent_count(project: Path, factory: Path, evil: Path) -> None:
    assert cli("sync", "--factory", str(factory), "--to", "v2.0.0", cwd=project).code == 0
    git(project, "reset", "-q", "--hard")
    assert cli("sync", "--accept-factory", str(evil), "--to", "v2.0.0", cwd=project).code == 0


@pytest.mark.usefixtures("in_ci")
def test_in_ci_a_project_of_the_embedded_factory_needs_no_name(tmp_path: Path, evil: Path) -> None:
    """It travels with the tool; but once the project names another, that is not taken from it."""
    project = tmp_path / "p"
    assert cli("new", "tabular-decision", str(project), "--defaults").code == 0
    assert cli("sync", "--plan", cwd=project).code == 0
    put(project, {PROJECT: (project / PROJECT).read_text().replace("embedded", str(evil))})
    commit(project)
    assert untouched(project, ["sync"]) == [
        (2, f"error: in CI, the factory `{evil}` is not taken from the project (AF005)")
    ]


# ---- addresses -----------------------------------------------------------------------------------

SECRETS = (
    *("https://user:secret@git.example.org/f.git", "https://secret@git.example.org/f.git", "HTTPS://a:secret@h/f"),
    *("ssh://git:secret@git.example.org/f.git", "http://u:secret@localhost/f", "git:secret@git.example.org:f.git"),
    *("https://git.example.org/f.git?private_token=secret", "https://x:secret%40y@git.example.org/f"),
)


@pytest.mark.parametrize("url", SECRETS)
@pytest.mark.parametrize(
    "command",
    [
        ["new", "small", "p", "--factory"],
        ["blueprint", "list", "--factory"],
        ["sync", "--factory"],
        ["sync", "--accept-factory"],
    ],
    ids=" ".join,
)
def test_a_password_in_an_address_is_refused_and_never_shown_or_kept(
    url: str, command: list[str], project: Path, tmp_path: Path
) -> None:
    before = snapshot(tmp_path)
    for more in ([], ["--json"]):
        result = cli(*command, url, *more, cwd=project)
        assert (result.code, "secret" in result.out + result.err) == (2, False)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "url",
    [
        *("ext::sh -c 'touch pwned'", "EXT::x", "fd::7", "transport::x", "a@b::c", "git://h/f", "ftp://h/f", "javascript://x"),
        *("http://git.example.org/f.git", "http://localhost.evil.org/f", "http://localhost@evil.org/f", "http://[::1]@e/f"),
        *("--upload-pack=touch pwned", "-oProxyCommand=touch pwned", "ssh://-oProxyCommand=x/f", "ssh://git@-oProxyCommand=x/f"),
        *("-x@host:path", "git@-oProxyCommand=x:f", "git@host:-oProxyCommand=x", "git@host:--upload-pack=x"),
        *("ssh://%2doProxyCommand=x/f", "ssh://git%40evil@host/f", "https://host%2eevil/f", "https://host/f%0a", "https://host/%00"),
        *("https://host/f\n", "https://host/\x1b[31m", "https://host/a b", "https://host/$(touch pwned)", "https://host/`x`"),
        *("https://host\\@evil/f", "https:///f", "https://", "ssh://host", "file://host/f", "file://-x", "https://host/f;x"),
        *("https://host/\u202egit", "https://h\u00f6st/f", "https://host:x/f", "ssh://host:-1/f", "file:///f\n/x"),
    ],
)  # fmt: skip
def test_what_is_more_than_an_address_is_none(url: str) -> None:
    """Other transports, options in any place, characters that a shell, a line or a percent sign makes more of."""
    assert refusal(lambda: is_remote(url)).exit_code == 2


@pytest.mark.parametrize(
    "url",
    [
        *("https://git.example.org/team/f.git", "https://git.example.org:8443/a/b", "https://h/o/p%20q/_git/r"),
        *("ssh://git@git.example.org/f.git", "ssh://host:2222/~me/f", "git@h.example.org:team/f.git", "git@host:~me/f"),
        *("file:///srv/it's a folder/f.git", "http://localhost:3000/f.git", "http://[::1]:80/f", "https://[2001:db8::1]/f"),
        *("https://git.example.org/\u00fcnit/f.git", "https://git.example.org/a+b,c=d:e@f/~g!"),
    ],
)  # fmt: skip
def test_an_ordinary_address_is_one(url: str) -> None:
    assert is_remote(url) is True


SPELLINGS = (
    *("{}/", "{}/.", "{}/../{name}", "{}//", "./{}"),  # a folder, by other names: one place
    *("https://git.example.org/a/../b.git", "https://git.example.org/b", "https://GIT.example.org/b.git"),
    *("https://git.example.org/%62.git", "https://git.example.org:443/b.git", "ssh://git@git.example.org/b.git"),
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_another_spelling_of_an_address_is_another_address(spelling: str, project: Path, factory: Path) -> None:
    """Addresses are compared as they are, by no prefix and no reading of ours; folders by where they are."""
    lock = json.loads((project / LOCK).read_text())
    is_folder = "{}" in spelling
    lock["factory"]["url"] = str(factory) if is_folder else "https://git.example.org/b.git"
    wanted = os.path.relpath(factory, project) if spelling == "./{}" else spelling.format(factory, name=factory.name)
    text = (project / PROJECT).read_text().replace(str(factory), wanted)
    put(project, {LOCK: json.dumps(lock), PROJECT: text})
    commit(project)
    assert cli("sync", "--plan", "--offline", cwd=project).code == (0 if is_folder else 4)


def test_over_ssh_nobody_is_asked_and_no_option_is_smuggled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    put(tmp_path, {"bin/ssh": f'#!/bin/sh\nfor word in "$@"; do echo "$word" >> {log}; done\nexit 1\n'})
    (tmp_path / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_ASKPASS", str(tmp_path / "bin/ssh"))
    monkeypatch.delenv("GIT_SSH_COMMAND", raising=False)
    for url in ("git@git.example.org:team/f.git", "ssh://git@git.example.org:2222/team/f.git"):
        result = cli("blueprint", "list", "--factory", url, cwd=tmp_path)
        assert (
            result.code,
            result.err.splitlines()[0].startswith(f"error: the factory `{url}` cannot be reached"),
        ) == (
            2,
            True,
        )
    words = log.read_text().splitlines()
    assert words[0] == "-oBatchMode=yes"
    assert [word for word in words if word.startswith("-")] == [
        *("-oBatchMode=yes", "-o", "-oBatchMode=yes", "-o", "-p"),
    ]
    assert words.count("git@git.example.org") == 2


# ---- versions ------------------------------------------------------------------------------------

REFERENCES = (
    *("--upload-pack=touch pwned", "-h", "--", "", " ", "v1.0.0\nmain", "HEAD:templates", ":/v1", "main@{1}", "@{-1}"),
    *("v1.0.0^{tree}", "v1.0.0^{/v1}", "\x1b[31m", "refs/heads/../../x", "v\\1"),
)


@pytest.mark.parametrize("reference", [text for text in REFERENCES if text])
def test_a_version_is_a_name_and_no_option_or_search(reference: str, project: Path, factory: Path) -> None:
    before = snapshot(project.parent)
    for command in (["sync", f"--to={reference}"], ["new", "small", "p", "--defaults", f"--version={reference}"]):
        more = ["--factory", str(factory)] if command[0] == "new" else []
        assert cli(*command, *more, cwd=project.parent if more else project).code == 2
    assert snapshot(project.parent) == before


def test_a_tag_that_looks_like_an_option_is_a_tag(project: Path, factory: Path) -> None:
    """Git lets a server send one; it is never the newest release, and cannot be asked for."""
    commit_ = git(factory, "rev-parse", "HEAD")
    put(factory, {".git/refs/tags/--upload-pack=touch pwned": f"{commit_}\n", ".git/refs/tags/-v9.0.0": f"{commit_}\n"})
    assert cli("sync", "--plan", "--json", cwd=project).data["to"]["version"] == "v2.0.0"


@pytest.mark.parametrize("reference", ["v1.0.0", "v1", "main~1", "{}"])
def test_a_sync_never_goes_back(reference: str, factory: Path, tmp_path: Path) -> None:
    """Neither by number nor by history."""
    project = small_project(tmp_path / "p", factory, version="v2.0.0")
    older = git(factory, "rev-parse", "v1.0.0")
    git(factory, "tag", "v1", "v1.0.0")
    code, line = untouched(project, ["sync", "--to", reference.format(older)])[0]
    assert (code, line.startswith("error: the project is at version v2.0.0")) == (2, True)


def test_a_tag_that_moved_is_no_version_to_go_to(project: Path, factory: Path) -> None:
    old = git(factory, "rev-parse", "v1.0.0")
    new = commit(factory, "rewritten")
    git(factory, "tag", "-f", "v1.0.0")
    message = f"error: the tag `v1.0.0` of the factory has moved: it was {old[:12]}, and is {new[:12]}"
    assert untouched(project, ["sync", "--to", "v1.0.0"]) == [(2, message)]
    git(factory, "tag", "-d", "v2.0.0")
    assert untouched(project, ["sync"]) == [(2, message)]
