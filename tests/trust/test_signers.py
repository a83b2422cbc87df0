"""Signed releases: who asks for signatures gets releases that somebody named signed, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.kit import Result, cli, commit, git, put, small_factory, snapshot

VARIABLE = "AI_FACTORY_ALLOWED_SIGNERS"
GOOD = re.compile(r"alice@example\.org \(ED25519 SHA256:[A-Za-z0-9+/]{43}\)")


def key(folder: Path, name: str) -> Path:
    """A new key; its public half."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name], check=True)
    return folder / f"{name}.pub"


def sign(factory: Path, tag: str, public: Path, commit_: str = "HEAD") -> None:
    settings = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={public}")
    git(factory, *settings, "tag", "--force", "--sign", "-m", tag, tag, commit_)


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    return key(tmp_path / "keys", "alice")


@pytest.fixture
def mallory(tmp_path: Path) -> Path:
    return key(tmp_path / "keys", "mallory")


@pytest.fixture
def signers(tmp_path: Path, alice: Path) -> str:
    """The file of allowed signers: Alice."""
    put(tmp_path, {"signers": f"alice@example.org {alice.read_text()}"})
    return str(tmp_path / "signers")


@pytest.fixture
def signed(factory: Path, alice: Path) -> Path:
    """The factory with both of its releases signed by Alice."""
    sign(factory, "v1.0.0", alice, "v1.0.0^{}")
    sign(factory, "v2.0.0", alice, "v2.0.0^{}")
    return factory


def stamp(factory: Path, *options: str, form: str = "file://{}") -> Result:
    place = factory.parent / "p"
    return cli("new", "small", str(place), "--defaults", "--factory", form.format(factory), *options)


def refused(result: Result, project: Path) -> str:
    """The sentence of a refusal: exit 2, with a hint, and no project."""
    assert (result.code, project.exists(), "hint: " in result.err) == (2, False, True)
    return result.err.splitlines()[0]


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_release_signed_by_an_allowed_signer_is_taken_and_says_by_whom(
    form: str, signed: Path, signers: str, tmp_path: Path
) -> None:
    options = ("--version", "v1.0.0", "--allowed-signers", signers)
    result = stamp(signed, *options, "--json", form=form)
    assert result.code == 0, result.out
    assert GOOD.fullmatch(result.data["signed_by"])
    project = tmp_path / "p"
    plan = ("sync", "--plan", "--allowed-signers", signers)
    assert GOOD.fullmatch(cli(*plan, "--json", cwd=project).data["signed_by"])
    assert GOOD.fullmatch(cli(*plan, cwd=project).out.splitlines()[1].removeprefix("  signed by "))
    assert ", signed by alice@\u200bexample.org (ED25519 SHA256:" in cli(*plan, "--markdown", cwd=project).out
    assert cli("sync", "--allowed-signers", signers, cwd=project).code == 0
    assert GOOD.search(cli("sync", "--allowed-signers", signers, cwd=project).out)  # there is nothing to do


def test_who_asks_for_no_signature_gets_none_checked(factory: Path) -> None:
    assert stamp(factory, "--json").data["signed_by"] == ""


def test_the_environment_asks_as_the_option_does(
    factory: Path, signed: Path, signers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stamp(signed, "--version", "v1.0.0").code == 0
    git(factory, "tag", "v3.0.0", "v2.0.0^{}")
    monkeypatch.setenv(VARIABLE, signers)
    before = snapshot(tmp_path / "p")
    result = cli("sync", cwd=tmp_path / "p")
    assert (result.code, snapshot(tmp_path / "p")) == (2, before)
    assert result.err.splitlines()[0] == (
        "error: the tag `v3.0.0` of the factory is not signed: it is a lightweight one"
    )
    assert cli("sync", "--to", "v2.0.0", cwd=tmp_path / "p").code == 0
    monkeypatch.setenv(VARIABLE, "")
    assert cli("sync", "--plan", cwd=tmp_path / "p").code == 0


@pytest.mark.parametrize("version", ["main", "v2.0.0~0", "main~0", "{}"])
def test_a_branch_or_commit_is_nobodys_release(version: str, signed: Path, signers: str, tmp_path: Path) -> None:
    """Also where a signed tag names the same commit."""
    version = version.format(git(signed, "rev-parse", "v2.0.0^{commit}"))
    result = stamp(signed, "--allowed-signers", signers, "--version", version)
    message = f"error: the version `{version}` of the factory is no tag, so nobody signed it"
    assert refused(result, tmp_path / "p") == message


def test_a_tag_without_a_signature_is_refused(signed: Path, signers: str, tmp_path: Path) -> None:
    git(signed, "tag", "-a", "-m", "x", "v3.0.0")
    result = stamp(signed, "--allowed-signers", signers)
    assert refused(result, tmp_path / "p") == (
        "error: the tag `v3.0.0` of the factory is not signed: it has no signature"
    )
    assert result.err.splitlines()[1] == "hint: ask the factory's owners for a signed release: `git tag --sign`"


def test_a_lightweight_tag_is_refused(factory: Path, signers: str, tmp_path: Path) -> None:
    result = stamp(factory, "--allowed-signers", signers)
    assert refused(result, tmp_path / "p") == (
        "error: the tag `v2.0.0` of the factory is not signed: it is a lightweight one"
    )


def test_a_key_that_is_not_named_is_refused(signed: Path, mallory: Path, signers: str, tmp_path: Path) -> None:
    """Though the signature itself is good."""
    sign(signed, "v3.0.0", mallory)
    result = stamp(signed, "--allowed-signers", signers)
    assert refused(result, tmp_path / "p") == (
        f"error: the signature of the tag `v3.0.0` does not count: its key is not among those that `{signers}` names"
    )
    fingerprint = subprocess.run(["ssh-keygen", "-lf", mallory], capture_output=True, text=True, check=True).stdout
    assert fingerprint.split()[1] in result.err.splitlines()[1]


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ('valid-before="20250101"', "its key had expired"),
        ('valid-after="20270101"', "its key was not valid yet"),
        ('namespaces="file"', "its key may not sign for git"),
    ],
)
def test_a_key_counts_within_its_limits_only(limits: str, why: str, signed: Path, alice: Path, tmp_path: Path) -> None:
    put(tmp_path, {"limited": f"alice@example.org {limits} {alice.read_text()}"})
    result = stamp(signed, "--allowed-signers", str(tmp_path / "limited"))
    assert refused(result, tmp_path / "p") == f"error: the signature of the tag `v2.0.0` does not count: {why}"


