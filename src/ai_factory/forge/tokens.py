"""A token: where it is found, for which host it is, and that it is shown to nobody."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NoReturn

from ai_factory.errors import MachineError, UsageError
from ai_factory.git.process import configured, finished, isolated, with_settings

HIDDEN = "***"


class Token:
    """A secret for one host. It shows nothing, and is neither pickled nor copied: no journal gets it by accident."""

    __slots__ = ("_secret", "host")

    def __init__(self, secret: str, host: str) -> None:
        if not secret.isascii() or not secret.isprintable() or not secret or " " in secret:
            raise UsageError(
                f"what is given as the token for `{host}` is none",
                "a token is one word: look at where it comes from",
            )
        self._secret = secret
        self.host = host

    def secret_for(self, host: str) -> str:
        """The secret itself, for a request to that host. Raises UsageError for any other than it was given for."""
        if host != self.host:
            raise UsageError(f"the token for `{self.host}` is not for `{host}`", f"name the token for `{host}`")
        return self._secret

    def hidden_in(self, text: str) -> str:
        """The text without the secret, should a host send it back."""
        return text.replace(self._secret, HIDDEN)

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, _: str) -> str:
        return HIDDEN

    def __reduce_ex__(self, _: Any) -> NoReturn:
        message = "a token is not written down"
        raise TypeError(message)


def token_for(host: str, variable: str, environment: Mapping[str, str] = os.environ) -> Token:
    """The token in that variable, else the one that the person's own credential helper has for the host.

    Raises UsageError where there is none: nobody is asked.
    """
    given = environment.get(variable, "").strip()
    secret = given or _from_helper(host, environment)
    if not secret:
        raise UsageError(
            f"there is no token for `{host}`",
            f"set `{variable}`, or store it with `git credential approve`: docs/how-to/connect-a-forge.md",
        )
    return Token(secret, host)


def _from_helper(host: str, environment: Mapping[str, str]) -> str:
    """What git's credential helpers give for the host, as a person's own git would be given; empty where nothing.

    Asked at the root of the disk, so that no project's settings are in force; without a terminal and a window.
    """
    own = {key: value for key, value in environment.items() if not key.startswith("GIT_") or _is_setting(key)}
    settings = configured(r"^credential\.", "/", own)
    silent = with_settings(isolated(), settings) | {"GCM_INTERACTIVE": "never"}
    asked = f"protocol=https\nhost={host}\n\n".encode()
    try:
        done = finished(["credential", "fill"], "/", asked, silent, expect=None)
    except MachineError:
        return ""
    fields = dict(line.partition("=")[::2] for line in done.stdout.decode(errors="replace").splitlines())
    return fields.get("password", "") if done.returncode == 0 and fields.get("host") == host else ""


def _is_setting(name: str) -> bool:
    return name.startswith("GIT_CONFIG")
