"""`fleet.yaml`: which repositories are in a fleet, whose they are, and what may be brought to them. People edit it."""

from __future__ import annotations

import datetime as dt
import os
import re
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ai_factory import catalog, documents, formats
from ai_factory.errors import FactoryError, UsageError
from ai_factory.factory import EMBEDDED, is_remote
from ai_factory.lock import check_address
from ai_factory.tree import check_path

FILE = "fleet.yaml"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PROBLEMS = 20  # that one error lists
MINUTES = 24 * 60

Read = Callable[[str], bytes]  # the content of a file that is named relative to fleet.yaml


class Member(NamedTuple):
    """A project of the fleet: where its repository is, and where the project lies in it.

    `branch` is the one that updates go to, empty for the repository's default; `hold` has `until` (ISO date), `reason`.
    """

    url: str
    path: str = ""
    branch: str = ""
    owner: str = ""
    ring: str = ""
    labels: Mapping[str, str] = {}
    hold: Mapping[str, str] = {}

    @property
    def key(self) -> str:
        """What names it everywhere: its address, and the path in the repository where there is one."""
        return f"{self.url}#{self.path}" if self.path else self.url

    @property
    def slug(self) -> str:
        """Its path as a part of a branch's name."""
        return re.sub(r"[^A-Za-z0-9._]+|\.\.+|\.lock$", "-", self.path).strip("-.") or "root"


class Trusted(NamedTuple):
    """A factory that projects may take from, and the file of those who sign its releases, where there is one.

    `trust` lets the code of a Copier or Cookiecutter template run, on the machine that runs the fleet.
    """

    url: str
    signers: str = ""
    trust: bool = False


class Host(NamedTuple):
    """A code host that takes pull requests; `token` names the environment variable that holds it.

    `minute` and `hour` are how many writes it may get in that time; 0 for what is usual there.
    """

    host: str
    kind: str
    api: str = ""
    token: str = ""
    minute: int = 0
    hour: int = 0


class Ring(NamedTuple):
    """A group of projects that gets an update before the next one does.

    The next begins once the share `merged` of it has been merged, unless more than the share `failing` of it fails, and
    not before it has been there for `days`.
    """

    name: str
    merged: float = 1.0
    failing: float = 0.0
    days: float = 0.0


class Quiet(NamedTuple):
    """Hours in which nothing is brought: on these days, from one minute of the day to another, in that time zone."""

    days: tuple[str, ...]
    begin: int
    end: int
    zone: str = "UTC"

    def holds(self, now: dt.datetime) -> bool:
        """Whether it is quiet at that moment; hours that pass midnight belong to the day on which they begin."""
        here = now.astimezone(zoneinfo.ZoneInfo(self.zone))
        minute, today = here.hour * 60 + here.minute, DAYS[here.weekday()]
        if self.begin < self.end:
            return today in self.days and self.begin <= minute < self.end
        yesterday = DAYS[here.weekday() - 1]
        return (today in self.days and minute >= self.begin) or (yesterday in self.days and minute < self.end)


class Registry(NamedTuple):
    """A whole fleet."""

    members: tuple[Member, ...]
    factories: tuple[Trusted, ...] = ()
    hosts: tuple[Host, ...] = ()
    rings: tuple[Ring, ...] = ()
    quiet: tuple[Quiet, ...] = ()

    def host_of(self, url: str) -> Host | None:
        """The code host that the address lies on; None for a plain git remote."""
        name = host_in(url)
        return next((host for host in self.hosts if host.host.lower() == name), None) if name else None

    def trusts(self, url: str) -> Trusted | None:
        """The factory of that address, where projects of the fleet may take from it."""
        return next((one for one in self.factories if one.url == url), None)


def host_in(url: str) -> str:
    """The host that an address names, with its port where it has one; empty for a folder."""
    if "://" in url:
        parts = urlsplit(url)
        return "" if parts.scheme == "file" else parts.netloc.rpartition("@")[2].lower()
    found = re.match(r"(?:[\w.+-]+@)?([\w.-]+):(?!/)", url)
    return found[1].lower() if found else ""


def name_in(url: str) -> str:
    """The path of a repository on its host, such as `risk/credit-line`."""
    path = urlsplit(url).path if "://" in url else url.partition(":")[2]
    return path.strip("/").removesuffix(".git")


def parse(content: bytes, read: Read, where: str = FILE, load: documents.Load = documents.load) -> Registry:
    """Read a registry, and the files that it includes. Raises UsageError with file and line for all that is wrong."""
    data = _checked(content, where, formats.FLEET, load)
    parts = [(where, content, data)]
    for name in data.get("include", ()):
        own = read(name)
        parts.append((name, own, _checked(own, name, formats.FLEET_PART, load)))
    problems: list[str] = []
    rows = list(_members(parts, {ring["name"] for ring in data.get("rings", ())}, problems))
    made = _settings(data, where, content, problems)._replace(members=tuple(rows))
    if problems:
        raise UsageError(problems[0], f"mend `{where}`", tuple(problems[1:PROBLEMS]))
    return made


