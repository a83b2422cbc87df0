"""Writes of a whole fleet keep to the limits of its host, by simulation: the clock and the sleeper are data here."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ai_factory.errors import ForgeError, UsageError
from ai_factory.forge import Forge, Found, Permissions, Proposal, PullRequest
from ai_factory.forge.governor import HOUR, LIMITS, Governed, Governor, Limits, Patience
from ai_factory.forge.opening import forge_at
from tests.forges import double
from tests.forges.double import host_at
from tests.kit import refusal

PROPOSAL = Proposal("b", "main", "t", "x")
PULL = PullRequest(1, "https://example.org/1", "open", "", "t", "x", "main")


class Time:
    """A clock that moves when somebody sleeps; `slept` is every wait."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


class Scripted:
    """A host whose every method notes its name, then fails as the script says, or succeeds."""

    def __init__(self, *script: ForgeError) -> None:
        self.script = [*script]
        self.asked: list[str] = []

    def _go(self, name: str) -> None:
        self.asked.append(name)
        if self.script:
            raise self.script.pop(0)

    def repositories(self, organisation: str) -> Iterator[Found]:
        yield Found("https://example.org/a/b.git", "a/b")
        self._go("repositories")
        yield Found("https://example.org/a/c.git", "a/c")

    def permissions(self, name: str) -> Permissions:
        self._go("permissions")
        return Permissions(push=True, propose=True, workflows=True)

    def pull_requests(self, name: str, branch: str) -> Sequence[PullRequest]:
        self._go("pull_requests")
        return [PULL]

    def open(self, name: str, proposal: Proposal) -> PullRequest:
        self._go("open")
        return PULL

    def update(self, name: str, number: int, proposal: Proposal) -> PullRequest:
        self._go("update")
        return PULL

    def comment(self, name: str, number: int, marker: str, text: str) -> None:
        self._go("comment")

    def set_status(self, name: str, commit: str, context: str, state: str, text: str) -> None:
        self._go("set_status")

    def checks(self, name: str, commit: str) -> str:
        self._go("checks")
        return "passing"

    def merge(self, name: str, number: int, commit: str) -> None:
        self._go("merge")


def governed(forge: Scripted, limits: Limits = LIMITS["github"]) -> tuple[Governed, Time]:
    time = Time()
    return Governed(forge, Governor(limits, time.clock, time.sleep)), time


def written(limits: Limits, count: int) -> list[float]:
    """When each of so many writes was made, from the first on."""
    time = Time()
    governor, moments = Governor(limits, time.clock, time.sleep), []
    for _ in range(count):
        governor.write()
        moments.append(time.now - 1_000_000)
    return moments


def most_within(moments: list[float], seconds: float) -> int:
    """The most writes that any span of that length has."""
    first, most = 0, 0
    for number, moment in enumerate(moments):
        while moments[first] <= moment - seconds + 1e-3:
            first += 1
        most = max(most, number - first + 1)
    return most


@pytest.mark.parametrize(
    ("projects", "limits", "hours"),
    [
        (10_000, Limits(), 19.1),  # what docs/how-to/connect-a-forge.md says
        (9_412, Limits(), 18.1),
        (200, Limits(), 0.04),
        (1, Limits(), 0),
        (0, Limits(), 0),
        (10_000, Limits(hour=5000), 2.1),
        (1_000, Limits(minute=6, hour=500), 2.8),
        (2_500, Limits(share=4), 19.1),
    ],
)
def test_a_fleet_takes_as_long_as_estimated(projects: int, limits: Limits, hours: float) -> None:
    """No minute and no hour has more writes than the host allows, and the last comes when the estimate said."""
    moments = written(limits, projects)
    assert most_within(moments, 60) <= limits.minute / limits.share
    assert most_within(moments, HOUR) <= limits.hour / limits.share
    assert limits.estimate(projects) == pytest.approx(moments[-1] if moments else 0, abs=0.1)
    assert round(limits.estimate(projects) / HOUR, 1 if hours > 0.1 else 2) == hours


def test_the_page_says_what_the_simulation_shows() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "connect-a-forge.md").read_text("utf-8")
    minutes, hours = Limits().estimate(200) / 60, Limits().estimate(10_000) / HOUR
    assert f"| 200 | {math.ceil(minutes)} minutes |" in page
    assert f"| 1,000 | 1 hour and {Limits().estimate(1000) / 60 - 60:.0f} minutes |" in page
    assert f"| 10,000 | {hours:.0f} hours |" in page


def test_shards_share_one_budget() -> None:
    """Four of them, each unaware of the others, make together no more than one identity may."""
    shard = written(Limits(share=4), 600)
    assert most_within(sorted(shard * 4), HOUR) <= 500
    assert most_within(sorted(shard * 4), 60) <= 80


