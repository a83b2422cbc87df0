"""Which code host it is: its kind and address from a fleet's registry, and what a repository is called there."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from ai_factory.errors import UsageError
from ai_factory.forge.answers import is_address
from ai_factory.forge.protocol import Forge
from ai_factory.forge.tokens import Token, token_for

KINDS = {  # a kind of host: where its own API is, below which path of a host, and where its token stands
    "github": ("https://api.github.com", "/api/v3", "GITHUB_TOKEN"),
    "gitlab": ("https://gitlab.com", "/api/v4", "GITLAB_TOKEN"),
    "gitea": ("", "/api/v1", "GITEA_TOKEN"),  # there is no one host that everybody means
}
TIMEOUT = 60  # seconds of silence from a host
_NAME = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+")
_SHORT = re.compile(r"(?:[A-Za-z0-9_.-]+@)?([A-Za-z0-9.-]+):(?!//)(.+)")  # git@host:path
_ALIASES = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}


class Spec(NamedTuple):
    """A code host as a registry names it; `variable` is the environment variable that holds its token."""

    kind: str
    api: str  # with the path of the API, as `https://git.example.org/api/v4`
    variable: str

    @property
    def host(self) -> str:
        """The host that git and people use, with its port where it has one of its own; the token is for it."""
        named = urlsplit(self.api).netloc.lower()
        return named.removeprefix("api.") if self.kind == "github" else named

    @property
    def prefix(self) -> str:
        """The path below which that host's repositories lie: empty, or as in `/git`."""
        return urlsplit(self.api).path.removesuffix(KINDS[self.kind][1]).rstrip("/")


def spec(kind: str, api: str = "", variable: str = "") -> Spec:
    """The host of that kind; without an address the one that everybody knows, where there is one.

    `api` may be the host alone (`https://git.example.org`). Raises UsageError for a kind that we do not know, an
    address that is none, and http to another machine than this.
    """
    if kind not in KINDS:
        raise UsageError(f"`{kind}` is no kind of code host", f"write one of {', '.join(sorted(KINDS))}")
    known, path, usual = KINDS[kind]
    address = (api or known).rstrip("/").replace("https://github.com", known)
    if not address:
        raise UsageError(f"no address is given for a host of kind `{kind}`", "write it as `https://git.example.org`")
    parts = urlsplit(address) if is_address(address) else None
    if parts is None or parts.query or parts.fragment or (parts.scheme == "http" and not _is_here(parts.hostname)):
        raise UsageError(
            f"`{address}` is no address of a code host",
            "write it as `https://git.example.org`, without user, password and query; http is for this machine alone",
        )
    if not (address.endswith(path) or (kind == "github" and (parts.hostname or "").startswith("api."))):
        address += path
    return Spec(kind, address, variable or usual)


def _is_here(host: str | None) -> bool:
    """Whether the host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def forge_at(
    at: Spec, token: Token | None = None, environment: Mapping[str, str] = os.environ, timeout: int = TIMEOUT
) -> Forge:
    """The host, ready to be asked; without a token the one in the environment or of git's credential helper.

    `timeout` is for how many seconds the host may be silent.
    Raises UsageError where the host's library is not installed, and where there is no token.
    """
    known = token or token_for(at.host, at.variable, environment)
    try:
        return _opened(at, known, timeout)
    except ImportError as error:
        raise UsageError(
            f"what speaks to {at.kind} is not installed (no module `{error.name}`)",
            f"`pip install 'ai-factory[{at.kind}]'`",
        ) from None


def _opened(at: Spec, token: Token, timeout: int) -> Forge:
    if at.kind == "github":
        from ai_factory.forge.github import GitHub

        return GitHub(at.api, at.host, token, timeout)
    if at.kind == "gitlab":
        from ai_factory.forge.gitlab import GitLab

        return GitLab(at.api, at.host, token, timeout)
    from ai_factory.forge.gitea import Gitea

    return Gitea(at.api, at.host, token, timeout)


def name_of(url: str, at: Spec) -> str:
    """The path of a repository on that host, from the address that git clones it from, over https or ssh.

    Raises UsageError where the address is one of another host, or of no repository.
    """
    scheme, host, path = _parts(url)
    if "@" in host:
        raise UsageError("an address of a repository holds a user or a password", "leave it out: git asks its helper")
    here = urlsplit(f"//{at.host}").hostname if scheme == "ssh" else at.host
    if _ALIASES.get(host, host) != here or not path.startswith(f"{at.prefix}/"):
        raise UsageError(f"`{url}` does not lie on `{at.host}`", "name the code host that it lies on")
    name = path.removeprefix(at.prefix).strip("/").removesuffix(".git")
    if not is_name(name) or (at.kind != "gitlab" and name.count("/") != 1):
        raise UsageError(f"`{url}` names no repository of `{at.host}`", "write it as git clones it")
    return name


def is_name(name: str) -> bool:
    """Whether it can be the path of a repository: parts of letters, digits, `_`, `.` and `-`, none dots alone."""
    return bool(_NAME.fullmatch(name)) and len(name) <= 300 and all(part.strip(".") for part in name.split("/"))


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, host and path of an address that git clones from; empty ones where it is none.

    The host has its port where that tells one server from another, which is so on the web, and not over ssh.
    """
    short = _SHORT.fullmatch(url)
    if short and "://" not in url:
        return "ssh", short[1].lower(), "/" + short[2].lstrip("/")
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", "", ""
    known = {"https": parts.netloc, "http": parts.netloc, "ssh": parts.hostname or ""}
    return parts.scheme, known.get(parts.scheme, "").lower(), parts.path
