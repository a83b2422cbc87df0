"""`fleet.yaml`: what it says, and file and line of all that is wrong in it."""

from __future__ import annotations

import datetime as dt
import zoneinfo

import pytest

from ai_factory.errors import UsageError
from ai_factory.fleet.registry import (
    DAYS,
    Host,
    Member,
    Quiet,
    Registry,
    Ring,
    Trusted,
    host_in,
    key_of,
    name_in,
    parse,
)
from tests.kit import refusal

WHOLE = """\
factories:
  - { url: https://git.example.org/platform/factory.git, signers: signers }
  - url: embedded
forges:
  - { host: Git.Example.org, kind: gitlab, token: TOKEN, minute: 40, hour: 200 }
rings:
  - { name: canary, merged: 0.8, failing: 0.1, days: 2 }
  - name: rest
quiet:
  - { days: [fri], from: "18:00", to: "08:00", zone: Europe/Berlin }
projects:
  - url: https://git.example.org/risk/limits.git  # with two systems
    path: /services/limits/
    branch: trunk
    owner: risk
    ring: canary
    labels: { tier: high, wave: 2, live: true }
    hold: { until: 2027-03-01, reason: audit freeze }
  - { url: /srv/git/fraud.git, path: . }
include: [teams/risk.yaml]
"""
PART = "projects: [{ url: git@git.example.org:risk/chat.git }]\n"


def read(text: str, **others: str) -> Registry:
    files = {name.replace("__", "/") + ".yaml": content.encode() for name, content in others.items()}
    return parse(text.encode(), lambda name: files[name])


def test_all_that_a_fleet_can_say() -> None:
    """Every key; paths without slashes around them, labels as text, hosts in small letters, parts after the file."""
    limits = Member(
        "https://git.example.org/risk/limits.git",
        "services/limits",
        "trunk",
        "risk",
        "canary",
        {"tier": "high", "wave": "2", "live": "true"},
        {"until": "2027-03-01", "reason": "audit freeze"},
    )
    host = Host("git.example.org", "gitlab", "", "TOKEN", 40, 200)
    factory = Trusted("https://git.example.org/platform/factory.git", "signers")
    found = read(WHOLE, teams__risk=PART)
    assert found == Registry(
        (limits, Member("/srv/git/fraud.git"), Member("git@git.example.org:risk/chat.git")),
        (factory, Trusted("embedded")),
        (host,),
        (Ring("canary", 0.8, 0.1, 2), Ring("rest")),
        (Quiet(("fri",), 18 * 60, 8 * 60, "Europe/Berlin"),),
    )
    assert [found.host_of(member.url) for member in found.members] == [host, None, host]
    assert (found.trusts(factory.url), found.trusts("https://git.example.org/platform/factory")) == (factory, None)


def test_an_empty_fleet_is_one() -> None:
    assert (read(""), read("# nobody yet\n"), read("projects: []\n")) == (Registry(()), Registry(()), Registry(()))


@pytest.mark.parametrize(
    ("member", "key", "slug"),
    [
        (Member("https://h/r.git"), "https://h/r.git", "root"),
        (Member("https://h/r.git", "services/limits"), "https://h/r.git#services/limits", "services-limits"),
        (Member("/r", "a b/ü..x.lock"), "/r#a b/ü..x.lock", "a-b--x"),
        (Member("/r", "../.."), "/r#../..", "root"),
    ],
)
def test_a_key_names_it_and_a_slug_fits_a_branch(member: Member, key: str, slug: str) -> None:
    assert (member.key, member.slug) == (key, slug)
    assert key_of({"url": member.url, "path": f"/{member.path}/"}) == key


@pytest.mark.parametrize(
    ("url", "host", "name"),
    [
        ("https://Git.Example.org:8443/risk/limits.git", "git.example.org:8443", "risk/limits"),
        ("ssh://git@git.example.org/risk/limits.git", "git.example.org", "risk/limits"),
        ("git@git.example.org:risk/team/limits.git", "git.example.org", "risk/team/limits"),
        ("file:///srv/git/limits.git", "", "srv/git/limits"),
        ("/srv/git/limits.git", "", ""),
    ],
)
def test_where_an_address_lies(url: str, host: str, name: str) -> None:
    assert (host_in(url), name_in(url)) == (host, name)


