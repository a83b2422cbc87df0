"""What a fleet behind a real git server takes, a project: status, plan and apply. Run: see benchmarks/README.md."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import kit  # noqa: E402
from tests.forges.githttp import Server, serving  # noqa: E402

MIB = 1024  # KiB: the unit of ru_maxrss on Linux


class Run(NamedTuple):
    """What a command took: CPU seconds with its children, seconds, and MiB of memory at most."""

    cpu: float
    wall: float
    peak: float


def measured(folder: Path, home: Path, *words: str) -> Run:
    """Run `ai-factory fleet WORDS` in a process of its own; 1 is a fine exit code: something waits for somebody."""
    environment = {**os.environ, "AI_FACTORY_CACHE": str(home / "cache"), "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    command = [sys.executable, "-m", "ai_factory", "fleet", *words]
    begun = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"`{' '.join(command)}` returned {process.returncode}")
    return Run(usage.ru_utime + usage.ru_stime, time.perf_counter() - begun, usage.ru_maxrss / MIB)


def fleet(server: Server, seed: Path, factory: Path, folder: Path, count: int) -> None:
    """So many repositories, each a copy of the seed, and the file that names them."""
    names = [f"team-{number % 20}/project-{number:05}" for number in range(count)]
    for name in names:
        server.folder(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(seed, server.folder(name))
    folder.mkdir()
    rows = "".join(f"  - url: {server.clone_url(name)}\n" for name in names)
    (folder / "fleet.yaml").write_text(f"factories:\n  - url: {factory}\nprojects:\n{rows}")


def main() -> int:
    """Print a line for each command and each size: the first look, and one that has nothing new to see."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, nargs="+", default=[100, 1000])
    options = parser.parse_args()
    os.environ |= kit.IDENTITY
    print(f"load average {', '.join(f'{value:.1f}' for value in os.getloadavg())} on {os.cpu_count()} processors")
    for count in options.projects:
        with tempfile.TemporaryDirectory(prefix="ai-factory-bench-") as name:
            place = Path(name)
            factory = kit.small_factory(place / "factory")
            project = kit.small_project(place / "made" / "small-thing", factory)
            kit.git(place, "clone", "-q", "--bare", str(project), str(place / "seed.git"))
            with serving(place / "served") as server:
                fleet(server, place / "seed.git", factory, place / "fleet", count)
                for words in ("status", "status", "plan --output plan.jsonl", "apply plan.jsonl", "apply plan.jsonl"):
                    run = measured(place / "fleet", place / "home", *words.split())
                    cpu, wall = (1000 * seconds / count for seconds in run[:2])
                    print(
                        f"{count:>6} {words:<26} {cpu:>7.1f} ms CPU {wall:>7.1f} ms  {run.peak:>5.0f} MiB", flush=True
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
