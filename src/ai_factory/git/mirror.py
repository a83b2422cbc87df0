"""The bare mirror of a factory that lies elsewhere."""

from __future__ import annotations

import os
import shutil

from ai_factory.errors import MachineError, UnreachableError
from ai_factory.git.process import run

TRANSPORTS = "file:https:ssh"


def update_mirror(url: str, mirror: str) -> None:
    """Bring the bare mirror of `url` up to date. Raises UnreachableError when it cannot be read."""
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
        "--",
        url,
        *refs,
    ]
    more = {"GIT_ALLOW_PROTOCOL": TRANSPORTS}
    if url.startswith("http://"):  # only this machine's own, see `factory.is_remote`; it may not send us elsewhere
        more = {"GIT_ALLOW_PROTOCOL": "http"}
        command = ["-c", "http.followRedirects=false", *command]
    try:
        run(command, mirror, more=more)
    except MachineError as error:
        if fresh:
            shutil.rmtree(mirror)  # an empty mirror would look like a factory without releases
        raise UnreachableError(
            f"the factory `{url}` cannot be reached: {error.message.rpartition(': ')[2]}",
            "check the address, the network and your access to it",
        ) from None
