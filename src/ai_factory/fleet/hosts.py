"""The code hosts of a fleet, each connected when it is first asked, and never for a plain git remote."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module

from ai_factory.errors import UsageError
from ai_factory.fleet.registry import Host, Registry, name_in
from ai_factory.fleet.rollout import Ask, Hosted
from ai_factory.fleet.system import Here
from ai_factory.forge.protocol import Forge

Connect = Callable[[Host], Forge]
PUBLIC = {"github": "github.com", "gitlab": "gitlab.com", "gitea": "codeberg.org"}  # whose API everybody knows


def connected(host: Host) -> Forge:
    """The host, ready to be asked. Raises UsageError where its library or its token is missing."""
    opening = import_module("ai_factory.forge.opening")
    api = host.api or ("" if host.host == PUBLIC[host.kind] else f"https://{host.host}")
    found: Forge = opening.forge_at(opening.spec(host.kind, api, host.token))
    return found


def asking(fleet: Registry, connect: Connect = connected) -> Ask | None:
    """What asks the host of a project for its pull request and checks; None where the fleet names no host."""
    if not fleet.hosts:
        return None
    once = cache(connect)

    def ask(here: Here, branch: str) -> Hosted:
        host = fleet.host_of(here.member.url)
        if host is None:
            return Hosted()
        forge, name = once(host), name_in(here.member.url)
        requests = forge.pull_requests(name, branch)
        return Hosted(requests[0] if requests else None, forge.checks(name, here.commit))

    return ask


def organisation(fleet: Registry, text: str, connect: Connect = connected) -> tuple[Forge, str]:
    """The host and the name in `HOST/NAME`. Raises UsageError for a host that the fleet does not name."""
    where, _, name = text.partition("/")
    host = next((one for one in fleet.hosts if one.host == where.lower()), None)
    if not name:
        raise UsageError(f"`{text}` names no organisation", "write it as `HOST/NAME`, such as `github.com/example`")
    if host is None:
        hint = f"add it to `forges`: `- {{ host: {where}, kind: gitlab, token: GITLAB_TOKEN }}`"
        raise UsageError(f"the fleet names no code host `{where}`", hint)
    return connect(host), name