def test_a_key_that_was_valid_when_the_release_was_made_counts_afterwards(
    signed: Path, alice: Path, tmp_path: Path
) -> None:
    put(tmp_path, {"limited": f'alice@example.org valid-before="20260601" {alice.read_text()}'})
    assert stamp(signed, "--allowed-signers", str(tmp_path / "limited")).code == 0


def test_a_signed_tag_under_another_name_is_refused(signed: Path, signers: str, tmp_path: Path) -> None:
    """An old release as the newest one: the signature is good, and the name is not what was signed."""
    git(signed, "update-ref", "refs/tags/v9.0.0", git(signed, "rev-parse", "v1.0.0"))
    result = stamp(signed, "--allowed-signers", signers)
    assert refused(result, tmp_path / "p") == "error: the tag `v9.0.0` of the factory was signed as `v1.0.0`"


def test_a_signature_that_was_moved_to_another_content_is_refused(signed: Path, signers: str, tmp_path: Path) -> None:
    other = commit(signed, "evil")
    forged = git(signed, "cat-file", "tag", "v2.0.0").replace(git(signed, "rev-parse", "v2.0.0^{}"), other) + "\n"
    identity = subprocess.run(
        ["git", "hash-object", "-t", "tag", "-w", "--stdin"],
        cwd=signed,
        input=forged,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    git(signed, "update-ref", "refs/tags/v2.0.0", identity)
    result = stamp(signed, "--allowed-signers", signers)
    assert refused(result, tmp_path / "p").startswith("error: the signature of the tag `v2.0.0` does not count: ")


def test_what_a_repository_puts_in_the_place_of_a_signed_commit_is_not_read(signed: Path, signers: str) -> None:
    put(signed, {"templates/core/files/ops/new.md": "evil\n"})
    git(signed, "checkout", "-q", "--detach")
    git(signed, "replace", git(signed, "rev-parse", "v2.0.0^{}"), commit(signed, "evil"))
    assert stamp(signed, "--allowed-signers", signers, "--version", "v2.0.0", form="{}").code == 0
    assert (signed.parent / "p/ops/new.md").read_text() == "new\n"


def test_other_signatures_are_not_checked_and_do_not_count(signed: Path, signers: str, tmp_path: Path) -> None:
    """Neither by the person's program for them, nor by the factory's."""
    trap = tmp_path / "ran"
    put(tmp_path, {"evil": f"#!/bin/sh\ntouch {trap}\n"})
    (tmp_path / "evil").chmod(0o755)
    for setting in ("gpg.program", "gpg.openpgp.program", "gpg.x509.program", "gpg.ssh.program"):
        git(signed, "config", setting, str(tmp_path / "evil"))
        git(signed, "config", "--global", setting, str(tmp_path / "evil"))
    for kind in ("PGP SIGNATURE", "SIGNED MESSAGE"):
        text = f"object {git(signed, 'rev-parse', 'HEAD')}\ntype commit\ntag v3.0.0\ntagger T <t@e> 0 +0000\n\nx\n"
        text += f"-----BEGIN {kind}-----\n\nx\n-----END {kind}-----\n"
        made = subprocess.run(
            ["git", "hash-object", "-t", "tag", "-w", "--stdin"],
            cwd=signed,
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        git(signed, "update-ref", "refs/tags/v3.0.0", made.stdout.strip())
        for form in ("{}", "file://{}"):
            result = stamp(signed, "--allowed-signers", signers, "--version", "v3.0.0", form=form)
            assert refused(result, tmp_path / "p") == (
                "error: the tag `v3.0.0` of the factory is not signed: only SSH signatures are checked"
            )
    assert stamp(signed, "--allowed-signers", signers, "--version", "v2.0.0", form="{}").code == 0
    assert trap.exists() is False


def test_a_folder_as_it_stands_is_nobodys_release(signed: Path, signers: str, tmp_path: Path) -> None:
    result = stamp(signed, "--allowed-signers", signers, form="{}")
    assert refused(result, tmp_path / "p") == (
        f"error: the folder `{signed}` as it stands is no release, so nobody signed it"
    )
    plain = small_factory(tmp_path / "plain", tags=False)
    assert "is no release" in refused(stamp(plain, "--allowed-signers", signers, form="{}"), tmp_path / "p")


def test_the_embedded_factory_needs_no_signature(signers: str, tmp_path: Path) -> None:
    """It came with the tool, and whoever trusts that has it already."""
    options = ("--defaults", "--allowed-signers", signers, "--json")
    result = cli("new", "tabular-decision", str(tmp_path / "p"), *options)
    assert (result.code, result.data["signed_by"]) == (0, "")
    assert cli("sync", "--allowed-signers", signers, cwd=tmp_path / "p").code == 0


@pytest.mark.parametrize("name", ["none", "."])
def test_signers_that_cannot_be_read_are_a_mistake(name: str, signed: Path, tmp_path: Path) -> None:
    message = refused(stamp(signed, "--allowed-signers", f"{tmp_path}/{name}"), tmp_path / "p")
    assert message == f"error: cannot read the allowed signers `{tmp_path}/{name}`"


@pytest.mark.parametrize("text", ["", "# nobody\n", "alice@example.org ssh-ed25519 AAAA\n", "\0"])
def test_a_file_that_names_nobody_allows_nobody(text: str, signed: Path, tmp_path: Path) -> None:
    put(tmp_path, {"nobody": text})
    assert "does not count" in refused(stamp(signed, "--allowed-signers", str(tmp_path / "nobody")), tmp_path / "p")


def test_a_project_cannot_name_its_own_signers(signed: Path, mallory: Path, tmp_path: Path) -> None:
    """Neither in a file of its own, nor in its git configuration."""
    assert stamp(signed, "--version", "v1.0.0").code == 0
    project = tmp_path / "p"
    put(project, {"signers": f"mallory@example.org {mallory.read_text()}"})
    git(project, "config", "gpg.ssh.allowedSignersFile", str(project / "signers"))
    git(project, "config", "--global", "gpg.ssh.allowedSignersFile", str(project / "signers"))
    commit(project)
    sign(signed, "v3.0.0", mallory)
    for name in ("signers", "sub/../signers", str(project / "signers")):
        (project / "sub").mkdir(exist_ok=True)
        result = cli("sync", "--allowed-signers", name, cwd=project)
        assert (result.code, "lie in the project: whoever changes it would choose them" in result.err) == (2, True)
    (tmp_path / "link").symlink_to(project / "signers")
    assert cli("sync", "--allowed-signers", str(tmp_path / "link"), cwd=project).code == 2


def test_an_answer_alone_needs_the_signature_of_the_applied_release(
    signed: Path, signers: str, mallory: Path, tmp_path: Path
) -> None:
    """The lock names a commit; what counts is the signed tag of that name."""
    assert stamp(signed, "--version", "v1.0.0").code == 0
    project = tmp_path / "p"
    again = ("sync", "--data", "use_case=other", "--plan", "--allowed-signers", signers)
    assert cli(*again, cwd=project).code == 0
    data = json.loads((project / ".ai-factory/lock.json").read_text())
    data["factory"]["commit"] = commit(signed, "evil")
    put(project, {".ai-factory/lock.json": json.dumps(data)})
    commit(project)
    result = cli(*again, cwd=project)
    assert (result.code, "the tag `v1.0.0` of the factory has moved" in result.err) == (2, True)
    sign(signed, "v1.0.0", mallory, "HEAD")
    assert "its key is not among those" in cli(*again, cwd=project).err


def test_a_refusal_for_machines_says_that_it_is_about_a_signature(factory: Path, signers: str) -> None:
    result = stamp(factory, "--allowed-signers", signers, "--json")
    assert (result.code, result.data["kind"], result.data["exit_code"]) == (2, "signature", 2)


def test_to_name_nobody_is_not_to_trust_everybody(project: Path) -> None:
    """A job has not set the variable."""
    result = cli("sync", "--plan", "--allowed-signers", "", cwd=project)
    assert (result.code, result.err.splitlines()[0]) == (2, "error: `--allowed-signers` is empty")
