"""Events a second of the audit log, with and without group commit, on a real disk. Run: see benchmarks/README.md."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ROOT / "tests" / "golden" / "tabular-decision" / "default"
WORK = Path(__file__).resolve().parent / ".work"


def decision(number: int) -> dict[str, Any]:
    """What a decision of the tabular blueprint writes, some 800 bytes a line; no two are alike."""
    mixed = hashlib.sha256(str(number).encode()).hexdigest()
    return {
        "decision_id": f"{mixed[:8]}-{mixed[8:12]}-4{mixed[13:16]}-8{mixed[17:20]}-{mixed[20:32]}",
        "mode": "model",
        "outcome": "refer",
        "probability": int(mixed[:12], 16) / 16**12,
        "model_version": "r-0f3c9a7be1d2",
        "reasons": [{"code": "R04", "text": "Use of existing credit lines is high"}, {"code": "R01", "text": "Income"}],
        "input": f"hmac-sha256:{mixed}",
        "request_id": mixed[-8:],
    }


def opened(audit: Any, folder: Path) -> Any:
    """A log in that folder."""
    return audit.AuditLog(folder / "bench.jsonl", "/systems/bench", audit.privacy_from({}))


def record(log: Any, kind: Any, rows: list[dict[str, Any]], threads: int) -> None:
    """Each thread records one event after another and waits for each."""

    def work(number: int) -> None:
        for step in range(number, len(rows), threads):
            log.record(kind, f"person {step}", rows[step])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


def record_all(log: Any, kind: Any, rows: list[dict[str, Any]], batch: int) -> None:
    """One thread hands in many at a time."""
    for start in range(0, len(rows), batch):
        log.record_all((kind, f"person {start + step}", row) for step, row in enumerate(rows[start : start + batch]))


class Figure(NamedTuple):
    """Events a second, and microseconds of CPU time an event, the system's part included."""

    rate: float
    cpu: float


def measure(audit: Any, how: Any, events: int, size: int, folder: Path) -> Figure:
    """One case; the log must verify and hold all events."""
    rows = [decision(number) for number in range(events)]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        log = opened(audit, Path(scratch))
        started, used = time.perf_counter(), time.process_time()
        how(log, audit.EventType.DECISION, rows, size)
        seconds, cpu = time.perf_counter() - started, time.process_time() - used
        log.close()
        state = audit.verify(log.path)
        assert state.intact, state.findings
        assert state.events == events
        return Figure(events / seconds, cpu / events * 1e6)


def main() -> int:
    """Print one line a case: the medians of the rounds, and each round; first how busy the machine is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=WORK, help="on the disk to be measured")
    parser.add_argument("--product", type=Path, default=PRODUCT, help="a stamped project")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    sys.dont_write_bytecode = True  # the golden tree stays as it is
    sys.path.insert(0, str(options.product / "src"))
    package = next(path.parent.parent.name for path in (options.product / "src").glob("*/controls/audit"))
    audit = importlib.import_module(f"{package}.controls.audit")
    cases = [
        ("record, 1 thread: an fsync each", record, 200, 1),
        ("record, 16 threads", record, 4000, 16),
        ("record, 64 threads", record, 12800, 64),
        ("record, 256 threads", record, 12800, 256),
        ("record_all, 1000 at a time", record_all, 20000, 1000),
    ]
    print(f"load average {', '.join(f'{value:.1f}' for value in os.getloadavg())} on {os.cpu_count()} processors")
    for name, how, events, size in cases:
        rounds = sorted(measure(audit, how, events, size, options.folder) for _ in range(options.rounds))
        middle, each = rounds[len(rounds) // 2], ", ".join(f"{one.rate:,.0f}" for one in rounds)
        cpu = statistics.median(one.cpu for one in rounds)
        print(f"{name:<34} {middle.rate:>9,.0f} events/s {cpu:>6.0f} µs CPU an event   ({each})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
