"""The bare mirror of a factory that lies elsewhere."""

from __future__ import annotations

import os
import re
import shutil

from ai_factory.errors import MachineError, UnreachableError
from ai_factory.git.process import TIMEOUT, configured, isolated, run, with_settings

_UPLOAD_PACK = "GIT_ALLOW_PROTOCOL=none git-upload-pack"  # the repository there fetches nothing in its turn
_SETTINGS = "GIT_CONFIG"  # how the variables begin in which git finds settings
_TO_REACH = r"^(credential\..*|http\.(.*\.)?(proxy|sslcainfo|sslcapath|sslcert|sslkey))$"


SILENCE = 30  # seconds after which a host that says nothing has nothing to say


def update_mirror(url: str, mirror: str, within: float = TIMEOUT) -> None:
    """Bring the bare mirror of `url` up to date, in so many seconds. Raises UnreachableError when it cannot be read."""
    fresh = not os.path.exists(os.path.join(mirror, "HEAD"))
    if fresh:
        run(["init", "--quiet", "--bare", "--template=", mirror], os.path.dirname(mirror))
    refs = ["+refs/tags/*:refs/tags/*", "+refs/heads/*:refs/heads/*"]
    command = [
        "fetch",
        "--quiet",
        "--prune",
        "--no-write-fetch-head",
        "--no-recurse-submodules",
        "--no-auto-maintenance",
        *(["--upload-pack", _UPLOAD_PACK] if _is_local(url) else []),
        "--",
        url,
        *refs,
    ]
    try:
        run(command, mirror, more=access(url, mirror), within=within)
    except MachineError as error:
        if fresh:
            shutil.rmtree(mirror)  # an empty mirror would look like a factory without releases
        raise UnreachableError(
            f"the factory `{url}` cannot be reached: {error.message.rpartition(': ')[2]}", _hint(error.message)
        ) from None


def access(url: str, mirror: str) -> dict[str, str]:
    """What the fetch of that address may use: its transport, and over http what the person set up to reach the host.

    Git asks a credential helper for the host of the address, and a redirect would be another one.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https"):
        return {"GIT_ALLOW_PROTOCOL": "file" if _is_local(url) else "ssh"}
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key.startswith(_SETTINGS)}
    slow = [("http.lowSpeedLimit", "1000"), ("http.lowSpeedTime", str(SILENCE))]
    settings = [("http.followRedirects", "false"), *slow, *configured(_TO_REACH, mirror, own)]
    # http is there for this machine's own servers, see `factory.is_remote`
    more = {"GIT_ALLOW_PROTOCOL": scheme, "GCM_INTERACTIVE": "never"}
    return {
        key: value for key, value in with_settings(isolated(), settings).items() if key.startswith(_SETTINGS)
    } | more


def _is_local(url: str) -> bool:
    return os.path.isabs(url) or url.lower().startswith("file://")


def _hint(message: str) -> str:
    if re.search(r"redirect|error: 30\d", message):
        return "it leads to another address: name that one, if you trust it"
    if re.search(r"Authentication failed|could not read (Username|Password)|error: 40[13]", message):
        return "nobody is asked for a password here: set up a credential helper of git's for that host"
    return "check the address, the network and your access to it"
