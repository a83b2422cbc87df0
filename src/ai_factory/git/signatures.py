"""Who signed a release or a commit: git's own check of its SSH signature, with keys that were named, nothing else."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ai_factory.errors import SignatureError
from ai_factory.git.objects import Release
from ai_factory.git.process import finished, isolated, run, with_settings
from ai_factory.tree import path_bytes

_GOOD = re.compile(r'^Good "git" signature for (.+) with (\S+) key (\S+)$', re.MULTILINE)
_ANY_KEY = re.compile(r"key (SHA256:\S+)")
_REASONS = (  # what ssh-keygen and git say, and what it means
    ("key has expired", "its key had expired"),
    ("key is not yet valid", "its key was not valid yet"),
    ("not permitted for use in signature namespace", "its key may not sign for git"),
    ("cannot run", "`ssh-keygen` is not installed, which checks it"),
    ("could not run", "`ssh-keygen` is not installed, which checks it"),
    ("No principal matched", "its key is not among those that {allowed} names"),
)


def signer(repository: str, release: Release, allowed: str) -> str:
    """Who signed the tag of the release, and with which key.

    `allowed` is a file of allowed signers as `ssh-keygen` reads it. A key that it limits in time counts for tags of
    that time. Raises SignatureError for a tag that has no signature, one that does not fit, or one by somebody else.
    """
    identity = _signed_object(repository, release)
    environment = with_settings(isolated(), _settings(allowed))
    done = finished(["verify-tag", identity], repository, environment=environment, expect=(0, 1))
    said = done.stderr.decode(errors="replace")
    good = _GOOD.search(said)
    if done.returncode or good is None:
        raise _refused(release, said, allowed)
    return f"{good[1]} ({good[2]} {good[3]})"


class Signature(NamedTuple):
    """Who signed a commit, by the name that the allowed signers give; or why nobody did whose word counts."""

    by: str
    flaw: str = ""


def signature(repository: str, commit: str, allowed: str) -> Signature:
    """Who signed a commit; `allowed` is a file of allowed signers, of which the line that fits first names the signer.

    A key that it limits in time counts for commits of that time, which is the signer's word.
    """
    head = run(["cat-file", "commit", commit], repository).partition(b"\n\n")[0]
    if not re.search(rb"^gpgsig(-sha256)? ", head, re.MULTILINE):
        return Signature("", "it has no signature")
    if not re.search(rb"^gpgsig(-sha256)? -----BEGIN SSH SIGNATURE-----$", head, re.MULTILINE):
        return Signature("", "only SSH signatures are checked")
    environment = with_settings(isolated(), _settings(allowed))
    done = finished(["verify-commit", commit], repository, environment=environment, expect=(0, 1))
    said = done.stderr.decode(errors="replace")
    good = _GOOD.search(said)
    if done.returncode or good is None:
        return Signature("", _why(said, "the commit").format(allowed="the file of signers"))
    return Signature(good[1])


@contextmanager
def aside(content: bytes) -> Iterator[str]:
    """The name of a file with that content, for as long as git needs to read it."""
    with tempfile.NamedTemporaryFile("wb", prefix="ai-factory-") as stream:
        stream.write(content)
        stream.flush()
        yield stream.name


def _settings(allowed: str) -> Sequence[tuple[str, str]]:
    programs = (("gpg.ssh.program", "ssh-keygen"), ("gpg.program", "false"), ("gpg.x509.program", "false"))
    return (
        ("gpg.format", "ssh"),
        ("gpg.ssh.allowedSignersFile", allowed),
        ("gpg.ssh.revocationFile", ""),
        ("gpg.minTrustLevel", "fully"),  # a key that nobody vouches for makes a good signature too
        *programs,
        ("gpg.openpgp.program", "false"),
    )


def _signed_object(repository: str, release: Release) -> str:
    """The id of the tag's object, which says what it is about: a signed tag can be served under another name."""
    answer = run(["cat-file", "--batch"], repository, path_bytes(f"refs/tags/{release.tag}\n"))
    head, _, content = answer.partition(b"\n")
    identity, kind = head.split()[0].decode(), head.split()[1:2]
    if kind != [b"tag"]:
        raise _unsigned(release, "it is a lightweight one")
    header, _, message = content.decode(errors="surrogateescape").partition("\n\n")
    if "\n-----BEGIN SSH SIGNATURE-----\n" not in message:
        other = "\n-----BEGIN PGP SIGNATURE-----\n" in message or "\n-----BEGIN SIGNED MESSAGE-----\n" in message
        raise _unsigned(release, "only SSH signatures are checked" if other else "it has no signature")
    fields = dict(line.partition(" ")[::2] for line in header.splitlines())
    if (fields.get("type"), fields.get("object"), fields.get("tag")) != ("commit", release.commit, release.tag):
        raise SignatureError(
            f"the tag `{release.tag}` of the factory was signed as `{fields.get('tag', '')}`",
            "somebody serves a signed tag under another name: tell the factory's owners",
        )
    return identity


def _unsigned(release: Release, why: str) -> SignatureError:
    return SignatureError(
        f"the tag `{release.tag}` of the factory is not signed: {why}",
        "ask the factory's owners for a signed release: `git tag --sign`",
    )


def _refused(release: Release, said: str, allowed: str) -> SignatureError:
    key, why = _ANY_KEY.search(said), _why(said, "the tag").format(allowed=f"`{allowed}`")
    return SignatureError(
        f"the signature of the tag `{release.tag}` does not count: {why}",
        "ask the factory's owners, and only then add the key" + (f" {key[1]}" if key else ""),
    )


def _why(said: str, what: str) -> str:
    """What git and ssh-keygen mean; it may hold a place for the name of the allowed signers."""
    return next((meaning for words, meaning in _REASONS if words in said), f"it does not fit {what}")