MISTAKES = [
    ("projects: 1\n", "`fleet.yaml` line 1: projects: must be a list, not a number"),
    ("projects:\n  - path: x\n", "`fleet.yaml` line 2: projects.0: `url` is missing"),
    (
        "projects:\n  - url: /a\n    rnig: canary\n",
        "`fleet.yaml` line 3: projects.0.rnig: the key `rnig` is unknown",
    ),
    ("projects:\n  - url: /a\n  - url: /a\n", "`fleet.yaml` line 3: `/a` stands there twice"),
    (
        "projects:\n  - { url: /a, path: b/c }\n  - { url: /a, path: b-c }\n",
        "`fleet.yaml` line 3: `/a#b-c` and `/a#b/c` would have one branch for their updates",
    ),
    ("projects:\n  - url: a/b\n", "`fleet.yaml` line 2: `a/b` is no address of a repository"),
    ("projects:\n  - url: ext::sh -c x\n", "`fleet.yaml` line 2: `ext::sh -c x` is no address of a factory"),
    (
        "projects:\n  - url: http://git.example.org/a\n",
        "`fleet.yaml` line 2: `http://git.example.org/a` is no address of a factory",
    ),
    (
        "projects:\n  - url: https://me:secret@git.example.org/a\n",
        "`fleet.yaml` line 2: the address of the factory holds a name or a password: `https://***@git.example.org…`",
    ),
    (
        "projects:\n  - { url: /a, path: ../b }\n",
        "`fleet.yaml` line 2: the path '../b' points outside its folder or into git's own",
    ),
    (
        "projects:\n  - { url: /a, path: x/.git }\n",
        "`fleet.yaml` line 2: the path 'x/.git' points outside its folder or into git's own",
    ),
    ("projects:\n  - { url: /a, ring: canary }\n", "`fleet.yaml` line 2: there is no ring `canary`"),
    (
        "projects:\n  - url: /a\n    hold: { until: soon, reason: r }\n",
        "`fleet.yaml` line 3: projects.0.hold.until: 'soon' is not a date like 2027-03-31",
    ),
    (
        "projects:\n  - url: /a\n    hold: { until: 2027-01-01 }\n",
        "`fleet.yaml` line 3: projects.0.hold: `reason` is missing",
    ),
    ("factories:\n  - url: embedded\n  - url: ext::x\n", "`fleet.yaml` line 3: `ext::x` is no address of a factory"),
    (
        "forges:\n  - { host: h, kind: svn }\n",
        "`fleet.yaml` line 2: forges.0.kind: 'svn' is not one of github, gitlab, gitea",
    ),
    ("rings:\n  - name: a\n  - name: a\n", "`fleet.yaml` line 3: the ring `a` stands there twice"),
    (
        "rings:\n  - { name: a, merged: 80 }\n",
        "`fleet.yaml` line 2: `merged` and `failing` of the ring `a` are shares, from 0 to 1",
    ),
    ("rings:\n  - { name: a, days: -1 }\n", "`fleet.yaml` line 2: `days` of the ring `a` is a number of days"),
    (
        'quiet:\n  - { from: "8", to: "09:00" }\n',
        "`fleet.yaml` line 2: quiet.0.from: '8' does not match ^([01][0-9]|2[0-3]):[0-5][0-9]$",
    ),
    ('quiet: [{ from: "08:00", to: "09:00", zone: Mars/Base }]\n', "`fleet.yaml`: there is no time zone `Mars/Base`"),
    ("projects:\n  - url: [\n", "`fleet.yaml` line 3: "),
]


@pytest.mark.parametrize(("text", "says"), MISTAKES, ids=[says.rpartition(": ")[2][:40] for _, says in MISTAKES])
def test_a_mistake_is_told_with_its_line(text: str, says: str) -> None:
    error = refusal(lambda: read(text))
    assert (type(error), error.message[: len(says)]) == (UsageError, says)


def test_all_mistakes_are_told_at_once_each_with_its_file() -> None:
    """Also those of files that are included; a project stands once in all of them together."""
    text = "rings: [{ name: a, merged: 2 }]\nprojects:\n  - url: x\n  - url: /a\ninclude: [one.yaml, two.yaml]\n"
    error = refusal(lambda: read(text, one="projects:\n  - url: /b\n  - url: /a\n", two="projects:\n  - url: /b\n"))
    assert (error.message, error.details) == (
        "`fleet.yaml` line 3: `x` is no address of a repository",
        (
            "`one.yaml` line 3: `/a` stands there twice",
            "`two.yaml` line 2: `/b` stands there twice",
            "`fleet.yaml` line 1: `merged` and `failing` of the ring `a` are shares, from 0 to 1",
        ),
    )
    assert refusal(lambda: read("include: [one.yaml]", one="rings: []")).message == (
        "`one.yaml` line 1: `projects` is missing"
    )


@pytest.mark.parametrize(
    ("quiet", "moment", "holds"),
    [
        (Quiet(("fri",), 18 * 60, 8 * 60), "2026-11-27T18:00", True),  # a Friday
        (Quiet(("fri",), 18 * 60, 8 * 60), "2026-11-27T17:59", False),
        (Quiet(("fri",), 18 * 60, 8 * 60), "2026-11-28T07:59", True),  # the night that began on Friday
        (Quiet(("fri",), 18 * 60, 8 * 60), "2026-11-28T08:00", False),
        (Quiet(("fri",), 18 * 60, 8 * 60), "2026-11-27T07:00", False),
        (Quiet(DAYS, 9 * 60, 17 * 60), "2026-11-29T12:00", True),
        (Quiet(DAYS, 9 * 60, 17 * 60, "America/New_York"), "2026-11-29T12:00", False),
        (Quiet(DAYS, 9 * 60, 17 * 60, "America/New_York"), "2026-11-29T14:00", True),
        (Quiet(("mon",), 0, 0), "2026-11-30T23:59", True),  # all of Monday
    ],
)
def test_when_it_is_quiet(quiet: Quiet, moment: str, holds: bool) -> None:
    assert quiet.holds(dt.datetime.fromisoformat(moment).replace(tzinfo=zoneinfo.ZoneInfo("UTC"))) is holds
