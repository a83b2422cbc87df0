"""The code hosts of a fleet: how git reaches each, who speaks to it, and how fast; none for a plain git remote."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from ai_factory.errors import UsageError
from ai_factory.fleet.registry import Host, Registry, host_in, name_in
from ai_factory.fleet.standing.rollout import Ask, Hosted
from ai_factory.fleet.system import Here
from ai_factory.forge.protocol import Forge
from ai_factory.git.remote import NO_ACCESS, Access

if TYPE_CHECKING:  # what speaks to hosts takes long to load, and most fleets of folders have none
    from ai_factory.fleet.run import Shard
    from ai_factory.fleet.updates.plan import Entry
    from ai_factory.forge.governor import Limits
    from ai_factory.forge.opening import Spec

Connect = Callable[[Host], Forge]
PUBLIC = {"github": "github.com", "gitlab": "gitlab.com", "gitea": "codeberg.org"}  # whose API everybody knows
USERS = {"github": "x-access-token", "gitlab": "oauth2", "gitea": "oauth2"}  # as whom a token is sent over https
RATE = "{count} pull requests: about {hours} at {hour} writes an hour to `{host}`"


def spec_of(host: Host) -> Spec:
    """The host as its adapter wants it. Raises UsageError."""
    from ai_factory.forge.opening import spec

    return spec(host.kind, host.api or ("" if host.host == PUBLIC[host.kind] else f"https://{host.host}"), host.token)


def connected(host: Host) -> Forge:
    """The host, ready to be asked. Raises UsageError where its library or its token is missing."""
    from ai_factory.forge.opening import forge_at

    return forge_at(spec_of(host))


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


@dataclass(frozen=True, slots=True)
class Reaching:
    """How git reaches an address of the fleet; it can be sent to another machine, which looks for tokens of its own."""

    hosts: tuple[Host, ...]

    def __call__(self, url: str) -> Access:
        """The token of the address's host, for git alone; nothing where there is none: git does as the person does."""
        from ai_factory.forge.tokens import token_for

        host = next((one for one in self.hosts if one.host == host_in(url)), None)
        if host is None or not url.startswith(("https://", "http://")):
            return NO_ACCESS
        at = spec_of(host)
        try:
            secret = token_for(at.host, at.variable).secret_for(at.host)
        except UsageError:
            return NO_ACCESS
        both = base64.b64encode(f"{USERS[host.kind]}:{secret}".encode()).decode()
        scheme = url.partition("://")[0]
        return Access(((f"http.{scheme}://{host.host}/.extraHeader", f"Authorization: Basic {both}"),))


@dataclass(frozen=True, slots=True)
class Speaking:
    """The forges of a fleet, each opened once."""

    registry: Registry
    forges: Mapping[str, Forge]  # by host

    def __call__(self, url: str) -> tuple[Forge, str] | None:
        """The forge of that address, and the repository's name there; None for a plain git remote."""
        from ai_factory.forge.opening import name_of

        host = self.registry.host_of(url)
        return (self.forges[host.host], name_of(url, spec_of(host))) if host else None


def speaking(registry: Registry, part: Shard) -> Speaking:
    """The forges on which projects of the fleet lie. Raises UsageError where one has no token or no library."""
    from ai_factory.forge.governor import Governed, Governor
    from ai_factory.forge.opening import forge_at

    used = {host.host: host for one in registry.members if (host := registry.host_of(one.url))}
    forges = {name: Governed(forge_at(spec_of(host)), Governor(limits_of(host, part))) for name, host in used.items()}
    return Speaking(registry, forges)


def limits_of(host: Host, part: Shard) -> Limits:
    """How many writes the host gets from this part of the fleet."""
    from ai_factory.forge.governor import LIMITS, Limits

    usual = LIMITS[host.kind]
    return Limits(host.minute or usual.minute, host.hour or usual.hour, part.parts)


def estimates(registry: Registry, entries: Sequence[Entry], part: Shard) -> list[str]:
    """How long the writes to each host will take, in words; nothing where that is no time."""
    hosts = [host for one in entries if one.outcome == "update" and (host := registry.host_of(one.url))]
    found = []
    for host in dict.fromkeys(hosts):
        count, limits = hosts.count(host), limits_of(host, part)
        seconds = limits.estimate(count)
        hours = f"{seconds / 3600:.0f} hours" if seconds > 7200 else f"{seconds / 60:.0f} minutes"
        if seconds > 60:
            found.append(RATE.format(count=f"{count:,}", hours=hours, hour=limits.in_an_hour, host=host.host))
    return found


def missing(registry: Registry) -> Callable[[Entry], tuple[str, ...]]:
    """For an entry of a plan: the rights that our identity lacks to bring it."""
    from ai_factory.fleet.run import WHOLE

    forge_of = speaking(registry, WHOLE)

    def lacking(entry: Entry) -> tuple[str, ...]:
        host = forge_of(entry.url)
        found = host[0].permissions(host[1]).missing if host else ()
        touches = any(one.path.startswith(".github/workflows/") for one in entry.decisions)
        return tuple(text for text in found if touches or "workflow" not in text)

    return lacking
