"""A cluster whose workers die: what they had not finished is done by others, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from distributed import LocalCluster

from tests import kit
from tests.fleet.test_apply import ENDS, HELPER, ended, planned
from tests.fleet.world import BRANCH, World, world


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COUNT", "1"), ("KEY_0", "credential.helper"), ("VALUE_0", HELPER)):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)


def test_a_worker_that_is_killed_midway(tmp_path: Path) -> None:
    """Through the address of a scheduler, as on a cluster: the same commits as from threads, each there once."""
    with world(tmp_path, {"plain": 10, "conflict": 2}) as here, _cluster() as cluster:
        planned(here)
        alone = (here.folder / "plan.jsonl").read_text()
        first, *_ = cluster.workers.values()
        killer = threading.Thread(target=_kill_when_busy, args=(here, first.pid))
        killer.start()
        options = ("--executor", "dask", "--scheduler", cluster.scheduler_address)
        done = here.run("apply", "plan.jsonl", "--json", *options)
        killer.join()
        assert ended(here, done.data) == {name: ENDS[kind] for name, kind in here.kinds.items()}
        for name, head in here.heads().items():
            assert f'"commit":"{head}"' in alone
            assert kit.git(here.server.folder(name), "rev-list", "--count", f"main..{BRANCH}") == "1"
        assert here.run("plan", "--output", "again.jsonl", *options).code == 1
        assert (here.folder / "again.jsonl").read_text() == alone


def _cluster() -> LocalCluster:
    return LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50)


def _kill_when_busy(here: World, worker: int) -> None:
    """Kill the worker once some branches are there, and others are not."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        heads = [head for head in here.heads().values() if head]
        if 2 <= len(heads) < 10:
            os.kill(worker, signal.SIGKILL)
            return
        time.sleep(0.02)