def test_what_writes_is_counted_and_what_reads_is_not() -> None:
    forge = Scripted()
    ours, time = governed(forge, Limits(minute=60, hour=3))
    reads: list[Callable[[], object]] = [
        lambda: [*ours.repositories("a")],
        lambda: ours.permissions("a/b"),
        lambda: ours.pull_requests("a/b", "b"),
        lambda: ours.checks("a/b", "c"),
    ]
    writes: list[Callable[[], object]] = [
        lambda: ours.open("a/b", PROPOSAL),
        lambda: ours.update("a/b", 1, PROPOSAL),
        lambda: ours.comment("a/b", 1, "m", "t"),
        lambda: ours.set_status("a/b", "c", "ai-factory/x", "success", "t"),
        lambda: ours.merge("a/b", 1, "c"),
    ]
    for call in reads * 9:
        call()
    assert time.slept == []
    for call in writes:
        call()
    assert (time.slept, len(forge.asked)) == ([1, 1, HOUR - 2, 1], 36 + 5)


def test_a_wait_that_the_host_asks_for_holds_for_everybody() -> None:
    """Writers and readers alike, of every repository."""
    forge = Scripted(ForgeError("limit", "transient", after=70))
    ours, time = governed(forge)
    other = Governed(Scripted(), ours._governor)
    with pytest.raises(ForgeError):
        Governed(forge, ours._governor, Patience(tries=1)).open("a/b", PROPOSAL)
    other.permissions("a/c")
    assert time.slept == [70]
    ours._governor.hold(30)
    other.open("a/c", PROPOSAL)
    assert time.slept == [70, 30]


def test_a_transient_failure_is_tried_again_with_growing_waits() -> None:
    """And not for ever: the last failure is told as it is."""
    ours, time = governed(Scripted(*[ForgeError("502", "transient")] * 4))
    assert ours.permissions("a/b").push
    assert time.slept == [2, 4, 8, 16]
    ours, time = governed(Scripted(*[ForgeError("502", "transient")] * 9))
    assert refusal(lambda: ours.checks("a/b", "c")).message == "502"
    assert time.slept == [2, 4, 8, 16]


def test_a_page_that_fails_means_another_try_of_all() -> None:
    """No repository is given twice."""
    ours, _ = governed(Scripted(ForgeError("502", "transient")))
    assert [found.name for found in ours.repositories("a")] == ["a/b", "a/c"]


@pytest.mark.parametrize("kind", ["permission", "conflict", "policy", "bug"])
def test_what_another_try_does_not_mend_is_told_at_once(kind: str) -> None:
    forge = Scripted(ForgeError("no", kind))
    ours, time = governed(forge)
    assert refusal(lambda: ours.open("a/b", PROPOSAL)).message == "no"
    assert (forge.asked, time.slept) == (["open"], [])


def test_a_host_that_asks_for_a_day_is_not_waited_for_now() -> None:
    """The failure is told; everybody holds still for as long as we wait at the most."""
    ours, time = governed(Scripted(ForgeError("limit", "transient", after=86_400)))
    assert refusal(lambda: ours.open("a/b", PROPOSAL)).message == "limit"
    ours.permissions("a/b")
    assert time.slept == [4000]


def test_a_mistake_of_ours_is_no_failure_of_the_host() -> None:
    class Mistaken(Scripted):
        def checks(self, name: str, commit: str) -> str:
            message = "no name"
            raise UsageError(message)

    ours, time = governed(Mistaken())
    assert isinstance(refusal(lambda: ours.checks("x", "c")), UsageError)
    assert time.slept == []


def test_many_threads_have_one_budget() -> None:
    """One of them looks and counts at a time, however slowly the clock answers."""
    inside: list[int] = []
    together: set[int] = set()

    def clock() -> float:
        inside.append(1)
        together.add(len(inside))
        threading.Event().wait(0.001)
        inside.pop()
        return 0

    governor = Governor(Limits(minute=10**9), clock, lambda seconds: None)
    threads = [threading.Thread(target=governor.write) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (together, len(governor._written)) == ({1}, 20)


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
def test_over_a_real_host_limits_and_troubles_pass(kind: str, tmp_path: Path) -> None:
    """A limit, a bad gateway and a lost answer in turn: one pull request, and the waits that were asked for."""
    with host_at(tmp_path / "www") as host:
        host.repository("a/b", {"x": ""})
        host.push("a/b", "next", {"y": ""})
        pulls = "(pulls|merge_requests)$"
        time, trouble = Time(), double.broken("GET", pulls)
        host.faults = [double.limited("POST", pulls, after=33), trouble, double.lost("POST", pulls)]
        forge: Forge = Governed(forge_at(host.spec(kind), host.token()), Governor(clock=time.clock, sleep=time.sleep))
        made = forge.open("a/b", Proposal("next", "main", "t", "x"))
        assert (made.number, len(host.pulls), [fault.left for fault in host.faults]) == (1, 1, [0, 0, 0])
        assert sum(time.slept) > 33


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
def test_one_adapter_serves_many_threads(kind: str, tmp_path: Path) -> None:
    """Each gets the answer to its own question."""
    names = [f"a/r{number}" for number in range(12)]
    with host_at(tmp_path / "www") as host:
        for name in names:
            host.repository(name, {"x": ""})
            host.push(name, "next", {"y": ""})
        forge = forge_at(host.spec(kind), host.token())
        found: dict[str, str] = {}

        def work(mine: list[str]) -> None:
            for name in mine:
                found[name] = forge.open(name, Proposal("next", "main", name, "x")).title

        threads = [threading.Thread(target=work, args=(names[first::6],)) for first in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == {name: name for name in names}
        assert sorted(pull.title for pull in host.pulls) == sorted(names)
