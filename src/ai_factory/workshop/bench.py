"""The author's bench: every blueprint of a factory rendered, upgraded and run, several at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from ai_factory import catalog
from ai_factory.errors import FactoryError, UsageError
from ai_factory.factory import Factory
from ai_factory.workshop import running, trials, upgrades
from ai_factory.workshop.apart import Told, apart
from ai_factory.workshop.choices import Trial
from ai_factory.workshop.opening import factory_at, releases
from ai_factory.workshop.rules import located
from ai_factory.workshop.running import Ran
from ai_factory.workshop.trials import Fault, Tried
from ai_factory.workshop.upgrades import Upgraded

NEW = "new"  # the folder of a project that is stamped to be run


class Job(NamedTuple):
    """One piece of work: a blueprint rendered (no release) or brought here from a release, below that folder."""

    blueprint: str
    release: str
    place: str
    run: bool


class Done(NamedTuple):
    """What came of a job; `note` says what was not run, and why."""

    job: Job
    tried: Tried | None = None
    upgraded: Upgraded | None = None
    ran: Ran | None = None
    note: str = ""

    @property
    def failed(self) -> bool:
        """Whether the author has something to mend."""
        faults = self.tried.faults if self.tried else ()
        broken = self.upgraded.broken if self.upgraded else ()
        return bool(faults or broken or (self.ran and self.ran.code))


class Tested(NamedTuple):
    """What came of all jobs, the renderings of a blueprint first, then its releases."""

    address: str
    releases: tuple[str, ...]
    done: tuple[Done, ...]

    @property
    def failed(self) -> bool:
        return any(one.failed for one in self.done)

    def of(self, blueprint: str) -> list[Done]:
        """What came of the jobs of a blueprint."""
        return [one for one in self.done if one.job.blueprint == blueprint]

    @property
    def blueprints(self) -> list[str]:
        return list(dict.fromkeys(one.job.blueprint for one in self.done))


def try_out(address: str, names: Sequence[str], place: str, run: bool = False, told: Told | None = None) -> Tested:
    """Try each blueprint that is named, or all, below an empty folder; `told` hears how many jobs of how many are done.

    Raises UsageError for a name that is no blueprint's, and where there is no factory.
    """
    factory = factory_at(address)
    chosen = list(dict.fromkeys(names)) or factory.blueprints()
    for name in chosen:
        if name not in factory.blueprints():
            raise UsageError(f"there is no blueprint `{name}`{catalog.nearest(name, factory.blueprints())}")
    tags = releases(factory)
    jobs = [Job(name, tag, place, run) for name in chosen for tag in ("", *tags)]
    return Tested(factory.origin.url, tuple(tags), tuple(apart(partial(_work, factory), jobs, told)))


def _work(factory: Factory, job: Job) -> Done:
    return _upgraded(factory, job) if job.release else _rendered(factory, job)


def _rendered(factory: Factory, job: Job) -> Done:
    try:
        found = trials.tried(factory, job.blueprint)
        done = Done(job, tried=found)
        return _stamped_and_run(factory, done) if job.run and not done.failed else done
    except FactoryError as error:
        where = f"{catalog.BLUEPRINTS}/{job.blueprint}.yaml"
        faults = [Fault(one.path, "", one.line, one.message, Trial(job.blueprint)) for one in located("", error, where)]
        return Done(job, tried=Tried(job.blueprint, faults=tuple(faults)))


def _stamped_and_run(factory: Factory, done: Done) -> Done:
    job = done.job
    folder = os.path.join(job.place, f"{job.blueprint}-{NEW}")
    upgrades.stamp(factory, job.blueprint, folder)
    return _run(factory, done, folder)


def _upgraded(factory: Factory, job: Job) -> Done:
    folder = os.path.join(job.place, f"{job.blueprint}-{job.release}".replace("/", "-"))
    found = upgrades.upgraded(factory, job.blueprint, job.release, folder)
    done = Done(job, upgraded=found)
    return _run(factory, done, folder) if job.run and not (found.skipped or done.failed) else done


def _run(factory: Factory, done: Done, folder: str) -> Done:
    declared = catalog.blueprint(done.job.blueprint, factory.read).test
    command = running.command_of(declared, running.makefile_in(folder))
    if not command:
        return done._replace(note="not run: the blueprint names no `test`, and there is no `make test`")
    return done._replace(ran=running.ran(command, folder, done.job.release))
