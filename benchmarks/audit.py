"""Events a second of the audit log, with and without group commit, on a real disk. Run: see benchmarks/README.md."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ROOT / "tests" / "golden" / "tabular-decision" / "default"
WORK = Path(__file__).resolve().parent / ".work"
# What a decision of the tabular blueprint writes, some 700 bytes a line.
DECISION: dict[str, Any] = {
    "decision_id": "0b0f9ec4-4d2f-4a43-8d1e-1f7a3c1c9a11",
    "mode": "model",
    "outcome": "refer",
    "probability": 0.1273451,
    "model_version": "0f3c9a7be1d2",
    "reasons": [{"code": "R04", "text": "Use of existing credit lines is high"}, {"code": "R01", "text": "Income"}],
    "input": "hmac-sha256:5f0c3ad5c1e5d9cb9a0e6a0a3d0c7b6f0f0d7f5e2c1b0a998877665544332211",
    "request_id": "b3c1",
}


def opened(audit: Any, folder: Path) -> Any:
    """A log in that folder."""
    return audit.AuditLog(folder / "bench.jsonl", "/systems/bench", audit.privacy_from({}))


def record(log: Any, kind: Any, events: int, threads: int) -> None:
    """Each thread records one event after another and waits for each."""

    def work(number: int) -> None:
        for step in range(events // threads):
            log.record(kind, f"person {number}-{step}", DECISION)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))


def record_all(log: Any, kind: Any, events: int, batch: int) -> None:
    """One thread hands in many at a time."""
    for start in range(0, events, batch):
        log.record_all((kind, f"person {start + step}", DECISION) for step in range(batch))


def measure(audit: Any, how: Any, events: int, size: int, folder: Path) -> float:
    """Events a second; the log must verify and hold them all."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        log = opened(audit, Path(scratch))
        started = time.perf_counter()
        how(log, audit.EventType.DECISION, events, size)
        seconds = time.perf_counter() - started
        log.close()
        state = audit.verify(log.path)
        assert state.intact, state.findings
        assert state.events == events // size * size
        return float(state.events / seconds)


def main() -> int:
    """Print one line a case: the median of the rounds, and each round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=WORK, help="on the disk to be measured")
    parser.add_argument("--product", type=Path, default=PRODUCT, help="a stamped project")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
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
    for name, how, events, size in cases:
        rounds = sorted(measure(audit, how, events, size, options.folder) for _ in range(options.rounds))
        each = ", ".join(f"{value:,.0f}" for value in rounds)
        print(f"{name:<34} {rounds[len(rounds) // 2]:>9,.0f} events/s   ({each})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
