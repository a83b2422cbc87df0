"""How fast an identity may write to a code host: one budget for the whole fleet, and another try where one helps."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from ai_factory.errors import ForgeError
from ai_factory.forge.protocol import Forge, Found, Permissions, Proposal, PullRequest

Result = TypeVar("Result")
HOUR = 3600.0
TICK = 1e-6  # seconds: less is not worth a wait, nor told apart by a clock that counts since long ago


class Limits(NamedTuple):
    """How many writes an identity may make; `share` is into how many shards the budget is divided."""

    minute: int = 80
    hour: int = 500
    share: int = 1

    @property
    def gap(self) -> float:
        """The seconds between two writes, so that no minute has more than it may."""
        return 60 * self.share / self.minute

    @property
    def in_an_hour(self) -> int:
        """How many writes this shard may make in any hour."""
        return max(self.hour // self.share, 1)

    def estimate(self, writes: int) -> float:
        """The seconds from the first of so many writes to the last, if nothing but the limits holds them up.

        Writes follow each other at the gap until an hour's budget is spent; the next begins an hour after its first.
        """
        whole, rest = divmod(max(writes - 1, 0), self.in_an_hour)
        return whole * max(HOUR, self.in_an_hour * self.gap) + rest * self.gap


# What GitHub documents for content that an identity creates. The others document none that binds every host: the
# same budget keeps their reviewers and runners at ease.
LIMITS = {"github": Limits(), "gitlab": Limits(), "gitea": Limits()}


class Governor:
    """Lets writes through one by one, for all threads of a process; clock and sleeper are given: time is data."""

    def __init__(
        self,
        limits: Limits = LIMITS["github"],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._written: deque[float] = deque(maxlen=limits.in_an_hour)  # when, in the last hour
        self._held = 0.0  # until when nobody asks the host anything

    def write(self) -> None:
        """Wait until a write may be made, and count it."""
        while wait := self._next_write():
            self._sleep(wait)

    def read(self) -> None:
        """Wait while the host asked to be left alone."""
        while (wait := self._held - self._clock()) > TICK:
            self._sleep(wait)

    def hold(self, seconds: float) -> None:
        """The host asked to be left alone for so long: that holds for everybody."""
        with self._lock:
            self._held = max(self._held, self._clock() + seconds)

    def pause(self, seconds: float) -> None:
        """Wait before another try, without holding up anybody else."""
        self._sleep(seconds)

    def _next_write(self) -> float:
        """The seconds to wait; 0 where the write may be made now, and is counted."""
        with self._lock:
            now = self._clock()
            first = max(self._held, self._written[-1] + self.limits.gap if self._written else now)
            if len(self._written) == self._written.maxlen:
                first = max(first, self._written[0] + HOUR)
            if first - now > TICK:
                return first - now
            self._written.append(now)
            return 0


class Patience(NamedTuple):
    """How often something is tried, and how long the waits between are at the longest (seconds)."""

    tries: int = 5
    first: float = 2
    longest: float = 4000  # a host counts by the hour: whoever asks for more gets the failure told instead

    def after(self, attempt: int) -> float:
        """The seconds to wait after the try with that number, the first being 1: twice as long each time."""
        return self.first * 2.0 ** (attempt - 1)


class Governed:
    """A code host whose writes go through a governor, and whose transient failures are tried again, within reason."""

    def __init__(self, forge: Forge, governor: Governor, patience: Patience | None = None) -> None:
        self._forge = forge
        self._governor = governor
        self._patience = patience or Patience()

    def repositories(self, organisation: str) -> Iterator[Found]:
        """See Forge. All pages are read before the first is given: a page that fails means another try of all."""
        return iter(self._read(lambda: list(self._forge.repositories(organisation))))

    def permissions(self, name: str) -> Permissions:
        """See Forge."""
        return self._read(lambda: self._forge.permissions(name))

    def pull_requests(self, name: str, branch: str) -> Sequence[PullRequest]:
        """See Forge."""
        return self._read(lambda: self._forge.pull_requests(name, branch))

    def open(self, name: str, proposal: Proposal) -> PullRequest:
        """See Forge."""
        return self._write(lambda: self._forge.open(name, proposal))

    def update(self, name: str, number: int, proposal: Proposal) -> PullRequest:
        """See Forge."""
        return self._write(lambda: self._forge.update(name, number, proposal))

    def comment(self, name: str, number: int, marker: str, text: str) -> None:
        """See Forge."""
        self._write(lambda: self._forge.comment(name, number, marker, text))

    def set_status(self, name: str, commit: str, context: str, state: str, text: str) -> None:
        """See Forge."""
        self._write(lambda: self._forge.set_status(name, commit, context, state, text))

    def checks(self, name: str, commit: str) -> str:
        """See Forge."""
        return self._read(lambda: self._forge.checks(name, commit))

    def merge(self, name: str, number: int, commit: str) -> None:
        """See Forge."""
        self._write(lambda: self._forge.merge(name, number, commit))

    def _read(self, call: Callable[[], Result]) -> Result:
        return self._tried(self._governor.read, call)

    def _write(self, call: Callable[[], Result]) -> Result:
        return self._tried(self._governor.write, call)

    def _tried(self, wait: Callable[[], None], call: Callable[[], Result]) -> Result:
        for attempt in range(1, self._patience.tries + 1):
            wait()
            try:
                return call()
            except ForgeError as error:
                if error.after:
                    self._governor.hold(min(error.after, self._patience.longest))
                hopeless = error.failure != "transient" or error.after > self._patience.longest
                if hopeless or attempt == self._patience.tries:
                    raise
                self._governor.pause(self._patience.after(attempt))
        raise AssertionError
