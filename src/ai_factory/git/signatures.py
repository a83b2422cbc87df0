"""Who signed a release: git's own check of a tag's SSH signature, with keys that a person named and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
    ("No principal matched", "its key is not among those that `{allowed}` names"),
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
    why = next((meaning for words, meaning in _REASONS if words in said), "it does not fit the tag")
    key = _ANY_KEY.search(said)
    return SignatureError(
        f"the signature of the tag `{release.tag}` does not count: {why.format(allowed=allowed)}",
        "ask the factory's owners, and only then add the key" + (f" {key[1]}" if key else ""),
    )