def _checked(content: bytes, where: str, schema: formats.Schema, load: documents.Load) -> dict[str, Any]:
    if len(content) > documents.SIZE_LIMIT:
        hint = "put some of its projects into files that it includes: `include: [teams/payments.yaml]`"
        raise UsageError(f"`{where}` is larger than {documents.SIZE_LIMIT} bytes", hint)
    data = load(content, where, UsageError) or {}
    catalog.validate(data, schema, content, where, UsageError)
    return dict(data)


def _members(parts: Sequence[tuple[str, bytes, Any]], rings: set[str], problems: list[str]) -> Iterator[Member]:
    known: dict[tuple[str, str], Member] = {}  # by repository and branch of ours
    for where, content, data in parts:
        rows = data.get("projects", ())
        found = [(number, *_member(row, rings, known)) for number, row in enumerate(rows)]
        wrong = [(number, why) for number, _, why in found if why]
        lines = documents.lines_of(content, [("projects", number) for number, _ in wrong]) if wrong else []
        problems += [f"`{where}` line {line}: {why}" for line, (_, why) in zip(lines, wrong, strict=True)]
        yield from (member for _, member, why in found if not why)


def _member(row: Mapping[str, Any], rings: set[str], known: dict[tuple[str, str], Member]) -> tuple[Member, str]:
    """A project, and what is wrong with it; it is known from then on."""
    labels = {key: _plain(value) for key, value in row.get("labels", {}).items()}
    named = {key: row[key] for key in ("branch", "owner", "ring", "hold") if key in row}
    member = Member(row["url"], _path(row), labels=labels, **named)
    try:
        address(member.url)
        if member.path:
            check_path(member.path)
    except FactoryError as error:
        return member, error.message
    if member.ring and member.ring not in rings:
        return member, f"there is no ring `{member.ring}`"
    other = known.setdefault((member.url, member.slug), member)
    if other is member:
        return member, ""
    same = f"`{member.key}` and `{other.key}` would have one branch for their updates"
    return member, f"`{member.key}` stands there twice" if other.key == member.key else same


def _path(row: Mapping[str, Any]) -> str:
    path: str = row.get("path", "").strip("/")
    return path if path != "." else ""


def key_of(row: Mapping[str, Any]) -> str:
    """The key of the project that a row of the file speaks of."""
    return Member(row["url"], _path(row)).key


def address(url: str) -> str:
    """Return the address of a repository if it may be used: https, ssh, or a folder by its whole path.

    Raises FactoryError.
    """
    check_address(url)
    if not is_remote(url) and not os.path.isabs(url):
        raise UsageError(f"`{url}` is no address of a repository", "give an https or ssh address, or the path from `/`")
    return url


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _settings(data: Mapping[str, Any], where: str, content: bytes, problems: list[str]) -> Registry:
    """All but the projects."""
    trusted = tuple(
        Trusted(row["url"], row.get("signers", ""), row.get("trust", False)) for row in data.get("factories", ())
    )
    for number, one in enumerate(trusted):
        try:
            _ = one.url == EMBEDDED or is_remote(one.url)
        except FactoryError as error:
            line = documents.line_of(content, ("factories", number))
            problems.append(f"`{where}` line {line}: {error.message}")
    hosts = tuple(
        Host(row["host"].lower(), row["kind"], row.get("api", ""), row.get("token", ""), *_limits(row))
        for row in data.get("forges", ())
    )
    rings = tuple(Ring(**row) for row in data.get("rings", ()))
    wrong = [(number, why) for number, ring in enumerate(rings) if (why := _wrong(ring, rings[:number]))]
    problems += [f"`{where}` line {documents.line_of(content, ('rings', number))}: {why}" for number, why in wrong]
    return Registry((), trusted, hosts, rings, tuple(_quiet(row, where, problems) for row in data.get("quiet", ())))


def _wrong(ring: Ring, before: Sequence[Ring]) -> str:
    """What is wrong with a ring; empty when nothing is."""
    if ring.name in {other.name for other in before}:
        return f"the ring `{ring.name}` stands there twice"
    if not (0 <= ring.merged <= 1 and 0 <= ring.failing <= 1):
        return f"`merged` and `failing` of the ring `{ring.name}` are shares, from 0 to 1"
    return "" if ring.days >= 0 else f"`days` of the ring `{ring.name}` is a number of days"


def _limits(row: Mapping[str, Any]) -> tuple[int, int]:
    return int(row.get("minute", 0)), int(row.get("hour", 0))


def _quiet(row: Mapping[str, Any], where: str, problems: list[str]) -> Quiet:
    zone = row.get("zone", "UTC")
    try:
        zoneinfo.ZoneInfo(zone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        problems.append(f"`{where}`: there is no time zone `{zone}`")
    return Quiet(tuple(row.get("days", DAYS)), _minute(row["from"]), _minute(row["to"]), zone)


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return (int(hours) * 60 + int(minutes)) % MINUTES
