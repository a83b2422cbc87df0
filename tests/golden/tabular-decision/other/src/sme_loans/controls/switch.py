"""The kill switch: one file that takes the model out, read at each decision by every process.

Commands: `stop` and `resume` (with `--reason` and `--actor`), `status`, and `drill`, which proves
on a copy that the switch works, and how fast.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from . import evidence
from .audit import AuditUnavailable, EventType, KeyRefused, open_log
from .paths import Paths

# The longest that a stop may take to reach every process, in seconds.
LIMIT_SECONDS = 5.0
UNSAID = "not stated"
OUT, IN = "people decide every case", "running: the model decides"


@dataclass(frozen=True, slots=True)
class State:
    """Whether the model is out, and who said so and why."""

    stopped: bool
    reason: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """Stopped while its file says anything but false; one that cannot be read means stopped."""

    path: Path

    def state(self) -> State:
        """Read the switch; costs one look at the file system."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return State(stopped=False)
        except (OSError, UnicodeDecodeError) as error:
            return State(stopped=True, reason=f"the switch cannot be read: {error}")
        try:
            content = json.loads(text)
            stopped = content["stopped"] is not False
            return State(stopped, str(content["reason"]), str(content["actor"]))
        except (ValueError, KeyError, TypeError):
            return State(stopped=True, reason="the switch file is damaged")

    def stop(self, reason: str, actor: str) -> None:
        """Take the model out, from the next decision on, also over restarts."""
        self._write(State(True, reason, actor))

    def resume(self, reason: str, actor: str) -> None:
        """Let the model decide again."""
        self._write(State(False, reason, actor))

    def _write(self, state: State) -> None:
        evidence.replace(self.path, json.dumps(asdict(state)) + "\n")


def switch_of(paths: Paths) -> KillSwitch:
    """The kill switch of the project."""
    return KillSwitch(paths.var / "kill-switch.json")


def stop(paths: Paths, reason: str, actor: str) -> None:
    """Stop first, then record it: a broken audit log must not keep a bad model running.

    A stop is never refused: a blank reason or actor is on record as not stated.
    """
    said, who = reason.strip() or UNSAID, actor.strip() or UNSAID
    switch_of(paths).stop(said, who)
    _record(paths, "stopped", said, who)


def resume(paths: Paths, reason: str, actor: str) -> None:
    """Record first, then resume: what cannot be recorded does not go back to work.

    ValueError for a blank reason or actor.
    """
    if not reason.strip() or not actor.strip():
        raise ValueError("say why and who you are: neither --reason nor --actor may be blank")
    _record(paths, "resumed", reason, actor)
    switch_of(paths).resume(reason, actor)


def drill() -> float:
    """Stop and resume on a scratch switch; the seconds until a reader saw the stop."""
    with tempfile.TemporaryDirectory() as folder:
        switch = KillSwitch(Path(folder) / "kill-switch.json")
        started = time.perf_counter()
        switch.stop("drill", "drill")
        stopped, seconds = switch.state().stopped, time.perf_counter() - started
        switch.resume("drill", "drill")
        if not stopped or switch.state().stopped or seconds > LIMIT_SECONDS:
            raise RuntimeError("the kill switch does not work: take the service down")
        return seconds


def _record(paths: Paths, action: str, reason: str, actor: str) -> None:
    with open_log(paths, "operations") as log:
        who = log.privacy.actor(actor)
        data = {"action": action, "reason": reason, "actor": who}
        log.record(EventType.KILL_SWITCH, "decisions", data)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done; 1: no project here, done but not recorded, or the drill failed."""
    options = _parser().parse_args(arguments)
    paths = Paths.here()
    if options.command != "drill" and not (paths.ops / "audit.yaml").is_file():
        hint = "go to the project's folder, or set PROJECT_ROOT"
        print(f"{options.command}: {paths.root} is no project: {hint}", file=sys.stderr)
        return 1
    try:
        if options.command == "drill":
            print(f"the switch works: a stop was seen after {drill() * 1000:.1f} ms")
        elif options.command in ("stop", "resume"):
            act = stop if options.command == "stop" else resume
            act(paths, options.reason, options.actor)
    except (AuditUnavailable, KeyRefused, OSError, RuntimeError, ValueError) as error:
        print(f"{options.command}: {error}", file=sys.stderr)
        return 1
    finally:
        if options.command != "drill":
            print(_words(switch_of(paths).state()))
    return 0


def _words(state: State) -> str:
    if state.stopped:
        return f"STOPPED ({state.reason}): {OUT}"
    return IN


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="switch", description="Take the model out, or back in.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("stop", "resume"):
        command = commands.add_parser(name)
        command.add_argument("--reason", required=True, help="why, in one sentence")
        command.add_argument("--actor", required=True, help="your address")
    for name in ("status", "drill"):
        commands.add_parser(name)
    return parser


if __name__ == "__main__":
    sys.exit(main())
